"""What changes during training, from the stored results of the experiment `emergence` on every training of a recipe.

Bands are Student's t intervals of the mean over trainings; a single training has none. Checkpoints are at the same steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from nanoscope.evidence.result import Result
from nanoscope.evidence.stored_study import Study
from nanoscope.experiments.emergence.events import CONTEXT, COPYING, HEADS, REPEATED, Event
from nanoscope.statistics.intervals import seed_interval

GAIN = ("copying and context", "gain, nats per token")
PANELS = {
    "loss": ("loss", "nats per token"),
    **dict.fromkeys(HEADS, ("heads", "attention above uniform")),
    **dict.fromkeys((COPYING, CONTEXT, REPEATED), GAIN),
}
"""The panel of each curve and its unit; the others are distances to n-gram tables."""
TABLES = ("distance to n-gram tables", "KL(table || model), nats")


@dataclass(frozen=True)
class Curve:
    """One score at every step: of each training, and their mean with its interval."""

    name: str
    panel: str
    unit: str
    trainings: Float[np.ndarray, "training step"]
    mean: Float[np.ndarray, "step"]
    low: Float[np.ndarray, "step"] | None
    high: Float[np.ndarray, "step"] | None


@dataclass(frozen=True)
class Happening:
    """When something happens in each training, in steps; NaN where it does not."""

    name: str
    steps: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True)
class EveryHead:
    """The scores of all heads of one training at every step."""

    training: str
    scores: tuple[str, ...]
    unit: str
    values: Float[np.ndarray, "step score layer head"]


@dataclass(frozen=True)
class TrainingHistory:
    """All trainings of one recipe."""

    label: str
    results: tuple[str, ...]
    steps: tuple[int, ...]
    trainings: tuple[str, ...]
    curves: tuple[Curve, ...]
    events: tuple[Happening, ...]
    every_head: EveryHead | None


def recipes(study: Study) -> tuple[str, ...]:
    """The recipes of which some training was followed, by their common name."""
    followed = [result for label in study.labels if (result := study.result(label, "emergence"))]
    return tuple(dict.fromkeys(_recipe(result) for result in followed))


def history(study: Study, recipe: str) -> TrainingHistory:
    """The curves and events of a recipe's trainings; one with other checkpoints than the first is left out."""
    followed = [result for label in study.labels if (result := study.result(label, "emergence"))]
    mine = [result for result in followed if _recipe(result) == recipe]
    steps = mine[0]["curves"].labels("step")
    alike = [result for result in mine if result["curves"].labels("step") == steps]
    names = [str(name) for name in mine[0]["curves"].labels("curve")]
    return TrainingHistory(
        recipe,
        tuple(result.key for result in alike),
        tuple(int(step) for step in steps),
        tuple(result.subject.label for result in alike),
        tuple(curve(name, np.stack([one["curves"].sel(curve=name).values for one in alike])) for name in names),
        tuple(_happening(str(name), alike) for name in mine[0]["events"].labels("event")),
        next((_every_head(result) for result in alike if "heads" in result.sweeps), None),
    )


def curve(name: str, trainings: Float[np.ndarray, "training step"]) -> Curve:
    """A curve with its band."""
    panel, unit = PANELS.get(name, TABLES)
    band = np.array([seed_interval(column) for column in trainings.T]).T if len(trainings) > 1 else (None, None)
    return Curve(name, panel, unit, trainings, trainings.mean(0), *band)


def _recipe(result: Result) -> str:
    return result.subject.family or result.subject.label


def _happening(name: str, results: Sequence[Result]) -> Happening:
    events = [Event.stored(result["events"], name) for result in results]
    steps, low, high = zip(*((event.step, event.low, event.high) for event in events), strict=True)
    return Happening(name, steps, low, high)


def _every_head(result: Result) -> EveryHead:
    heads = result["heads"]
    scores = tuple(str(score) for score in heads.labels("score"))
    return EveryHead(result.subject.label, scores, heads.unit, heads.values)
