"""Windows of a text: where they begin, and a text cut into windows as long as a model's context.

They are spread evenly over the text, none overlapping another. Laid end to end they are one sequence of characters. The
first character of a window has nothing before it, as in training.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from nanoscope.errors import NanoscopeError

CHUNK_CHARACTERS = 1024


@dataclass(frozen=True)
class Windows:
    """Pieces of a text: `tokens [window, pos]` for the model, and where in the text they lie, `places [window, char]`.

    Where the model needs a start symbol, each row of `tokens` has it before the characters (`lead` is then 1, else 0).
    """

    tokens: Tensor
    places: np.ndarray
    lead: int

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def size(self) -> int:
        """Characters of one window."""
        return self.places.shape[1]

    @property
    def laid_out(self) -> Int[np.ndarray, "char"]:
        """The place in the text of every character, windows end to end."""
        return self.places.ravel()

    def chunks(self) -> Iterator[slice]:
        """Windows that are run together, about 1,024 characters at a time."""
        step = max(1, CHUNK_CHARACTERS // self.size)
        return (slice(first, min(first + step, len(self))) for first in range(0, len(self), step))


def windows(tokens: Int[Tensor, "char"], context: int, characters: int, start: int | None = None) -> Windows:
    """Whole windows of a text, about `characters` in all, at least one; each has a character after its last.

    Raises NanoscopeError where the text is shorter than one window.
    """
    size = context - (start is not None)
    starts = spread_starts(len(tokens) - 1, size, max(1, characters // size))
    places = starts[:, None] + torch.arange(size)
    lead = torch.full((len(starts), 0 if start is None else 1), start or 0)
    return Windows(torch.cat([lead, tokens[places]], dim=1), places.numpy(), lead.shape[1])


def spread_starts(total: int, size: int, most: int) -> Int[Tensor, "window"]:
    """Where to begin at most `most` windows of `size` tokens, spread evenly over `total`, none overlapping another."""
    if total < size:
        raise NanoscopeError(f"the text has {total} characters, too few for a window of {size}")
    return torch.linspace(0, total - size, min(most, total // size)).long()
