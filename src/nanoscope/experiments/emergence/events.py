"""What happens in a training, and when: one curve per ability that may emerge, with bootstrap resamples of its examples.

Two curves have their controls in them. In-context learning is what the context beyond that of early places is worth at late
places. Repeated passages are easier or harder than new ones for a table without memory, too: the curve is by how much more the
model gains in them than an n-gram table that is as good in new passages (between two tables, in proportion).

There is no event for a head that ends below 0.3, or for a curve that changes by less than its margin from the first to the
last checkpoint. The least distance to an n-gram table is the minimum of a curve, not a change; at the last checkpoint it does
not count as an event, because the curve may still fall.

An event's step is where half of the change is done. It is read off the curve itself (the nearest curve that never falls), as
are 10 and 90 %. The logistic only measures abruptness: the factor between 10 and 90 % is the larger of the curve's and the
logistic's, because a score that rises in two steps is fitted by a steep logistic through the second, yet is not abrupt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from math import isnan, nan
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from nanoscope.evidence.sweep import Sweep
from nanoscope.statistics.change_points import change, crossing, rising
from nanoscope.statistics.intervals import percentile_interval, resampled_means

INDUCTION, PREVIOUS = HEADS = ("induction head", "previous-token head")
FORMED = 0.3
COPYING, CONTEXT, REPEATED = "copying", "in-context learning", "repeated passages"
MARGINS = {COPYING: 0.1, CONTEXT: 0.02, REPEATED: 0.1}
"""Least changes, in nats: of the gain from a copy, of what a longer context is worth, of the gain in repeated passages beyond
a table's."""
ABRUPT, WINS = 3.0, 10.0
"""A change is abrupt if its factor is at most the first and its logistic wins by more BIC than the second."""
LEAST = "least distance to {}s"
REFITS = 400
"""Number of resamples that are fitted for an event's interval."""


class Curve(NamedTuple):
    """A score over the steps: its mean, one resampled curve per row, and the number of examples."""

    mean: np.ndarray
    resamples: np.ndarray
    n: int


@dataclass(frozen=True)
class Event:
    """When something happens, in steps, and how abruptly; NaN where it does not happen or the field does not apply."""

    step: float = nan
    low: float = nan
    high: float = nan
    """The 95 % interval of `step`."""
    ten: float = nan
    ninety: float = nan
    """The steps at which 10 and 90 % of a change are done."""
    factor: float = nan
    """From 10 to 90 %, as a ratio of steps (+ 1)."""
    factor_low: float = nan
    factor_high: float = nan
    better: float = nan
    """By how much BIC a logistic beats a line and a power law."""

    @property
    def happens(self) -> bool:
        return not isnan(self.step)

    @staticmethod
    def stored(events: Sweep, name: str) -> Event:
        """One event of the sweep that `events` returns."""
        row = events.sel(event=name)
        parts = (str(part).replace(" ", "_") for part in row.labels("part"))
        return Event(**dict(zip(parts, row.values.tolist(), strict=True)))


PARTS = tuple(field.name.replace("_", " ") for field in fields(Event))


def curves(sweeps: Mapping[str, Sweep]) -> dict[str, Curve]:
    """The curves of everything that may emerge, by name."""
    grams = [str(name) for name in sweeps["text"].labels("quantity") if str(name).endswith("-gram")]
    return {name: curve(sweeps, name) for name in (*HEADS, *MARGINS, "loss", *grams)}


def curve(sweeps: Mapping[str, Sweep], name: str) -> Curve:
    """The curve of one thing that may emerge."""
    if name in HEADS:
        return _lowest(sweeps["followed"].values[HEADS.index(name)], name)
    if name == COPYING:
        runs = sweeps["behaviour"].sel(measure="log_prob")
        return _curve(runs.sel(run="clean").values - runs.sel(run="corrupt").values, "copying")
    if name == CONTEXT:
        return _curve(sweeps["held_out"].sel(quantity="longer context").values, "icl")
    if name == REPEATED:
        return _beyond_tables(sweeps["held_out"], sweeps["tables"])
    return _curve(sweeps["text"].sel(quantity=name).values, name)


def events(found: Mapping[str, Curve], at: Sequence[int]) -> Sweep:
    """`[event, part]`: every event, in the order of the fields of `Event`."""
    steps = np.array(at, dtype=float)
    by_name = {LEAST.format(name): _nearest(found[name], steps) for name in found if name.endswith("-gram")}
    for name in (*HEADS, *MARGINS):
        by_name[name] = _changed(found[name], steps) if happens(name, found[name]) else Event()
    rows = np.array([astuple(event) for event in by_name.values()])
    return Sweep(rows, ("event", "part"), "steps", {"event": tuple(by_name), "part": PARTS})


def happens(name: str, curve: Curve) -> bool:
    """Whether it emerged at all."""
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
    """For each curve, by an event's field: the steps of 50, 10 and 90 %, the factor, and the logistic's advantage in BIC."""
    fitted, smooth = change(curves, steps), rising(curves)
    half, ten, ninety = (crossing(smooth, steps, share) for share in (0.5, 0.1, 0.9))
    factor = np.maximum((ninety + 1) / (ten + 1), fitted.factor)
    return {"step": half, "ten": ten, "ninety": ninety, "factor": factor, "better": fitted.better}


def _nearest(curve: Curve, steps: np.ndarray) -> Event:
    """The step of the least distance; no event at the last checkpoint, where it may still fall."""
    if curve.mean.argmin() == len(steps) - 1:
        return Event()
    low, high = percentile_interval(steps[curve.resamples.argmin(1)])
    return Event(float(steps[curve.mean.argmin()]), low, high)


def _lowest(values: np.ndarray, name: str) -> Curve:
    """A head's score `[step, length, example]` at the block length where it is lowest."""
    resamples = resampled_means(np.moveaxis(values, -1, 0), "emergence", name).min(axis=2)
    return Curve(values.mean(-1).min(axis=1), resamples, values.shape[-1])


def _curve(values: np.ndarray, name: str) -> Curve:
    """The mean of values `[step, example]` over examples."""
    return Curve(values.mean(-1), resampled_means(values.T, "emergence", name), values.shape[-1])


def _beyond_tables(held_out: Sweep, tables: Sweep) -> Curve:
    """How much more a model's loss falls from new to repeated passages than that of a table which is as good in new ones."""
    model = np.stack([held_out.sel(quantity=kind).values for kind in ("repeated", "new")])
    both = np.concatenate([model.reshape(-1, model.shape[-1]), tables.values.reshape(-1, model.shape[-1])])
    again = resampled_means(both.T, "emergence", "repeated")
    steps, orders = model.shape[1], len(tables.values)
    gaps = np.stack([_beyond(row, steps, orders) for row in (both.mean(-1), *again)])
    return Curve(gaps[0], gaps[1:], model.shape[-1])


def _beyond(means: np.ndarray, steps: int, orders: int) -> np.ndarray:
    """The curve from the model's means in repeated and in new passages at every step, and those of each table."""
    repeated, new = means[: 2 * steps].reshape(2, steps)
    known = means[2 * steps :].reshape(orders, 2)
    return new - repeated - gap_of_tables(new, known[:, 0], known[:, 1])


def gap_of_tables(
    loss: Float[np.ndarray, "step"], repeated: Float[np.ndarray, "order"], new: Float[np.ndarray, "order"]
) -> Float[np.ndarray, "step"]:
    """The loss in new minus that in repeated passages of a table whose loss in new ones is as given: between two tables in
    proportion, beyond the best and the worst one theirs."""
    order = np.argsort(new)
    return np.interp(loss, new[order], (new - repeated)[order])
