"""Rank correlation, for the parts of the package that need torch and numpy alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Float


def ranks(values: Float[np.ndarray, "item"]) -> Float[np.ndarray, "item"]:
    """Ranks from 0; equal values share the mean of theirs."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(count) - (count + 1) / 2)[place]


def spearman(one: Float[np.ndarray, "item"], other: Float[np.ndarray, "item"]) -> float:
    """Spearman's rank correlation; NaN for fewer than two values, or where all are equal."""
    if len(one) < 2 or np.ptp(one) == 0 or np.ptp(other) == 0:
        return float("nan")
    return float(np.corrcoef(ranks(one), ranks(other))[0, 1])
