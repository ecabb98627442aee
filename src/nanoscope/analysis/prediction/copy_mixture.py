"""What copying could gain on given windows: a table of n-grams mixed with a copier, beside the table alone.

    p(x) = (1 - w_m) P_n(x | the last n - 1 tokens) + w_m [x is the token after the match]

The match is the longest earlier occurrence in the window of the text just read, of m tokens (`text.matches`); without one the
table is alone. The weights w_m are the likeliest on these very windows: the log-likelihood is concave in each, so it has
one maximum, where its slope changes sign. The gain is the mean of log p(x) - log P_n(x) over all predicted tokens, in nats. It
is never negative, since w_m = 0 is the table.

Windows may come in several sets, each with a share: a mixture of texts is then weighted exactly, and not by which windows
happened to be drawn. Source: docs/methods/texts_and_tasks.md; such mixtures of a table with a cache: Kuhn & De Mori 1990.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float, Int

from nanoscope.text.matches import LONGEST, matches
from nanoscope.text.ngrams import NGrams

HALVINGS = 50


@dataclass(frozen=True)
class Predicted:
    """The tokens of some windows as table and copier predict them."""

    known: Float[np.ndarray, "token"] = field(repr=False)
    """The table's probability of the token that came."""
    right: Bool[np.ndarray, "token"] = field(repr=False)
    """Whether it is the one after the match."""
    length: Int[np.ndarray, "token"] = field(repr=False)
    """The length of the match; 0: none."""

    @staticmethod
    def of(windows: Int[np.ndarray, "window pos"], tables: NGrams) -> Predicted:
        """By the tables' largest n."""
        known = tables.prob(windows)[-1, :, 1:]
        found = matches(windows[:, :-1])
        copied = np.take_along_axis(windows, found.source.clip(0), axis=1)
        right = (found.length > 0) & (copied == windows[:, 1:])
        return Predicted(known.ravel(), right.ravel(), found.length.ravel())


def gain(parts: Sequence[tuple[float, Predicted]]) -> float:
    """Nats per token that the best copier adds to the table, on sets of windows with the given shares."""
    best = weights(parts)
    return sum(share * float(_gains(part, best).mean()) for share, part in parts)


def weights(parts: Sequence[tuple[float, Predicted]]) -> Float[np.ndarray, "length"]:
    """The likeliest weight of the copier for each length of match, 0 for no match."""
    low, high = np.zeros(LONGEST + 1), np.ones(LONGEST + 1)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        rises = (
            sum((share * _slope(part, middle) / len(part.known) for share, part in parts), np.zeros(LONGEST + 1)) > 0
        )
        low, high = np.where(rises, middle, low), np.where(rises, high, middle)
    return np.where(np.arange(LONGEST + 1) > 0, low, 0.0)


def _slope(part: Predicted, weights: Float[np.ndarray, "length"]) -> Float[np.ndarray, "length"]:
    """The derivative of the log-likelihood by each length's weight."""
    known, length = part.known[part.right], part.length[part.right]
    up = np.bincount(length, (1 - known) / (known + weights[length] * (1 - known)), minlength=LONGEST + 1)
    return up - np.bincount(part.length[~part.right], minlength=LONGEST + 1) / (1 - weights)


def _gains(part: Predicted, weights: Float[np.ndarray, "length"]) -> Float[np.ndarray, "token"]:
    at = weights[part.length]
    return np.log((1 - at) * part.known + at * part.right) - np.log(part.known)
