"""Change points: planted logistics are found, and other curves are not called abrupt."""

import numpy as np
import pytest

from nanoscope.statistics.change_points import change

STEPS = np.array([0, *(2**k for k in range(10)), *range(600, 3001, 100)], dtype=float)
X = np.log1p(STEPS)


def _logistic(midpoint: float, width: float, low: float = 0.0, high: float = 1.0) -> np.ndarray:
    return low + (high - low) / (1 + np.exp(-(X - np.log1p(midpoint)) / width))


@pytest.mark.parametrize("midpoint", [20.0, 300.0, 900.0])
@pytest.mark.parametrize("width", [0.05, 0.2])
@pytest.mark.parametrize("ends", [(0.0, 0.8), (2.5, 1.2)])
def test_a_planted_change_is_found(midpoint: float, width: float, ends: tuple[float, float]) -> None:
    """Rising or falling, with noise of 2 % of its height: midpoint within a checkpoint's distance, and it wins."""
    rng = np.random.default_rng(0)
    curve = _logistic(midpoint, width, *ends) + 0.02 * abs(ends[1] - ends[0]) * rng.standard_normal(len(X))
    found = change(curve[None], STEPS)
    apart = np.diff(X)[np.searchsorted(X, np.log1p(midpoint)) - 1]
    assert abs(np.log1p(found.midpoint[0]) - np.log1p(midpoint)) < max(0.1, 0.6 * apart)
    assert found.better[0] > 10
    assert found.ten[0] < found.midpoint[0] < found.ninety[0]
    if width == 0.2:
        assert np.log(found.factor[0]) == pytest.approx(2 * np.log(9) * width, abs=max(0.35, apart))


@pytest.mark.parametrize(
    "curve", [0.1 * X, np.expm1(0.02 * X), -((STEPS + 1.0) ** -0.3)], ids=["line", "nearly a line", "power law"]
)
def test_a_gradual_curve_is_never_called_abrupt(curve: np.ndarray) -> None:
    """Over 40 draws of noise, neither ten BIC better nor steep."""
    rng = np.random.default_rng(1)
    draws = curve + 0.03 * np.ptp(curve) * rng.standard_normal((40, len(X)))
    found = change(draws, STEPS)
    assert not ((found.better > 10) & (found.factor < 3)).any()


def test_noise_has_no_change_point() -> None:
    found = change(np.random.default_rng(2).standard_normal((60, len(X))), STEPS)
    assert ((found.better > 10) & (found.factor < 3)).mean() < 0.1
    assert np.isfinite(found.midpoint).all()


def test_a_constant_curve_gives_finite_numbers() -> None:
    found = change(np.ones((1, len(X))), STEPS)
    assert all(np.isfinite(part).all() for part in found)


def test_curves_are_fitted_independently_and_scale_does_not_matter() -> None:
    """Many at once are each alone; a curve in other units changes at the same step."""
    rng = np.random.default_rng(3)
    curves = np.stack([_logistic(m, 0.1) for m in (50, 400, 1500)]) + 0.02 * rng.standard_normal((3, len(X)))
    together = change(curves, STEPS)
    for i, curve in enumerate(curves):
        alone, scaled = change(curve[None], STEPS), change(7 - 3 * curve[None], STEPS)
        assert alone.midpoint[0] == together.midpoint[i] == scaled.midpoint[0]
        assert alone.better[0] == pytest.approx(scaled.better[0])


def test_the_grid_is_as_good_as_a_general_minimiser() -> None:
    """The slow twin: scipy's least squares from the grid's answer explains hardly more."""
    from scipy.optimize import least_squares

    rng = np.random.default_rng(4)
    curve = _logistic(400, 0.15) + 0.03 * rng.standard_normal(len(X))
    found = change(curve[None], STEPS)

    def residual(p: np.ndarray) -> np.ndarray:
        return p[0] + p[1] / (1 + np.exp(-(X - p[2]) / p[3])) - curve

    fitted = least_squares(residual, [0.0, 1.0, np.log1p(found.midpoint[0]), 0.15])
    assert abs(fitted.x[2] - np.log1p(found.midpoint[0])) < 0.05
