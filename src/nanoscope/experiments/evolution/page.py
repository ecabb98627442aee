"""Finding 4a of the report: how circuits evolve."""

from __future__ import annotations

import math
from collections.abc import Mapping

from nanoscope.evidence.result import Result
from nanoscope.evidence.stored_study import Study
from nanoscope.experiments.evolution.judge import abrupt_trainings, bigram_table_first, previous_token_head_first
from nanoscope.experiments.pages import Page

COUNTED = {
    "nearest to a table of pairs before the previous-token head is half formed": bigram_table_first,
    "previous-token head half formed before copying is": previous_token_head_first,
    "previous-token head abrupt": abrupt_trainings,
}
"""What is counted over trainings beside the claim, and how."""


def values(study: Study, result: Result) -> Mapping[str, object]:
    """How many trainings go each way, in every group that was compared."""
    groups = [result, *(one for one in study.compared("evolution") if one.key != result.key)]
    return {
        "counts": ". ".join(f"{one.subject.label.capitalize()}: {_counts(one)}" for one in groups),
        "abrupt": abrupt_trainings(result.sweeps).value,
    }


def _counts(result: Result) -> str:
    """`previous-token head abrupt in 0 of 6; ...`, of what any training allows to judge."""
    found = {said: count(result.sweeps) for said, count in COUNTED.items()}
    known = [f"{said} in {one.facts['count']} of {one.n}" for said, one in found.items() if not math.isnan(one.value)]
    return "; ".join(known) or "none forms a previous-token head"


PAGE = Page(
    "Finding 4a: How circuits evolve during training",
    figures=("evolution_curves",),
    control=("evolution_curves",),
    values=values,
)
