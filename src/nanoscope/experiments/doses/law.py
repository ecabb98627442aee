"""The law of formation, chosen before any training, and what it foretells of a dose.

    log T = a + b log g + s e,    e standard logistic

T is the iteration at which an induction head has formed, g the gain that copying offers at that dose (nats per token, from
the data alone), and a, b, s are fitted by censored likelihood (`statistics.censored`): a training that forms no head within
its iterations says that T is larger. So the median time is a power of the gain, and the probability of forming in time is
logistic in its logarithm. The reason: while a circuit of several factors is small, its growth rate is proportional to what it
saves, so the plateau before it lasts as long as the inverse of the gain (b = -1 in deep linear networks: Saxe, McClelland &
Ganguli 2014, arXiv 1312.6120; induction heads end a plateau in this way in Reddy 2023, arXiv 2312.03002, and Edelman et al.
2024, arXiv 2402.11004). b is left free because Adam is no gradient descent. That repetition decides formation: Chan et al.
2022, arXiv 2205.05055 (burstiness); Aoyama, Wilcox & Schneider 2025, arXiv 2511.16893 (frequency and reliability of bigrams).

Without a gain log g is minus infinity: nothing forms, and such doses do not enter the fit.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from nanoscope.evidence.claim import Sweeps
from nanoscope.statistics import censored

Law = censored.LogLogistic
FACTOR, TRAININGS = 1.5, 2.0
"""A dose is foretold if the median time is within this factor, and the number of trainings that form within this number."""


class Foretold(NamedTuple):
    """What a law says of one dose."""

    dose: float
    gain: float
    median: float
    """The iteration by which half of the trainings have formed; infinite without a gain."""
    forming: float
    """The expected number of trainings that form within their iterations."""


class Seen(NamedTuple):
    """What the trainings of one dose did."""

    median: float
    """The median over trainings of the iteration of formation, of two middle ones their geometric mean; where none formed, the
    last iteration counts."""
    forming: int
    trainings: int
    factor: float
    """The median 10 to 90 % factor of those that form; NaN if none does."""


def fitted(sweeps: Sweeps) -> tuple[float, ...]:
    """The doses that the law is fitted to."""
    return _doses(sweeps, held_out=0)


def held_out(sweeps: Sweeps) -> tuple[float, ...]:
    """The doses that it has to predict."""
    return _doses(sweeps, held_out=1)


def fitted_law(sweeps: Sweeps, sloped: bool = True) -> Law:
    """The likeliest law of the fitted doses; without `sloped` one that ignores the dose. NanoscopeError where too few form."""
    doses = [dose for dose in fitted(sweeps) if gain(sweeps, dose) > 0]
    times = {dose: times_of(sweeps, dose) for dose in doses}
    x = np.concatenate([np.full(len(times[dose]), math.log(gain(sweeps, dose))) for dose in doses])
    time = np.concatenate([times[dose] for dose in doses])
    seen = np.isfinite(time)
    return censored.fit(x, np.where(seen, time, iterations(sweeps)), seen, sloped)


def foretold(sweeps: Sweeps, law: Law, dose: float) -> Foretold:
    """What the law says of a dose, trained or not: of as many trainings as were run, or else are planned."""
    trained = dose in sweeps["trainings"].labels("dose")
    run = len(times_of(sweeps, dose)) if trained else 0
    worth, trainings = gain(sweeps, dose), run or len(sweeps["trainings"].labels("seed"))
    median = law.median(math.log(worth)) if worth > 0 else math.inf
    return Foretold(dose, worth, median, trainings * share_in_time(sweeps, law, dose))


def share_in_time(sweeps: Sweeps, law: Law, dose: float) -> float:
    """The share of trainings that form a head within their iterations, by the law."""
    worth = gain(sweeps, dose)
    return law.before(iterations(sweeps), math.log(worth)) if worth > 0 else 0.0


def seen(sweeps: Sweeps, dose: float) -> Seen | None:
    """What the trainings of a dose did; None if none was run."""
    times = times_of(sweeps, dose)
    if not len(times):
        return None
    capped, formed = np.sort(np.minimum(times, iterations(sweeps))), np.isfinite(times)
    middle = math.sqrt(capped[(len(capped) - 1) // 2] * capped[len(capped) // 2])
    factors = sweeps["trainings"].sel(measure="factor", dose=dose).values
    factor = float(np.nanmedian(factors)) if formed.any() else math.nan
    return Seen(middle, int(formed.sum()), len(times), factor)


def holds(sweeps: Sweeps, said: Foretold, found: Seen) -> bool:
    """Whether a dose is as foretold, in time and in number. Times beyond the end of training are all alike: none is seen."""
    ratio = found.median / min(said.median, iterations(sweeps))
    return max(ratio, 1 / ratio) <= FACTOR and abs(found.forming - said.forming) <= TRAININGS


def threshold(sweeps: Sweeps, law: Law) -> float:
    """The dose from which on the law lets half of the trainings form within their iterations, at least the lowest whose gain
    is known; NaN if it is none up to 1."""
    if law.slope >= 0:
        return math.nan
    needed = (math.log(iterations(sweeps)) - law.intercept) / law.slope
    doses, gains = np.array(sweeps["gain"].labels("dose"), dtype=float), sweeps["gain"].values
    there = gains > 0
    return float(np.exp(np.interp(needed, np.log(gains[there]), np.log(doses[there]), right=math.nan)))


def from_dose(sweeps: Sweeps, law: Law) -> str:
    """The threshold in words: `a dose of 0.55`."""
    dose = threshold(sweeps, law)
    return "no dose" if math.isnan(dose) else f"a dose of {dose:.2f}"


def gain(sweeps: Sweeps, dose: float) -> float:
    """What copying offers at a dose, in nats per token."""
    return float(sweeps["gain"].sel(dose=dose).values)


def times_of(sweeps: Sweeps, dose: float) -> Float[np.ndarray, "training"]:
    """The iterations of formation of a dose's trainings, infinite where none formed; without those that were not run."""
    formed, when = (sweeps["trainings"].sel(measure=name, dose=dose).values for name in ("formed", "iteration"))
    return np.where(formed == 1, when, np.inf)[~np.isnan(formed)].astype(np.float64)


def iterations(sweeps: Sweeps) -> float:
    """The length of every training."""
    return float(sweeps["curves"].labels("step")[-1])


def when(sweeps: Sweeps, median: float) -> str:
    """`1,420`, or that it is later than the training lasted."""
    last = iterations(sweeps)
    return f"{median:,.0f}" if median < last else f"after {last:,.0f}"


def _doses(sweeps: Sweeps, held_out: int) -> tuple[float, ...]:
    labels = np.array(sweeps["held_out"].labels("dose"), dtype=float)
    return tuple(float(dose) for dose in labels[sweeps["held_out"].values == held_out])
