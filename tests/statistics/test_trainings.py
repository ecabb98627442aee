"""Effects over trainings: Student's interval, and an intraclass correlation that is known."""

import math

import numpy as np
import pytest
from scipy import stats

from nanoscope.statistics.trainings import Z, intraclass_correlation, over_trainings


def test_the_interval_is_scipys() -> None:
    values = np.array([0.946, 0.91, 0.97, 0.93, 0.95, 0.94])
    spread = over_trainings(values, np.full(6, 0.006))
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert spread.interval == pytest.approx((expected.low, expected.high))
    assert spread.mean == pytest.approx(values.mean())
    assert spread.deviation == pytest.approx(values.std(ddof=1))


def test_the_correlation_by_hand() -> None:
    """Values 1, 2, 3 have the variance 1; half-widths of 1.96 times one half a sampling variance of 1/4."""
    spread = over_trainings(np.array([1.0, 2.0, 3.0]), np.full(3, Z / 2))
    assert spread.within == pytest.approx(0.5)
    assert spread.icc == pytest.approx(0.75)


def test_the_correlation_at_both_ends() -> None:
    exact = over_trainings(np.array([1.0, 2.0, 3.0]), np.zeros(3))
    assert exact.icc == 1
    alike = over_trainings(np.full(3, 2.0), np.full(3, 0.1))
    assert alike.icc == 0
    assert alike.interval == (2.0, 2.0)
    assert math.isnan(over_trainings(np.full(3, 2.0), np.zeros(3)).icc)
    assert intraclass_correlation(0.1, 0.2) == 0, "a negative estimate of a variance is none"


@pytest.mark.parametrize("between", [0.0, 1.0, 3.0])
def test_the_correlation_of_simulated_trainings_is_the_known_one(between: float) -> None:
    """Trainings vary by `between`, the measurement of each by 1: the correlation is between^2 / (between^2 + 1)."""
    rng = np.random.default_rng(0)
    values = between * rng.normal(size=3000) + rng.normal(size=3000)
    found = over_trainings(values, np.full(3000, Z)).icc
    assert found == pytest.approx(between**2 / (between**2 + 1), abs=0.06)


def test_the_interval_covers_the_mean_of_all_trainings_at_its_rate() -> None:
    rng = np.random.default_rng(1)
    drawn = (over_trainings(rng.normal(5, 2, 6), np.ones(6)).interval for _ in range(500))
    assert 0.92 < np.mean([low <= 5 <= high for low, high in drawn]) < 0.98
