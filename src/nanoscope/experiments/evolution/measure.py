"""Finding 4a, the numbers: the curves and the events of several trainings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nanoscope.errors import NanoscopeError
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.experiment import Group, Sweeps

FEWEST = 2
PARTS = ("step", "low", "high", "factor", "better")


@dataclass(frozen=True)
class Params:
    """No settings: every curve and event is compared."""


def measure(group: Group, params: Params) -> Sweeps:
    """Curves `[training, curve, step]` and events `[training, event, part]`."""
    results = sorted(group.of("emergence"), key=lambda result: result.subject.label)
    names = tuple(result.subject.label for result in results)
    if len(results) < FEWEST:
        raise NanoscopeError(f"{group.label}: evolution takes at least {FEWEST} trainings, not {len(results)}")
    first = results[0]
    steps = first["curves"].labels("step")
    if any(result["curves"].labels("step") != steps for result in results):
        raise NanoscopeError(
            f"{group.label}: the trainings have checkpoints at different steps; train them with one recipe"
        )
    curves, events = first["curves"].labels("curve"), first["events"].labels("event")
    parts = [[result["events"].sel(part=part).values for part in PARTS] for result in results]
    return {
        "curves": Sweep(np.stack([result["curves"].values for result in results]), ("training", "curve", "step"),
                        "as the curve's", {"training": names, "curve": curves, "step": steps}),
        "events": Sweep(np.moveaxis(np.array(parts), 1, 2), ("training", "event", "part"), "steps; ratio; BIC",
                        {"training": names, "event": events, "part": PARTS}),
    }  # fmt: skip
