"""Finding 6 of the report: of which features the model's state is made."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nanoscope.analysis.features.verify import STEPS
from nanoscope.evidence.claim import Sweeps
from nanoscope.evidence.markdown import table
from nanoscope.evidence.result import Result
from nanoscope.evidence.stored_study import Study
from nanoscope.evidence.wording import number, percent
from nanoscope.experiments.features.judge import SAME, whole_effects, within
from nanoscope.experiments.neurons.labels import CONTEXT, FAMILIES
from nanoscope.experiments.pages import Page

QUALITY = ("", "FVU", "L0", "alive", "change of the loss", "recovered beside zero / mean")
TRANSCODERS = ("", "FVU", "neurons, FVU", "twin, FVU", "alive", "change of the loss", "neurons", "mean")
EFFECTS = ("set free", "within a fifth", "same sign", "measured per predicted")
CONCEPTS = ("concept", "feature", "AUROC", "neuron, AUROC", "twin, AUROC", "missed / absorbed")


def values(study: Study, result: Result) -> Mapping[str, object]:
    """The tables of quality and of concepts, and what each role of the graph carries."""
    sweeps = result.sweeps
    roles = sweeps.get("graph_roles")
    return {
        "quality": quality_table(sweeps),
        "concepts": concepts_table(sweeps),
        "transcoders": transcoders_table(sweeps) if "transcoders" in sweeps else "",
        "transcoder_recurs": _found_again(sweeps, "recurrence_transcoder") if "transcoders" in sweeps else (0.0, 0.0),
        "effects": effects_table(sweeps) if "effects" in sweeps else "",
        "roles": () if roles is None else tuple(zip(roles.labels("role"), roles.values.tolist(), strict=True)),
    }


def quality_table(sweeps: Sweeps) -> str:
    """A row per coder and text."""
    rows = []
    for name in sweeps["quality"].labels("row"):
        of = {
            str(m): float(sweeps["quality"].sel(row=name, measure=m).values)
            for m in sweeps["quality"].labels("measure")
        }
        recovered = " / ".join(_recovered(of, ablated) for ablated in ("zero", "mean"))
        change = number(of["replaced"] - of["loss"])
        rows.append((str(name), number(of["FVU"]), number(of["L0"]), percent(of["alive"], 0), change, recovered))
    return table(QUALITY, rows)


def _recovered(of: Mapping[str, float], ablated: str) -> str:
    damage = of[ablated] - of["loss"]
    return percent((of[ablated] - of["replaced"]) / damage, 0) if damage else ""


def transcoders_table(sweeps: Sweeps) -> str:
    """A row per MLP: what its transcoder, as many neurons and the twin's transcoder leave unexplained, and what that costs."""
    rows = []
    for layer in sweeps["transcoders"].labels("layer"):
        of = sweeps["transcoders"].sel(layer=layer)
        own, neurons, twin = (dict(zip(of.labels("measure"), one, strict=True)) for one in of.values)
        costs = (own["replaced"], neurons["replaced"], own["mean"])
        rows.append(
            (
                str(layer),
                *(number(one["FVU"]) for one in (own, neurons, twin)),
                percent(own["alive"], 0),
                *(number(cost - own["loss"]) for cost in costs),
            )
        )
    return table(TRANSCODERS, rows)


def effects_table(sweeps: Sweeps) -> str:
    """A row per step: how many of the graph's largest whole effects are found, and how large they are on the whole."""
    rows = []
    for step in STEPS:
        predicted, measured = whole_effects(sweeps, step)
        signs = np.mean(np.sign(predicted) == np.sign(measured))
        size = float(predicted @ measured / max(predicted @ predicted, 1e-12))
        rows.append(
            (step, percent(float(within(predicted, measured).mean()), 0), percent(float(signs), 0), number(size))
        )
    return table(EFFECTS, rows)


def _found_again(sweeps: Sweeps, name: str) -> tuple[float, float]:
    """The share of features found again with another seed, and in a dictionary turned at random."""
    *others, turned = sweeps[name].values >= SAME
    return float(np.mean(others)), float(turned.mean())


def concepts_table(sweeps: Sweeps) -> str:
    """A row per context concept: its feature, beside the best neuron and the twin's best feature."""
    names, context = sweeps["families"].labels("concept"), sweeps["families"].values == FAMILIES.index(CONTEXT)
    found, lost = sweeps["aurocs"], sweeps["absorption"].values
    own, twin, *neurons = found.values
    order = sorted(np.flatnonzero(context), key=lambda at: -own[at])
    rows = [
        (
            str(names[at]),
            str(int(sweeps["chosen"].values[0, at])),
            number(own[at], 2),
            number(neurons[0][at], 2) if neurons else "",
            number(twin[at], 2),
            f"{percent(lost[at, 0], 0)} / {percent(lost[at, 1], 0)}",
        )
        for at in order
    ]
    return table(CONCEPTS, rows)


PAGE = Page(
    "Finding 6: Of which features is it made?",
    figures=("features_concepts", "features_graph"),
    values=values,
)
