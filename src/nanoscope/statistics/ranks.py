"""Rank correlation, and whether a sequence rises: scipy's, with NaN where there is no order to compare."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Num
from scipy import stats


def spearman(one: Float[np.ndarray, "item"], other: Float[np.ndarray, "item"]) -> float:
    """Spearman's rank correlation; NaN for fewer than two values, or where all are equal."""
    if len(one) < 2 or np.ptp(one) == 0 or np.ptp(other) == 0:
        return float("nan")  # scipy warns of these, or refuses them
    return float(stats.spearmanr(one, other).statistic)  # pyright: ignore[reportAttributeAccessIssue]


def monotonicity(values: Num[np.ndarray, "item"]) -> float:
    """Of a sequence's pairs that differ, the share that rise minus the share that fall, in [-1, 1]; NaN where all are equal.

    Goodman & Kruskal's gamma with the sequence's own order, which has no ties: Somers' D of the order given the values.
    """
    if len(values) < 2:
        return float("nan")
    return float(stats.somersd(values, np.arange(len(values))).statistic)
