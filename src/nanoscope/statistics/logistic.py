"""Logistic regression with an L2 penalty, by Newton's method (iteratively reweighted least squares).

Minimises sum log(1 + exp(-s (w.x + b))) + penalty / 2 |w|^2 over standardised features x, s = +1 or -1; the intercept b
is not penalised. Steps that do not lower the loss are halved.

Source: Hastie, Tibshirani & Friedman 2009, section 4.4.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float

from nanoscope.errors import NanoscopeError

PENALTY = 1.0
MOST_STEPS = 100
TOLERANCE = 1e-9
SMALLEST_STD = 1e-9


@dataclass(frozen=True)
class Logistic:
    """A fitted regression: the standardisation of the features, and their weights."""

    centre: Float[np.ndarray, "feature"] = field(repr=False)
    std: Float[np.ndarray, "feature"] = field(repr=False)
    weights: Float[np.ndarray, "feature"]
    """Log-odds per standard deviation of each feature."""
    intercept: float

    def log_odds(self, features: Float[np.ndarray, "*any feature"]) -> Float[np.ndarray, "*any"]:
        """Log-odds of true against false, in nats."""
        return (features - self.centre) / self.std @ self.weights + self.intercept


def fit_logistic(
    features: Float[np.ndarray, "example feature"], labels: Bool[np.ndarray, "example"], penalty: float = PENALTY
) -> Logistic:
    """Fit labels to features. A constant feature gets no weight. NanoscopeError if all labels are the same."""
    if labels.all() or not labels.any():
        raise NanoscopeError("all labels are the same, so there are no two classes to separate")
    centre, std = features.mean(0), features.std(0)
    std = np.where(std > SMALLEST_STD, std, np.inf)
    x = np.column_stack([(features - centre) / std, np.ones(len(features))])
    signs, ridge = np.where(labels, 1.0, -1.0), np.append(np.full(features.shape[1], penalty), 0.0)
    w = np.zeros(x.shape[1])
    for _ in range(MOST_STEPS):
        step = _newton(x, signs, ridge, w)
        w, before = _shortened(x, signs, ridge, w, step), w
        if np.abs(w - before).max() < TOLERANCE:
            break
    return Logistic(centre, std, w[:-1], float(w[-1]))


def log_losses(log_odds: Float[np.ndarray, "*any"], labels: Bool[np.ndarray, "*any"]) -> Float[np.ndarray, "*any"]:
    """-log of the probability given to the true label, in nats."""
    return np.logaddexp(0, np.where(labels, -log_odds, log_odds))


def _loss(x: np.ndarray, signs: np.ndarray, ridge: np.ndarray, w: np.ndarray) -> float:
    return float(np.logaddexp(0, -signs * (x @ w)).sum() + 0.5 * (ridge * w * w).sum())


def _newton(x: np.ndarray, signs: np.ndarray, ridge: np.ndarray, w: np.ndarray) -> np.ndarray:
    """The step to the minimum of the loss's second-order expansion at `w`."""
    wrong = np.exp(-np.logaddexp(0, signs * (x @ w)))  # the probability given to the other label
    slope = x.T @ (signs * wrong) - ridge * w
    curvature = (x * (wrong * (1 - wrong))[:, None]).T @ x + np.diag(ridge)
    return np.linalg.lstsq(curvature, slope, rcond=None)[0]


def _shortened(x: np.ndarray, signs: np.ndarray, ridge: np.ndarray, w: np.ndarray, step: np.ndarray) -> np.ndarray:
    """`w + step`, with the step halved until the loss does not rise."""
    now = _loss(x, signs, ridge, w)
    while np.abs(step).max() >= TOLERANCE and _loss(x, signs, ridge, w + step) > now:
        step = step / 2
    return w + step
