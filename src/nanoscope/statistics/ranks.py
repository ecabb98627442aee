"""Rank correlation and order, for the parts of the package that need torch and numpy alone."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Num


def ranks(values: Float[np.ndarray, "item"]) -> Float[np.ndarray, "item"]:
    """Ranks from 0; equal values share the mean of theirs."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(count) - (count + 1) / 2)[place]


def spearman(one: Float[np.ndarray, "item"], other: Float[np.ndarray, "item"]) -> float:
    """Spearman's rank correlation; NaN for fewer than two values, or where all are equal."""
    if len(one) < 2 or np.ptp(one) == 0 or np.ptp(other) == 0:
        return float("nan")
    return float(np.corrcoef(ranks(one), ranks(other))[0, 1])


def climbing(values: Num[np.ndarray, "item"]) -> float:
    """How far a sequence climbs: of its pairs that differ, the share that rise minus the share that fall, in [-1, 1]
    (Goodman & Kruskal's gamma with the sequence's own order); NaN where all are equal."""
    signs = np.sign(np.subtract.outer(values, values))[np.tril_indices(len(values), k=-1)]
    return float(signs.sum() / abs(signs).sum()) if signs.any() else float("nan")
