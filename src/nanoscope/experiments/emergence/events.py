"""What happens in a training, and when: one curve for each thing that may emerge, with resamples of its examples.

A head that ends below 0.3, and a curve whose change from the first to the last checkpoint is smaller than its margin, has
no event. The least distance to an n-gram table is the lowest point of a curve, not a change; at the last checkpoint it is
no event, since it may still come.

An event's step is where half of the change is done; that, a tenth and nine tenths are read off the curve itself (its rising
part). The logistic only says how abrupt it is: the factor between a tenth and nine tenths is the larger of the curve's and
the logistic's, since a score that rises in two steps is fitted by a steep logistic through the second, and is not abrupt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from math import isnan, nan
from typing import NamedTuple

import numpy as np

from nanoscope.evidence.sweep import Sweep
from nanoscope.statistics.change_points import change, crossing, rising
from nanoscope.statistics.intervals import percentile_interval, resampled_means

INDUCTION, PREVIOUS = HEADS = ("induction head", "previous-token head")
FORMED = 0.3
COPYING, CONTEXT, REPEATED = "copying", "in-context learning", "repeated passages"
MARGINS = {COPYING: 0.1, CONTEXT: 0.02, REPEATED: 0.1}
"""Nats: the copy's gain; the score's change; how much more the loss falls in repeated passages than in new ones."""
ABRUPT, WINS = 3.0, 10.0
"""An abrupt change has a factor of at most the first, and a logistic that wins by more BIC than the second."""
LEAST = "least distance to {}s"
REFITS = 400
"""Resamples that are fitted again for an event's interval."""


class Curve(NamedTuple):
    """A score over the steps, with one resampled curve per row beside it."""

    mean: np.ndarray
    resamples: np.ndarray
    n: int


@dataclass(frozen=True)
class Event:
    """When something happens, in steps, and how abruptly; NaN for what does not happen or has no such part."""

    step: float = nan
    low: float = nan
    high: float = nan
    """The 95 % interval of `step`."""
    ten: float = nan
    ninety: float = nan
    """Where a tenth and nine tenths of a change are done."""
    factor: float = nan
    """From a tenth to nine tenths, as a ratio of steps (+ 1)."""
    factor_low: float = nan
    factor_high: float = nan
    better: float = nan
    """By how much BIC a logistic beats a line and a power law."""

    @property
    def happens(self) -> bool:
        return not isnan(self.step)

    @staticmethod
    def stored(events: Sweep, name: str) -> Event:
        """One event of the sweep that `events` makes."""
        row = events.sel(event=name)
        parts = (str(part).replace(" ", "_") for part in row.labels("part"))
        return Event(**dict(zip(parts, row.values.tolist(), strict=True)))


PARTS = tuple(field.name.replace("_", " ") for field in fields(Event))


def curves(sweeps: Mapping[str, Sweep]) -> dict[str, Curve]:
    """Everything that may emerge, by name."""
    grams = [str(name) for name in sweeps["text"].labels("quantity") if str(name).endswith("-gram")]
    return {name: curve(sweeps, name) for name in (*HEADS, *MARGINS, "loss", *grams)}


def curve(sweeps: Mapping[str, Sweep], name: str) -> Curve:
    """One thing that may emerge."""
    if name in HEADS:
        return _lowest(sweeps["followed"].values[HEADS.index(name)], name)
    if name == COPYING:
        runs = sweeps["behaviour"].sel(measure="log_prob")
        return _curve(runs.sel(run="clean").values - runs.sel(run="corrupt").values, "copying")
    text = sweeps["text"]
    if name == CONTEXT:
        return _curve(-text.sel(quantity="in-context").values, "icl")
    if name == REPEATED:
        return _fall(text.sel(quantity="repeated").values, text.sel(quantity="new").values)
    return _curve(text.sel(quantity=name).values, name)


def events(found: Mapping[str, Curve], at: Sequence[int]) -> Sweep:
    """`[event, part]`: every event, in the order of the fields of `Event`."""
    steps = np.array(at, dtype=float)
    told = {LEAST.format(name): _nearest(found[name], steps) for name in found if name.endswith("-gram")}
    for name in (*HEADS, *MARGINS):
        told[name] = _changed(found[name], steps) if happens(name, found[name]) else Event()
    rows = np.array([astuple(event) for event in told.values()])
    return Sweep(rows, ("event", "part"), "steps", {"event": tuple(told), "part": PARTS})


def happens(name: str, curve: Curve) -> bool:
    """Did it emerge at all?"""
    if name in HEADS:
        return bool(curve.mean[-1] >= FORMED)
    return bool(curve.mean[-1] - curve.mean[0] >= MARGINS[name])


def _changed(curve: Curve, steps: np.ndarray) -> Event:
    mean, again = (_times(curves, steps) for curves in (curve.mean[None], curve.resamples[:REFITS]))
    low, high = percentile_interval(again["step"])
    factor_low, factor_high = percentile_interval(again["factor"])
    parts = {name: float(values[0]) for name, values in mean.items()}
    return Event(low=low, high=high, factor_low=factor_low, factor_high=factor_high, **parts)


def _times(curves: np.ndarray, steps: np.ndarray) -> dict[str, np.ndarray]:
    """Of each curve, by the names of an event's fields: 50 %, 10 % and 90 % done, the factor, the logistic's advantage."""
    fitted, smooth = change(curves, steps), rising(curves)
    half, ten, ninety = (crossing(smooth, steps, share) for share in (0.5, 0.1, 0.9))
    factor = np.maximum((ninety + 1) / (ten + 1), fitted.factor)
    return {"step": half, "ten": ten, "ninety": ninety, "factor": factor, "better": fitted.better}


def _nearest(curve: Curve, steps: np.ndarray) -> Event:
    """Where a distance is least. At the last checkpoint it may still fall."""
    if curve.mean.argmin() == len(steps) - 1:
        return Event()
    low, high = percentile_interval(steps[curve.resamples.argmin(1)])
    return Event(float(steps[curve.mean.argmin()]), low, high)


def _lowest(values: np.ndarray, name: str) -> Curve:
    """A head's score `[step, length, example]` at the block length where it is lowest."""
    resamples = resampled_means(np.moveaxis(values, -1, 0), "emergence", name).min(axis=2)
    return Curve(values.mean(-1).min(axis=1), resamples, values.shape[-1])


def _curve(values: np.ndarray, name: str) -> Curve:
    """A mean over examples `[step, example]`."""
    return Curve(values.mean(-1), resampled_means(values.T, "emergence", name), values.shape[-1])


def _fall(repeated: np.ndarray, new: np.ndarray) -> Curve:
    """How much more the loss falls, from the first checkpoint on, in repeated passages than in new ones."""
    gap = new - repeated
    return _curve(gap - gap[:1], "repeated")
