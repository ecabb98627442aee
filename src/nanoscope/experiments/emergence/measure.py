"""Emergence, the numbers: the snapshots of one training, in order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nanoscope.errors import NanoscopeError
from nanoscope.evidence.result import Result
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.emergence.events import FORMED, curves, events
from nanoscope.experiments.experiment import Group, Sweeps
from nanoscope.model.names import head_name

FOLLOWED = ("induction", "previous")
FEWEST = 6
"""Checkpoints needed: a logistic has four parameters."""


@dataclass(frozen=True)
class Params:
    """No settings: the snapshots' settings decide how much is measured."""


def measure(group: Group, params: Params) -> Sweeps:
    """The heads that end best, traced back `[score, step, length, example]`; every head; copying; losses; curves; events."""
    shots = sorted(group.results, key=_step)
    steps = tuple(_step(shot) for shot in shots)
    if len(steps) < FEWEST or len(set(steps)) < len(steps):
        raise NanoscopeError(
            f"{group.label} has {len(set(steps))} checkpoints of its training; emergence takes at least {FEWEST}: train "
            "with `nanoscope train`, which keeps them"
        )
    final = shots[-1]["heads_select"].values.min(axis=0)
    best = _best(final)
    scores = np.stack([shot["heads"].values for shot in shots])
    followed = np.stack([scores[:, :, s, layer, head] for s, (layer, head) in enumerate(best)])
    lengths = shots[0]["heads"].labels("length")
    names = tuple(head_name(*head) for head in best)
    copying = np.stack([shot["copying"].values for shot in shots])
    sweeps = {
        "followed": Sweep(followed, ("score", "step", "length", "example"), "share above uniform",
                          {"score": FOLLOWED, "step": steps, "length": lengths}),
        "heads": Sweep(scores.mean(-1).min(axis=1), ("step", "score", "layer", "head"), "share above uniform",
                       {"step": steps, "score": FOLLOWED}),
        "names": Sweep(np.array(best), ("score", "part"), "index", {"score": names, "part": ("layer", "head")}),
        "copying": Sweep(copying[:, best[0][0], best[0][1]], ("step",), "score", {"step": steps}),
        "behaviour": _stacked(shots, "behaviour", steps),
        "text": _stacked(shots, "text", steps),
        "held_out": _stacked(shots, "held_out", steps),
        "tables": shots[0]["tables"],
    }  # fmt: skip
    found = curves(sweeps)
    means = Sweep(np.stack([curve.mean for curve in found.values()]), ("curve", "step"), "as the curve's",
                  {"curve": tuple(found), "step": steps})  # fmt: skip
    return {**sweeps, "curves": means, "events": events(found, steps)}


def _step(result: Result) -> int:
    return int(result.subject.training["step"])


def _stacked(shots: list[Result], name: str, steps: tuple[int, ...]) -> Sweep:
    first = shots[0][name]
    values = np.stack([shot[name].values for shot in shots])
    return Sweep(values, ("step", *first.dims), first.unit, {"step": steps, **first.coords})


def _best(lowest: np.ndarray) -> tuple[tuple[int, int], tuple[int, int]]:
    """The best induction head and the best previous-token head below it, by final scores `[score, layer, head]`.

    The scores are of the selection split. If no induction head has formed, or it is in layer 0, the previous-token head may
    be in any layer.
    """
    induction = _argmax(lowest[0])
    below = induction[0] > 0 and lowest[0][induction] >= FORMED
    return induction, _argmax(lowest[1][: induction[0]] if below else lowest[1])


def _argmax(scores: np.ndarray) -> tuple[int, int]:
    layer, head = np.unravel_index(scores.argmax(), scores.shape)
    return int(layer), int(head)
