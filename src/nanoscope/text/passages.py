"""Windows of a text with the next token at each position and its kind.

Results on ordinary text are split by the kind of the token to be predicted. Positions at the beginning of a window belong
to no kind, so that an n-gram table has its full context wherever it is compared with the model.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from nanoscope.errors import NanoscopeError
from nanoscope.text.concepts import KINDS, kinds
from nanoscope.text.matches import matches
from nanoscope.text.tokenizer import TokenizedText
from nanoscope.text.windows import Windows, cut, room, spread_starts, spread_windows, started, windows_at

COPYABLE = 5
"""A token after an earlier match of at least this many tokens belongs to a repeated passage."""
NAMES = ("all", *KINDS, "repeated passage")


@dataclass(frozen=True)
class Passages(Windows):
    """Windows with the targets at each position and their kinds: at position i the model predicts `targets[:, i]`.

    `members [kind, window, pos]` marks the positions of each kind; "repeated passage" overlaps the others.
    """

    text: Int[Tensor, "window token"] = field(repr=False)
    """The tokens of each window, and the token after its last."""
    members: Bool[np.ndarray, "kind window pos"] = field(repr=False)

    def __getitem__(self, windows: slice) -> Passages:
        """Some of the windows."""
        tokens, begins = self.tokens[windows], self.begins[windows]
        return Passages(tokens, begins, self.lead, self.text[windows], self.members[:, windows])

    @property
    def targets(self) -> Tensor:
        """The token after each position: `[window, pos]`."""
        return self.text[:, 1:]

    @property
    def current(self) -> Tensor:
        """The token at each position: `[window, pos]`."""
        return self.text[:, :-1]

    def sums(self, values: np.ndarray) -> Float[np.ndarray, "*any kind window"]:
        """Sums of a quantity `[*any, window, pos]` over the positions of each kind."""
        return np.einsum("...wp,kwp->...kw", values.astype(np.float64), self.members.astype(np.float64), optimize=True)

    @property
    def counts(self) -> Float[np.ndarray, "kind window"]:
        """Number of positions of each kind in each window."""
        return self.members.sum(-1).astype(np.float64)


def passages(text: TokenizedText, context: int, most: int, skip: int = 0) -> Passages:
    """At most `most` windows spread evenly over a text. Each fills the context, including the start symbol if there is
    one. The first `skip` positions belong to no kind. A token has the kind of its last character.
    """
    size = room(context, text.start)
    if size <= skip:
        raise NanoscopeError(
            f"a context of {context} is too short: the first {skip} tokens are not counted, so {context - size + skip + 1} are "
            "needed or more"
        )
    begins = spread_starts(len(text), size + 1, most)
    laid, whole = windows_at(text.tokens, begins, size, text.start), cut(text.tokens, begins, size + 1)
    kind = kinds(text.text)[text.last][laid.places + 1]
    copied = matches(whole[:, :-1].numpy(), COPYABLE).length >= COPYABLE
    members = np.stack([np.ones_like(copied), *(kind == k for k in range(len(KINDS))), copied])
    members[..., :skip] = False
    return Passages(laid.tokens, laid.begins, laid.lead, whole, members)


def windows_to_fit(
    tokens: Tensor, context: int, fitted: int, held: int, start: int | None = None
) -> tuple[Tensor, Tensor]:
    """Training windows and interleaved held-out windows, `[window, context]` each, spread evenly over a text `[pos]`:
    `fitted` and `held` of them, or in a short text as many as there are in that proportion."""
    windows = started(spread_windows(tokens, room(context, start), fitted + held), start)
    held_out = torch.arange(len(windows)) % max(2, (fitted + held) // held) == 1
    if not bool(held_out.any()):
        raise NanoscopeError(f"the text has {len(tokens)} tokens, too few to fit a lens on windows of {context}")
    return windows[~held_out], windows[held_out]
