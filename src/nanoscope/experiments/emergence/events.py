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
from typing import NamedTuple

import numpy as np

from nanoscope.evidence.sweep import Sweep
from nanoscope.statistics.change_points import change, crossing, rising
from nanoscope.statistics.intervals import percentile_interval, resampled_means

HEADS = ("induction head", "previous-token head")
FORMED = 0.3
MARGINS = {"copying": 0.1, "in-context learning": 0.02, "repeated passages": 0.1}
"""Nats: the copy's gain; the score's change; how much more the loss falls in repeated passages than in new ones."""
LEAST = "least distance to {}s"
REFITS = 400
"""Resamples that are fitted again for an event's interval."""
PARTS = ("step", "low", "high", "ten", "ninety", "factor", "factor low", "factor high", "better")


class Curve(NamedTuple):
    """A score over the steps, with one resampled curve per row beside it."""

    mean: np.ndarray
    resamples: np.ndarray
    n: int


def curves(sweeps: Mapping[str, Sweep]) -> dict[str, Curve]:
    """Everything that may emerge, by name."""
    followed, behaviour, text = sweeps["followed"], sweeps["behaviour"], sweeps["text"]
    gain = (
        behaviour.sel(measure="log_prob", run="clean").values - behaviour.sel(measure="log_prob", run="corrupt").values
    )
    found = {name: _lowest(values, name) for name, values in zip(HEADS, followed.values, strict=True)}
    reading = {name: text.sel(quantity=name).values for name in text.labels("quantity")}
    found["copying"] = _curve(gain, "copying")
    found["in-context learning"] = _curve(-reading["in-context"], "icl")
    found["repeated passages"] = _fall(reading["repeated"], reading["new"])
    found["loss"] = _curve(reading["loss"], "loss")
    for name in (str(one) for one in reading if str(one).endswith("-gram")):
        found[name] = _curve(reading[name], name)
    return found


def events(found: Mapping[str, Curve], at: Sequence[int]) -> Sweep:
    """`[event, part]`: when it happens, in steps, and how abruptly. NaN for what does not happen."""
    steps = np.array(at, dtype=float)
    rows = {LEAST.format(name): _nearest(found[name], steps) for name in found if name.endswith("-gram")}
    for name in (*HEADS, *MARGINS):
        rows[name] = _changed(found[name], steps) if happens(name, found[name]) else [np.nan] * len(PARTS)
    return Sweep(np.array(list(rows.values())), ("event", "part"), "steps", {"event": tuple(rows), "part": PARTS})


def happens(name: str, curve: Curve) -> bool:
    """Did it emerge at all?"""
    if name in HEADS:
        return bool(curve.mean[-1] >= FORMED)
    return bool(curve.mean[-1] - curve.mean[0] >= MARGINS[name])


def _changed(curve: Curve, steps: np.ndarray) -> list[float]:
    again = curve.resamples[:REFITS]
    (one, ten, ninety, factor, better), (middles, _, _, factors, _) = (
        _times(curves, steps) for curves in (curve.mean[None], again)
    )
    low, high = percentile_interval(middles)
    least, most = percentile_interval(factors)
    return [float(one[0]), low, high, float(ten[0]), float(ninety[0]), float(factor[0]), least, most, float(better[0])]


def _times(curves: np.ndarray, steps: np.ndarray) -> tuple[np.ndarray, ...]:
    """Of each curve: 50 %, 10 % and 90 % done, the factor between the latter, the logistic's advantage."""
    fitted, smooth = change(curves, steps), rising(curves)
    ten, half, ninety = (crossing(smooth, steps, share) for share in (0.1, 0.5, 0.9))
    return half, ten, ninety, np.maximum((ninety + 1) / (ten + 1), fitted.factor), fitted.better


def _nearest(curve: Curve, steps: np.ndarray) -> list[float]:
    if curve.mean.argmin() == len(steps) - 1:
        return [np.nan] * len(PARTS)
    low, high = percentile_interval(steps[curve.resamples.argmin(1)])
    return [float(steps[curve.mean.argmin()]), low, high, *[np.nan] * (len(PARTS) - 3)]


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
