"""p-values of intervals: the smallest level at which the interval would leave a given number out.

An interval of level 1 - a holds every number that a two-sided test of level a does not reject (Neyman 1937), so each kind of
interval has its p-value for a number `edge`:

- a share k of n, Clopper & Pearson's: p = 2 min(P(X <= k), P(X >= k)), X binomial with the share `edge`: exact;
- a standard deviation s of n values: p = 2 min(P(C <= q), P(C >= q)), q = (n - 1) s^2 / edge^2, C chi-squared (n - 1): exact
  for a normal sample;
- a mean over n trainings, Student's: p = 2 P(T >= t_0.975 |edge - value| / half-width), T Student's t (n - 1): exact;
- a percentile bootstrap of which only the ends are stored: the same with a normal Z for T, *as if* each side's quantiles were a
  normal's: the half-width is the one on the side of `edge`, so a skewed interval has two. 2,000 resamples tell no level
  below 2 / 2,001, so no p of theirs is smaller.

In all of them p < 0.05 exactly where the 95 % interval leaves the number out. An interval without width has a p of 0 (or the
smallest) even for a number that it lies on: criteria include their ends, and no draw fails what such an interval meets.
"""

from __future__ import annotations

import math

from scipy import stats

from nanoscope.statistics.intervals import RESAMPLES, deviation_ends, share_interval

SMALLEST = 2 / (RESAMPLES + 1)
"""The smallest p-value of a bootstrap."""
EQUAL = 1e-9


def share_p(successes: int, trials: int, edge: float) -> float:
    """The exact p-value of a proportion `edge`, which Clopper & Pearson's interval inverts."""
    below = stats.binom.cdf(successes, trials, edge)
    above = stats.binom.sf(successes - 1, trials, edge)
    return min(1.0, 2 * float(min(below, above)))


def deviation_p(deviation: float, n: int, edge: float) -> float:
    """The p-value of a standard deviation `edge` of a normal sample of n with the given one."""
    ratio = (n - 1) * (deviation / edge) ** 2
    return 2 * float(min(stats.chi2.cdf(ratio, n - 1), stats.chi2.sf(ratio, n - 1)))


def student_p(value: float, interval: tuple[float, float], edge: float, freedom: float) -> float:
    """The p-value of a mean `edge` by its 95 % interval; `freedom` is that of Student's t, infinite for a normal."""
    centre, half = _towards(value, interval, edge)
    if half == 0:
        return 0.0
    return 2 * float(stats.t.sf(stats.t.ppf(0.975, freedom) * abs(edge - centre) / half, freedom))


def bootstrap_p(value: float, interval: tuple[float, float], edge: float) -> float:
    """The p-value of a number by the ends of a percentile bootstrap, under a normal's quantiles on either side."""
    return max(SMALLEST, student_p(value, interval, edge, math.inf))


def is_share(value: float, interval: tuple[float, float], n: int) -> bool:
    """Whether an interval is the exact one of a proportion `value` of n."""
    count = round(value * n)
    return 0 <= value <= 1 and abs(value * n - count) < EQUAL * n and _same(share_interval(count, n), interval)


def is_deviation(value: float, interval: tuple[float, float], n: int) -> bool:
    """Whether an interval is the chi-squared one of a standard deviation `value` of n."""
    return n > 1 and value > 0 and _same(deviation_ends(value, n), interval)


def _towards(value: float, interval: tuple[float, float], edge: float) -> tuple[float, float]:
    """The centre of an interval and its half-width on the side of `edge`; its middle if the value does not lie inside."""
    low, high = interval
    if not low < value < high:
        return (low + high) / 2, (high - low) / 2
    return value, value - low if edge < value else high - value


def _same(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return all(math.isclose(a, b, rel_tol=EQUAL, abs_tol=EQUAL) for a, b in zip(one, other, strict=True))
