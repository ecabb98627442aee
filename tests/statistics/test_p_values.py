"""p-values of intervals: known values, both ends, and the same p as from all draws."""

import math

import numpy as np
import pytest
from scipy import stats

from nanoscope.statistics import intervals, p_values


@pytest.mark.parametrize(("count", "n"), [(0, 6), (6, 6), (11, 36), (43, 54), (1, 1)])
def test_a_shares_p_is_0_05_at_the_ends_of_its_exact_interval(count: int, n: int) -> None:
    low, high = intervals.share_interval(count, n)
    for end in {low, high} - {0.0, 1.0}:
        assert p_values.share_p(count, n, end) == pytest.approx(0.05)
    assert p_values.share_p(count, n, count / n) == pytest.approx(1.0, abs=0.5)


def test_a_shares_p_by_hand() -> None:
    """6 of 6 beside one half: 2 / 2^6."""
    assert p_values.share_p(6, 6, 0.5) == pytest.approx(2 / 64)
    assert p_values.share_p(3, 6, 0.5) == 1.0
    assert p_values.share_p(1, 2, 0.0) == 0.0


def test_a_means_p_is_students_by_scipy() -> None:
    values = np.random.default_rng(0).normal(1, 2, 6)
    for edge in (-3.0, 0.0, 0.9, 4.0):
        found = p_values.student_p(float(values.mean()), intervals.seed_interval(values), edge, 5)
        expected = stats.ttest_1samp(values, edge).pvalue  # pyright: ignore[reportAttributeAccessIssue]
        assert found == pytest.approx(expected)


def test_a_deviations_p_is_0_05_at_the_ends_of_its_interval() -> None:
    values = np.random.default_rng(1).normal(size=7)
    interval = intervals.deviation_interval(values)
    deviation = float(values.std(ddof=1))
    assert p_values.is_deviation(deviation, interval, 7)
    assert [p_values.deviation_p(deviation, 7, end) for end in interval] == pytest.approx([0.05, 0.05])
    assert p_values.deviation_p(deviation, 7, 1e9) == pytest.approx(0, abs=1e-9)


def test_a_bootstraps_p_is_near_that_of_all_its_draws() -> None:
    """The draws are those of `mean_interval`; their p is twice the share beyond the edge."""
    values = np.random.default_rng(2).exponential(size=80)
    draws = intervals.resampled_means(values, "p")
    interval = intervals.percentile_interval(draws)
    for edge in np.quantile(draws, [0.005, 0.05, 0.3, 0.7, 0.95, 0.995]).tolist():
        beyond = 2 * min((draws <= edge).mean(), (draws >= edge).mean())
        assert p_values.bootstrap_p(float(values.mean()), interval, edge) == pytest.approx(beyond, abs=0.05, rel=0.5)


def test_a_bootstrap_says_no_more_than_its_resamples() -> None:
    assert p_values.bootstrap_p(5, (4.9, 5.1), 0) == p_values.SMALLEST == pytest.approx(0.001, abs=1e-6)
    assert p_values.bootstrap_p(1, (1, 1), 0.5) == p_values.SMALLEST
    assert p_values.bootstrap_p(1, (1, 1), 1) == p_values.SMALLEST, "criteria include their ends"


def test_a_skewed_interval_has_two_half_widths() -> None:
    """A value outside its interval, such as a worst of several, is replaced by the middle."""
    assert p_values.student_p(1, (0.9, 3.0), 0.9, math.inf) == pytest.approx(0.05)
    assert p_values.student_p(1, (0.9, 3.0), 3.0, math.inf) == pytest.approx(0.05)
    assert p_values.student_p(0, (1.0, 3.0), 1.0, math.inf) == pytest.approx(0.05)
    assert p_values.student_p(0, (1.0, 3.0), 2.0, math.inf) == 1.0


def test_a_share_is_told_from_another_interval() -> None:
    assert p_values.is_share(11 / 36, intervals.share_interval(11, 36), 36)
    assert not p_values.is_share(11 / 36, intervals.share_interval(12, 36), 36)
    assert not p_values.is_share(0.3, intervals.share_interval(11, 36), 36)
    assert not p_values.is_share(1.7, (1.0, 2.0), 10)


def test_false_alarms_come_at_their_rate() -> None:
    """Of samples whose mean lies on the edge, one in twenty has p below 0.05."""
    rng = np.random.default_rng(3)
    found = []
    for one in range(200):
        values = rng.normal(size=40)
        found.append(p_values.bootstrap_p(float(values.mean()), intervals.mean_interval(values, one), 0.0))
    assert 0.02 < np.mean(np.array(found) < 0.05) < 0.09
    assert 0.4 < np.mean(np.array(found) < 0.5) < 0.6
