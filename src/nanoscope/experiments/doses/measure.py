"""Doses, the numbers: of each training, whether, when and how abruptly an induction head formed; and the gain by dose.

Formation is the first iteration at which the best head's score is 0.3 above chance, as in `emergence`: the score is the lowest
over block lengths, the best head of each checkpoint counts, and the iteration is read off the nearest curve that never falls,
between checkpoints in the logarithm of the iteration. Its abruptness is the factor from 10 to 90 % of the change, the larger
of the curve's own and that of the fitted logistic. A training whose curve ends below 0.3 forms none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import nan

import numpy as np
from jaxtyping import Float

from nanoscope.errors import NanoscopeError
from nanoscope.evidence.result import Result
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.doses.law import Law
from nanoscope.experiments.doses.prediction import committed
from nanoscope.experiments.emergence.events import FORMED
from nanoscope.experiments.experiment import Group, Sweeps
from nanoscope.statistics.change_points import change, crossing, rising

MEASURES = ("formed", "iteration", "factor", "score at the end", "accuracy from a copy")


@dataclass(frozen=True)
class Params:
    """The design: the doses, which of them are held out, and the committed law.

    It was fixed after a pilot of one training each at two fitted doses (at 1 a head formed at iteration 1,350, at 0.5 none),
    which moved the doses up from even steps: below the threshold all are alike. No other training had been run.
    """

    fitted: tuple[float, ...] = (0.0, 0.25, 0.5, 0.7, 0.85, 1.0)
    """Doses to which the law is fitted."""
    held_out: tuple[float, ...] = (0.4, 0.6, 0.8, 0.9)
    """Doses that it has to predict, each between two of those."""
    seeds: tuple[int, ...] = (1, 2, 3, 4, 5, 6)
    """Seeds of the trainings of every dose."""
    iterations: int = 3600
    """Iterations of every training, twice those of the control."""
    law: tuple[float, ...] = field(default_factory=committed)
    """The committed law (intercept, slope, spread); empty before it is committed."""


def measure(group: Group, params: Params) -> Sweeps:
    """Of each training `[measure, dose, seed]`, NaN where it was not run; the best head's score `[dose, seed, step]`; the gain
    by dose; which doses are held out; and the committed law, if there is one."""
    doses, seeds = tuple(sorted((*params.fitted, *params.held_out))), params.seeds
    steps = group.results[0]["heads"].labels("step")
    found = np.full((len(MEASURES), len(doses), len(seeds)), nan)
    curves = np.full((len(doses), len(seeds), len(steps)), nan)
    for result in group.results:
        at = _cell(result, doses, params)
        curves[at] = result["heads"].values.min(axis=1).max(axis=(1, 2))
        found[:, *at] = (*formation(curves[at], [int(step) for step in steps]), curves[at][-1], _copies(result))
    axes = {"dose": doses, "seed": seeds}
    sweeps = {
        "trainings": Sweep(found, ("measure", *axes), "yes or no; iterations; share", {"measure": MEASURES, **axes}),
        "curves": Sweep(curves, (*axes, "step"), "share above uniform", {**axes, "step": steps}),
        "gain": _shared_gain(group.results),
        "held_out": Sweep(np.isin(doses, params.held_out).astype(float), ("dose",), "yes or no", {"dose": doses}),
    }
    if not params.law:
        return sweeps
    return {**sweeps, "committed": Sweep(np.array(params.law), ("part",), "", {"part": Law._fields})}


def formation(curve: Float[np.ndarray, "step"], steps: Sequence[int]) -> tuple[float, float, float]:
    """Whether a head formed, at which iteration, and the factor from 10 to 90 % of the change; NaN for what did not happen."""
    at, smooth = np.array(steps, dtype=float), rising(curve[None])
    first, last = smooth[0, [0, -1]]
    if last < FORMED:
        return 0.0, nan, nan
    if first >= FORMED:
        return 1.0, float(at[0]), nan
    when = crossing(smooth, at, float((FORMED - first) / (last - first)))[0]
    ten, ninety = (crossing(smooth, at, share)[0] for share in (0.1, 0.9))
    return 1.0, float(when), float(max((ninety + 1) / (ten + 1), change(curve[None], at).factor[0]))


def _cell(result: Result, doses: tuple[float, ...], params: Params) -> tuple[int, int]:
    """Where a training stands; NanoscopeError if it is none of the design."""
    training = result.subject.training
    dose, seed, last = training.get("copied", 1.0), training["seed"], training["iterations"]
    if dose not in doses or seed not in params.seeds or last != params.iterations:
        raise NanoscopeError(f"{result.subject.label} is not one of the doses of copying (see `doses.measure.Params`)")
    return doses.index(dose), params.seeds.index(seed)


def _copies(result: Result) -> float:
    """The accuracy that the model gains from a copy at the end of its training."""
    accuracy = result["behaviour"].sel(measure="accuracy").values[-1]
    return float(accuracy[0] - accuracy[1])


def _shared_gain(results: Sequence[Result]) -> Sweep:
    """The gain by dose, which is the same for all; NanoscopeError if the trainings have other texts."""
    first = results[0]["gain"]
    if any(not np.allclose(result["gain"].values, first.values, rtol=1e-5, atol=1e-7) for result in results):
        raise NanoscopeError("these trainings read different texts, so that the same dose does not offer the same gain")
    return first
