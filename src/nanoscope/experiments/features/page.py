"""Finding 6 of the report: of which features the model's state is made."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nanoscope.evidence.claim import Sweeps
from nanoscope.evidence.markdown import table
from nanoscope.evidence.result import Result
from nanoscope.evidence.stored_study import Study
from nanoscope.evidence.wording import number, percent
from nanoscope.experiments.neurons.labels import CONTEXT, FAMILIES
from nanoscope.experiments.pages import Page

QUALITY = ("", "FVU", "L0", "alive", "change of the loss", "recovered beside zero / mean")
CONCEPTS = ("concept", "feature", "AUROC", "neuron, AUROC", "twin, AUROC", "missed / absorbed")


def values(study: Study, result: Result) -> Mapping[str, object]:
    """The tables of quality and of concepts, and what each role of the graph carries."""
    sweeps = result.sweeps
    roles = sweeps.get("graph_roles")
    return {
        "quality": quality_table(sweeps),
        "concepts": concepts_table(sweeps),
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
