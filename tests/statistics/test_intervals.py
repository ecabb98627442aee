"""Intervals and corrections: known values, and error rates under simulated nulls."""

import numpy as np
import pytest

from nanoscope.statistics import intervals


def test_bootstrap_interval_has_the_width_of_the_standard_error() -> None:
    values = np.random.default_rng(0).normal(3, 2, 400)
    low, high = intervals.mean_interval(values, "test")
    assert (low + high) / 2 == pytest.approx(values.mean(), abs=0.02)
    assert high - low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.08)


def test_bootstrap_interval_covers_at_its_rate() -> None:
    rng = np.random.default_rng(1)
    covered = [low <= 0 <= high for low, high in (intervals.mean_interval(rng.normal(size=60), i) for i in range(200))]
    assert 0.89 <= np.mean(covered) <= 0.99


def test_a_constant_has_no_width() -> None:
    assert intervals.mean_interval(np.ones(8), "test") == pytest.approx((1.0, 1.0))


def test_exact_binomial_bounds() -> None:
    """n of n successes: the lower bound is 0.025 ** (1 / n)."""
    for n in (3, 5, 8, 10):
        low, high = intervals.share_interval(n, n)
        assert (low, high) == pytest.approx((0.025 ** (1 / n), 1.0))
    assert intervals.share_interval(7, 8)[0] == pytest.approx(0.473, abs=0.001)


def test_seed_interval_is_students() -> None:
    low, high = intervals.seed_interval(np.array([1.0, 2.0, 3.0]))
    assert (high - low) / 2 == pytest.approx(4.3027 / np.sqrt(3), rel=1e-4)
    assert intervals.seed_interval(np.array([1.0])) == (-np.inf, np.inf)


def test_max_t_holds_the_family_wise_error() -> None:
    rng = np.random.default_rng(2)
    false_alarms = 0
    for _ in range(300):
        sample = rng.normal(size=(100, 20))
        false_alarms += bool((intervals.max_t(sample[0], sample[1:]) <= 0.05).any())
    assert false_alarms / 300 < 0.085
    assert intervals.max_t(np.array([99.0]), rng.normal(size=(99, 1)))[0] == pytest.approx(0.01)


def test_holm_worked_by_hand() -> None:
    assert intervals.holm(np.array([0.01, 0.04, 0.03])) == pytest.approx([0.03, 0.06, 0.06])
    assert intervals.holm(np.array([0.5, 0.9])) == pytest.approx([1.0, 1.0])
