"""What the findings mean together: the questions that no single experiment answers. The text is in `meaning.md.j2`.

Each answer is put together from stored results, and is left out where what it needs was not measured.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nanoscope.evidence.result import Result
from nanoscope.evidence.stored_study import Study
from nanoscope.evidence.wording import fill_file
from nanoscope.experiments.heads.label import classes_of
from nanoscope.experiments.lenses import stored as lenses
from nanoscope.experiments.neurons import stored as neurons
from nanoscope.experiments.profile.setting import HELD_OUT

SOME = 3
"""Parts that are listed as those that matter most."""


def section(study: Study) -> str:
    """The section; empty where the model was not measured by what it needs."""
    about = study.result(study.main, "profile")
    if about is None or not {"ablation", "context"} <= about.sweeps.keys():
        return ""
    values = {
        "parts": worth_most(about),
        "context": study.effects.get("profile.context"),
        "copying": study.effects.get("induction.long_match"),
        "learned": learned(study),
        "timing": timing(study),
        "absent": study.effects.get("induction.heads"),
        "doses": bool(study.compared("doses")),
        "previous": study.effects.get("heads.previous"),
        "found": [claim for claim, effect in study.effects.items() if effect.verdict == "supported"],
        "missing": [claim for claim, effect in study.effects.items() if effect.verdict == "not supported"],
    }
    return fill_file(Path(__file__).with_suffix(".md.j2"), values)


def worth_most(result: Result) -> tuple[tuple[str, float], ...]:
    """The layers' heads and MLPs without which the loss rises most, and what each is worth in nats; then the next one."""
    cost = result["ablation"].sel(text=HELD_OUT).mean("window")
    found = {str(name): float(value) for name, value in zip(cost.labels("set"), cost.values, strict=True)}
    parts = {name: value for name, value in found.items() if name.startswith(("heads of L", "MLP"))}
    return tuple(sorted(parts.items(), key=lambda part: -part[1]))[: SOME + 1]


def learned(study: Study) -> Mapping[str, object]:
    """What is where: heads with a class and concepts with their best neuron by layer, and when predictions become confident."""
    heads, units, lens = (study.result(study.main, name) for name in ("heads", "neurons", "lenses"))
    return {
        "heads": _heads_by_layer(heads) if heads else (),
        "concepts": _concepts_by_layer(units) if units and neurons.OF_INPUTS in units.sweeps else (),
        "confident": lenses.confident(lens.sweeps) if lens and lenses.tuned_fit(lens.sweeps) else None,
    }


def _heads_by_layer(result: Result) -> tuple[tuple[str, int], ...]:
    shape = result["label"].values.shape
    return _counted(layer for layer, head in np.ndindex(shape) if classes_of(result.sweeps, layer, head))


def _concepts_by_layer(result: Result) -> tuple[tuple[str, int], ...]:
    return _counted(neurons.chosen_layers(result.sweeps)[neurons.in_context(result.sweeps)].tolist())


def _counted(layers: Iterable[int]) -> tuple[tuple[str, int], ...]:
    return tuple((f"L{layer}", count) for layer, count in sorted(Counter(layers).items()))


@dataclass(frozen=True)
class Timing:
    """When the induction heads of one recipe's trainings are half formed."""

    label: str
    first: int
    last: int
    trainings: int


def timing(study: Study) -> Timing | None:
    """The trainings whose induction heads form: the model's if its do, else the control's; None for fewer than two."""
    for role in ("model", "control"):
        results = [found for label in study.with_role(role) if (found := study.result(label, "emergence"))]
        steps = [float(one["events"].sel(event="induction head", part="step").values) for one in results]
        formed = [step for step in steps if not math.isnan(step)]
        if len(formed) > 1:
            subject = results[0].subject
            return Timing(subject.family or subject.label, round(min(formed)), round(max(formed)), len(formed))
    return None
