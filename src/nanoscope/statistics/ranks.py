"""Rank correlation: scipy's, but NaN where there is no order to compare."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy import stats


def spearman(one: Float[np.ndarray, "item"], other: Float[np.ndarray, "item"]) -> float:
    """Spearman's rank correlation; NaN for fewer than two values, or where all are equal."""
    if len(one) < 2 or np.ptp(one) == 0 or np.ptp(other) == 0:
        return float("nan")  # scipy warns about these or refuses them
    return float(stats.spearmanr(one, other).statistic)  # pyright: ignore[reportAttributeAccessIssue]
