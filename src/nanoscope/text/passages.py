"""Windows of a text as a model reads them, with what follows at each place and what kind of character that is.

Results on ordinary text are split by the kind of the character to be predicted. Places at the beginning of a window are
left out of every kind, so that an n-gram table sees its whole context wherever it is compared with the model.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from nanoscope.errors import NanoscopeError
from nanoscope.text.concepts import KINDS, kinds
from nanoscope.text.matches import longest_match
from nanoscope.text.windows import room, spread_starts, spread_windows, started

COPYABLE = 5
"""From a match of so many characters on, what comes next belongs to a repeated passage (methods.md 1.4)."""
NAMES = ("all", *KINDS, "repeated passage")


@dataclass(frozen=True)
class Passages:
    """`tokens [window, pos]` are what the model reads; at place i it predicts `targets[:, i]`.

    `members [kind, window, place]` says which places count to which kind; "repeated passage" overlaps the others.
    """

    tokens: Tensor = field(repr=False)
    text: Tensor = field(repr=False)
    members: Bool[np.ndarray, "kind window place"] = field(repr=False)

    def __len__(self) -> int:
        return len(self.tokens)

    def __getitem__(self, windows: slice) -> Passages:
        """Some of the windows."""
        return Passages(self.tokens[windows], self.text[windows], self.members[:, windows])

    @property
    def targets(self) -> Tensor:
        """The token that follows each place: `[window, place]`."""
        return self.text[:, 1:]

    @property
    def current(self) -> Tensor:
        """The token at each place: `[window, place]`."""
        return self.text[:, :-1]

    @property
    def lead(self) -> int:
        """Positions before the first place: 1 where the model reads a start symbol, which is no place."""
        return self.tokens.shape[1] - self.targets.shape[1]

    def read(self, values: Tensor) -> Tensor:
        """The places of `values [window, pos, *any]`: a start symbol has a position, but is no place."""
        return values[:, values.shape[1] - self.targets.shape[1] :]

    def sums(self, values: np.ndarray) -> Float[np.ndarray, "*any kind window"]:
        """Sums of a quantity `[*any, window, place]` over the places of each kind."""
        return np.einsum("...wp,kwp->...kw", values.astype(np.float64), self.members.astype(np.float64), optimize=True)

    @property
    def counts(self) -> Float[np.ndarray, "kind window"]:
        """How many places each kind has in each window."""
        return self.members.sum(-1).astype(np.float64)


def passages(text: str, tokens: Tensor, context: int, most: int, start: int | None = None, skip: int = 0) -> Passages:
    """At most `most` windows spread over a text, `tokens [pos]` being its characters. A window fills the context;
    with a start symbol, that is the first token of each. The first `skip` places belong to no kind.
    """
    if len(tokens) != len(text):
        raise NanoscopeError(f"{len(tokens)} tokens for {len(text)} characters; only character-level models fit here")
    size = room(context, start) + 1
    if size - 1 <= skip:
        raise NanoscopeError(f"a context of {context} is too short: the first {skip} characters are not counted")
    starts = spread_starts(len(tokens), size, most)
    where = starts[:, None] + torch.arange(size)
    windows = tokens[where]
    kind = kinds(text)[where.numpy()[:, 1:]]
    copied = np.stack([longest_match(window, COPYABLE)[0] >= COPYABLE for window in windows[:, :-1]])
    members = np.stack([np.ones_like(copied), *(kind == k for k in range(len(KINDS))), copied])
    members[..., :skip] = False
    return Passages(started(windows[:, :-1], start), windows, members)


def windows_to_fit(
    tokens: Tensor, context: int, fitted: int, held: int, start: int | None = None
) -> tuple[Tensor, Tensor]:
    """Windows `[window, context]` spread over a text `[pos]` to fit something on, and others between them to stop by:
    `fitted` and `held` of them, or in that proportion as many as there are."""
    windows = started(spread_windows(tokens, room(context, start), fitted + held), start)
    stops = torch.arange(len(windows)) % max(2, (fitted + held) // held) == 1
    if not bool(stops.any()):
        raise NanoscopeError(f"the text has {len(tokens)} characters, too few to fit a lens on windows of {context}")
    return windows[~stops], windows[stops]
