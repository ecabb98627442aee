"""Windows of a text as a model reads them, with what follows at each place and what kind of token that is.

Results on ordinary text are split by the kind of the token to be predicted. Places at the beginning of a window are
left out of every kind, so that an n-gram table sees its whole context wherever it is compared with the model.
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
"""From a match of so many tokens on, what comes next belongs to a repeated passage (methods.md 1.4)."""
NAMES = ("all", *KINDS, "repeated passage")


@dataclass(frozen=True)
class Passages(Windows):
    """Windows with what follows at each place, and of which kinds that is: at place i the model predicts `targets[:, i]`.

    `members [kind, window, place]` says which places count to which kind; "repeated passage" overlaps the others.
    """

    text: Int[Tensor, "window token"] = field(repr=False)
    """The tokens of each window, and the one after its last."""
    members: Bool[np.ndarray, "kind window place"] = field(repr=False)

    def __getitem__(self, windows: slice) -> Passages:
        """Some of the windows."""
        tokens, begins = self.tokens[windows], self.begins[windows]
        return Passages(tokens, begins, self.lead, self.text[windows], self.members[:, windows])

    @property
    def targets(self) -> Tensor:
        """The token that follows each place: `[window, place]`."""
        return self.text[:, 1:]

    @property
    def current(self) -> Tensor:
        """The token at each place: `[window, place]`."""
        return self.text[:, :-1]

    def sums(self, values: np.ndarray) -> Float[np.ndarray, "*any kind window"]:
        """Sums of a quantity `[*any, window, place]` over the places of each kind."""
        return np.einsum("...wp,kwp->...kw", values.astype(np.float64), self.members.astype(np.float64), optimize=True)

    @property
    def counts(self) -> Float[np.ndarray, "kind window"]:
        """How many places each kind has in each window."""
        return self.members.sum(-1).astype(np.float64)


def passages(text: TokenizedText, context: int, most: int, skip: int = 0) -> Passages:
    """At most `most` windows spread over a text. A window fills the context; with a start symbol, that is the first token
    of each. The first `skip` places belong to no kind. A token is of the kind of its last character.
    """
    size = room(context, text.start)
    if size <= skip:
        raise NanoscopeError(f"a context of {context} is too short: the first {skip} tokens are not counted")
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
    """Windows `[window, context]` spread over a text `[pos]` to fit something on, and others between them to stop by:
    `fitted` and `held` of them, or in that proportion as many as there are."""
    windows = started(spread_windows(tokens, room(context, start), fitted + held), start)
    stops = torch.arange(len(windows)) % max(2, (fitted + held) // held) == 1
    if not bool(stops.any()):
        raise NanoscopeError(f"the text has {len(tokens)} tokens, too few to fit a lens on windows of {context}")
    return windows[~stops], windows[stops]
