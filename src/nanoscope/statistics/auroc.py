"""How well a score tells two kinds of places apart: the area under the ROC curve, with resamples over windows.

AUROC is the chance that a positive place scores above a negative one, ties counting half (Mann & Whitney 1947). Counted
for each pair of windows, `wins[a, b]` = pairs of a positive in a and a negative in b that are in the right order, it is a
quadratic form in how often each window is drawn; so a bootstrap over windows needs no further sorting.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float


@dataclass(frozen=True)
class Pairs:
    """Pairs of a positive and a negative place in the right order, and how many places of either kind there are."""

    wins: Float[np.ndarray, "window window"] = field(repr=False)
    positives: Float[np.ndarray, "window"] = field(repr=False)
    negatives: Float[np.ndarray, "window"] = field(repr=False)

    def auroc(self, weights: Float[np.ndarray, "*any window"]) -> Float[np.ndarray, "*any"]:
        """The area when window w counts `weights[w]` times; NaN where one kind is missing."""
        won = ((weights @ self.wins) * weights).sum(-1)
        pairs = (weights @ self.positives) * (weights @ self.negatives)
        return np.divide(won, pairs, out=np.full_like(pairs, np.nan), where=pairs > 0)


def pairs(scores: Float[np.ndarray, "window place"], labels: Bool[np.ndarray, "window place"]) -> Pairs:
    """Count the pairs of every two windows."""
    owners, places = np.nonzero(labels)
    positives = scores[owners, places]
    order = np.argsort(positives)
    positives, owners = positives[order], owners[order]
    wins = np.empty((len(scores), len(scores)))
    for window, (row, label) in enumerate(zip(scores, labels, strict=True)):
        negatives = np.sort(row[~label])
        below = np.searchsorted(negatives, positives, "left") + np.searchsorted(negatives, positives, "right")
        wins[:, window] = np.bincount(owners, below / 2, minlength=len(scores))
    return Pairs(wins, labels.sum(-1).astype(np.float64), (~labels).sum(-1).astype(np.float64))


def auroc(scores: Float[np.ndarray, "place"], labels: Bool[np.ndarray, "place"]) -> float:
    """The area over some places."""
    return float(pairs(scores[None], labels[None]).auroc(np.ones(1)))
