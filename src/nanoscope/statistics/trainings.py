"""One effect over several trainings of a recipe: the training is the unit.

The mean with Student's t interval, the standard deviation between trainings, and the intraclass correlation: the share of
the variance of a measured value that lies between trainings. With V the variance of the n values and W the mean of the
trainings' own sampling variances, each (half-width of its 95 % interval / 1.96)^2,

    ICC = B / (B + W),  B = max(0, V - W)

(the one-way random effects model, by its method of moments; DerSimonian & Laird 1986). It is 0 where the trainings differ no
more than one measurement of one training does, and 1 where each is measured exactly and they differ. Sampling errors that
trainings share, since all are measured on the same texts, are not part of V: then the ICC is too small, and the interval is one
over trainings on these texts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from nanoscope.statistics.intervals import seed_interval

Z = 1.959963984540054
"""Half-widths per standard error of a normal's 95 % interval."""


@dataclass(frozen=True)
class Spread:
    """An effect over trainings; all but `icc` are in its own unit."""

    mean: float
    interval: tuple[float, float]
    deviation: float
    """Standard deviation between trainings."""
    within: float
    """Root mean square of the trainings' own standard errors."""
    icc: float
    """NaN where there is no variance at all."""


def over_trainings(values: Float[np.ndarray, "training"], halves: Float[np.ndarray, "training"]) -> Spread:
    """Pool at least two trainings' values, given the half-widths of their own 95 % intervals."""
    variance, sampling = float(np.var(values, ddof=1)), float(np.mean((np.asarray(halves) / Z) ** 2))
    icc = intraclass_correlation(variance, sampling)
    return Spread(float(np.mean(values)), seed_interval(values), math.sqrt(variance), math.sqrt(sampling), icc)


def intraclass_correlation(variance: float, sampling: float) -> float:
    """The share of variance between trainings, from that of their values and their mean sampling variance."""
    between = max(0.0, variance - sampling)
    return between / (between + sampling) if between + sampling > 0 else math.nan
