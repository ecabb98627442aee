"""Times to an event that some never reach before observation ends: a log-logistic accelerated-failure-time regression.

    log T = a + b x + s e,    e standard logistic:    P(T <= t) = 1 / (1 + exp(-(log t - a - b x) / s))

so the median is exp(a + b x), and the probability of the event before t is logistic in x and in log t: one law says both when
and whether. With z = (log t - a - b x) / s, an event at t contributes z - 2 log(1 + e^z) - log s to the log-likelihood (up to
terms without parameters), and one that was not seen until t contributes -log(1 + e^z). In (1 / s, a / s, b / s) this is concave
(Burridge 1981), so the maximum that a search finds is the only one. Source: Bennett 1983; Kalbfleisch & Prentice 2002, ch. 3.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy.optimize import minimize
from scipy.special import expit

from nanoscope.errors import NanoscopeError

LEAST_RATE = 1e-6


class LogLogistic(NamedTuple):
    """A law of times given x."""

    intercept: float
    slope: float
    spread: float

    def median(self, x: float) -> float:
        """The time before which half of the events happen."""
        return math.exp(self.intercept + self.slope * x)

    def before(self, time: float, x: float) -> float:
        """The probability of the event up to a time."""
        return float(expit((math.log(time) - self.intercept - self.slope * x) / self.spread))


def fit(
    x: Float[np.ndarray, "case"], time: Float[np.ndarray, "case"], seen: Bool[np.ndarray, "case"], sloped: bool = True
) -> LogLogistic:
    """The likeliest law. `time` is that of the event where it was `seen`, else when observation ended; without `sloped` the law
    is the same at every x. NanoscopeError unless events were seen at two different times, and with a slope at two values of x:
    else no likelihood has a maximum."""
    if len(set(time[seen])) < 2 or (sloped and len(set(x[seen])) < 2):
        raise NanoscopeError("a law of times needs events at two different times and two different x at least")
    centre = float(x.mean()) if sloped else 0.0
    design = np.stack([np.log(time), -np.ones_like(x), -(x - centre) if sloped else np.zeros_like(x)], axis=1)
    found = minimize(
        _negative,
        x0=np.array([1.0, float(np.log(time).mean()), 0.0]),
        args=(design, seen),
        jac=True,
        method="L-BFGS-B",
        bounds=[(LEAST_RATE, None), (None, None), (None, None)],
        options={"maxiter": 10_000, "maxfun": 100_000, "ftol": 1e-15, "gtol": 1e-9},
    )
    rate, level, slope = (float(value) for value in found.x)
    return LogLogistic((level - slope * centre) / rate, slope / rate, 1 / rate)


def _negative(
    parameters: Float[np.ndarray, "3"], design: Float[np.ndarray, "case 3"], seen: Bool[np.ndarray, "case"]
) -> tuple[float, Float[np.ndarray, "3"]]:
    """Minus the log-likelihood of (1 / s, a / s, b / s), and its gradient."""
    z = design @ parameters
    value = np.where(seen, np.log(parameters[0]) + z, 0.0) - np.where(seen, 2.0, 1.0) * np.logaddexp(0, z)
    slope = np.where(seen, 1.0, 0.0) - np.where(seen, 2.0, 1.0) * expit(z)
    gradient = slope @ design + np.array([seen.sum() / parameters[0], 0.0, 0.0])
    return -float(value.sum()), -gradient
