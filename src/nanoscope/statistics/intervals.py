"""Uncertainty: intervals over examples, seeds and counts, and family-wise corrections.

Every interval is two-sided at 95 %. Resampling draws examples (sequences), never single positions.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Num
from scipy import stats as scipy_stats

from nanoscope.seeds import seed_for

RESAMPLES = 2000
TAILS = (2.5, 97.5)


def resampled_means(values: Float[np.ndarray, "example *rest"], *labels: object) -> Float[np.ndarray, "resample *rest"]:
    """Means over examples drawn with replacement (Efron's bootstrap), one per resample."""
    rng = np.random.default_rng(seed_for("bootstrap", *labels))
    weights = rng.multinomial(len(values), np.full(len(values), 1 / len(values)), RESAMPLES) / len(values)
    return np.tensordot(weights, values, axes=1)


def percentile_interval(resamples: Num[np.ndarray, "resample"]) -> tuple[float, float]:
    """The middle 95 % of a bootstrap distribution."""
    low, high = np.percentile(resamples, TAILS)
    return float(low), float(high)


def mean_interval(values: Float[np.ndarray, "example"], *labels: object) -> tuple[float, float]:
    """Bootstrap interval of a mean over examples."""
    return percentile_interval(resampled_means(np.asarray(values, dtype=np.float64), *labels))


def statistic_interval(
    values: Float[np.ndarray, "example *rest"], statistic: Callable[[np.ndarray], np.ndarray], *labels: object
) -> tuple[float, float]:
    """Bootstrap interval of a function of means: `statistic` maps `[resample, *rest]` to `[resample]`."""
    return percentile_interval(statistic(resampled_means(np.asarray(values, dtype=np.float64), *labels)))


def seed_interval(values: Float[np.ndarray, "seed"]) -> tuple[float, float]:
    """Student's t interval of a mean over trainings (a bootstrap of so few values under-covers)."""
    values = np.asarray(values, dtype=np.float64)
    if len(values) < 2:
        return -math.inf, math.inf
    half = scipy_stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / math.sqrt(len(values))
    return float(values.mean() - half), float(values.mean() + half)


def deviation_interval(values: Float[np.ndarray, "seed"]) -> tuple[float, float]:
    """Interval of a standard deviation over trainings, from the chi-squared distribution of a normal sample's variance."""
    values = np.asarray(values, dtype=np.float64)
    return deviation_ends(float(values.std(ddof=1)), len(values))


def deviation_ends(deviation: float, n: int) -> tuple[float, float]:
    """The same interval from the standard deviation of n values."""
    low, high = (deviation * math.sqrt((n - 1) / scipy_stats.chi2.ppf(p, n - 1)) for p in (0.975, 0.025))
    return low, high


def pair_interval(pairs: Float[np.ndarray, "training other"]) -> tuple[float, float]:
    """Student's t interval of a mean over pairs of trainings, by the jackknife over trainings (Tukey 1958).

    Each training belongs to many pairs, so the pairs are not independent. The diagonal is ignored.
    """
    n = len(pairs)
    if n < 3:
        return -math.inf, math.inf
    each = np.where(np.eye(n, dtype=bool), 0.0, (pairs + pairs.T) / 2).sum(1) / (n - 1)
    return jackknife_interval(float(each.mean()), (n * each.mean() - 2 * each) / (n - 2))


def jackknife_interval(whole: float, without: Float[np.ndarray, "unit"]) -> tuple[float, float]:
    """Student's t interval of a statistic from its value without each unit (Tukey 1958)."""
    n = len(without)
    return seed_interval(n * whole - (n - 1) * without)


def share_interval(successes: int, trials: int) -> tuple[float, float]:
    """Clopper & Pearson's exact interval of a proportion."""
    interval = scipy_stats.binomtest(successes, trials).proportion_ci(0.95, "exact")
    return float(interval.low), float(interval.high)


def max_t(observed: Float[np.ndarray, "test"], null: Float[np.ndarray, "permutation test"]) -> np.ndarray:
    """Family-wise p-values from the permutation distribution of the largest statistic (Westfall & Young 1993)."""
    largest = null.max(axis=1)
    return (1 + (largest[:, None] >= observed[None, :]).sum(axis=0)) / (1 + len(largest))


def holm(p_values: Float[np.ndarray, "test"]) -> np.ndarray:
    """Holm's step-down adjustment of p-values."""
    order = np.argsort(p_values)
    steps = p_values[order] * np.arange(len(p_values), 0, -1)
    adjusted = np.empty_like(p_values)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


def benjamini_hochberg(p_values: Float[np.ndarray, "test"]) -> np.ndarray:
    """Benjamini & Hochberg's (1995) step-up adjustment: those up to 0.05 hold no more than 5 % false ones on average."""
    return np.asarray(scipy_stats.false_discovery_control(p_values, method="bh")) if len(p_values) else p_values
