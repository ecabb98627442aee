"""How well a score separates two kinds of positions: the area under the ROC curve, ready for resampling windows.

AUROC is the probability that a positive position scores above a negative one; ties count half (Mann & Whitney 1947).
`wins[a, b]` counts the correctly ordered pairs of a positive in window a and a negative in window b. The AUROC is then a
quadratic form in how often each window is drawn, so a bootstrap over windows needs no further sorting.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float


@dataclass(frozen=True)
class Pairs:
    """Counts of correctly ordered (positive, negative) pairs of positions, and of the positions of each kind."""

    wins: Float[np.ndarray, "window window"] = field(repr=False)
    positives: Float[np.ndarray, "window"] = field(repr=False)
    negatives: Float[np.ndarray, "window"] = field(repr=False)

    def auroc(self, weights: Float[np.ndarray, "*any window"]) -> Float[np.ndarray, "*any"]:
        """The AUROC when window w counts `weights[w]` times; NaN where one kind is missing."""
        won = ((weights @ self.wins) * weights).sum(-1)
        pairs = (weights @ self.positives) * (weights @ self.negatives)
        return np.divide(won, pairs, out=np.full_like(pairs, np.nan), where=pairs > 0)


def pairs(scores: Float[np.ndarray, "window position"], labels: Bool[np.ndarray, "window position"]) -> Pairs:
    """Count the correctly ordered pairs for every pair of windows."""
    owners, positions = np.nonzero(labels)
    positives = scores[owners, positions]
    order = np.argsort(positives)
    positives, owners = positives[order], owners[order]
    wins = np.empty((len(scores), len(scores)))
    for window, (row, label) in enumerate(zip(scores, labels, strict=True)):
        negatives = np.sort(row[~label])
        below = np.searchsorted(negatives, positives, "left") + np.searchsorted(negatives, positives, "right")
        wins[:, window] = np.bincount(owners, below / 2, minlength=len(scores))
    return Pairs(wins, labels.sum(-1).astype(np.float64), (~labels).sum(-1).astype(np.float64))


def auroc(scores: Float[np.ndarray, "position"], labels: Bool[np.ndarray, "position"]) -> float:
    """The AUROC over some positions."""
    return float(pairs(scores[None], labels[None]).auroc(np.ones(1)))
