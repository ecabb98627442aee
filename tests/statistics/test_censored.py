"""Censored times: the likelihood against a slow twin, planted laws found again, and both ends of what a law says."""

import math

import numpy as np
import pytest
from scipy import integrate, stats
from scipy.optimize import minimize

from nanoscope.errors import NanoscopeError
from nanoscope.statistics.censored import LogLogistic, fit

END = 3600.0


def _planted(law: LogLogistic, x: np.ndarray, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Times drawn from a law, and whether they lie before the end."""
    noise = np.random.default_rng(seed).logistic(size=len(x))
    times = np.exp(law.intercept + law.slope * x + law.spread * noise)
    return np.minimum(times, END), times <= END


def _log_likelihood(law: np.ndarray, x: np.ndarray, time: np.ndarray, seen: np.ndarray) -> float:
    """By scipy's distribution, case by case: a density for an event, a survival probability for none."""
    a, b, log_s = law
    total = 0.0
    for at, t, event in zip(x, time, seen, strict=True):
        of = stats.fisk(c=math.exp(-log_s), scale=math.exp(a + b * at))
        total += of.logpdf(t) if event else of.logsf(t)
    return total


def test_the_fit_is_where_a_slow_twin_finds_the_greatest_likelihood() -> None:
    law, x = LogLogistic(7.4, -1.1, 0.15), np.repeat(np.log([0.15, 0.45, 0.75, 1.0, 1.5]), 6)
    time, seen = _planted(law, x)
    assert 0 < seen.sum() < len(seen)
    found = fit(x, time, seen)
    mine = np.array([found.intercept, found.slope, math.log(found.spread)])
    twin = minimize(lambda p: -_log_likelihood(p, x, time, seen), mine + 0.1, method="Nelder-Mead",
                    options={"xatol": 1e-8, "fatol": 1e-10, "maxiter": 4000})  # fmt: skip
    assert mine == pytest.approx(twin.x, abs=1e-4)
    assert _log_likelihood(mine, x, time, seen) >= -twin.fun - 1e-8


def test_a_planted_law_is_found_again_although_most_events_are_not_seen() -> None:
    law, x = LogLogistic(8.0, -1.0, 0.2), np.random.default_rng(1).uniform(-2, 0.5, 4000)
    time, seen = _planted(law, x)
    assert seen.mean() < 0.5
    assert fit(x, time, seen) == pytest.approx(law, abs=0.03)
    late = fit(x[seen], time[seen], seen[seen])
    assert late.slope > -0.7, "leaving out what was not seen flattens the law: censoring is not idle"


def test_median_and_share_before_a_time_at_both_ends() -> None:
    law = LogLogistic(7.0, -1.0, 0.2)
    assert law.before(law.median(0.3), 0.3) == pytest.approx(0.5)
    assert law.before(END, -50.0) < 1e-12
    assert law.before(END, 50.0) == pytest.approx(1.0)
    density = stats.fisk(c=1 / law.spread, scale=law.median(0.3)).pdf
    assert integrate.quad(density, 0, 600)[0] == pytest.approx(law.before(600, 0.3), abs=1e-6)


def test_a_law_without_slope_is_the_same_everywhere() -> None:
    x = np.repeat([0.0, 1.0], 20)
    time, seen = _planted(LogLogistic(7.0, 0.0, 0.3), x)
    flat = fit(x, time, seen, sloped=False)
    assert flat.slope == 0
    assert flat == pytest.approx(fit(0 * x, time, seen, sloped=False))


@pytest.mark.parametrize(
    ("time", "seen"),
    [([9.0, 9.0, 9.0], [False, False, False]), ([5.0, 9.0, 9.0], [True, False, False]), ([5.0, 5.0, 9.0], [True, True, False])],
)  # fmt: skip
def test_no_law_without_events_to_fit(time: list[float], seen: list[bool]) -> None:
    with pytest.raises(NanoscopeError, match="two different times"):
        fit(np.array([1.0, 0.5, 0.0]), np.array(time), np.array(seen))
