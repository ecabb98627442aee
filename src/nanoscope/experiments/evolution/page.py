"""Finding 4a of the report: how circuits evolve."""

from __future__ import annotations

import math
from collections.abc import Mapping

from nanoscope.evidence.markdown import table
from nanoscope.evidence.result import Result
from nanoscope.evidence.stored_study import Study
from nanoscope.experiments.evolution.judge import abrupt_trainings, bigram_table_first, previous_token_head_first
from nanoscope.experiments.pages import Page

COUNTED = {
    "nearest to a bigram table before the previous-token head is half formed": bigram_table_first,
    "previous-token head half formed before copying is": previous_token_head_first,
    "previous-token head appears abruptly": abrupt_trainings,
}
"""What is counted over trainings beside the claim, and how."""


def values(study: Study, result: Result) -> Mapping[str, object]:
    """How many trainings go each way, in every group that was compared."""
    groups = [result, *(one for one in study.compared("evolution") if one.key != result.key)]
    rows = [[said, *(_count(one, said) for one in groups)] for said in COUNTED]
    return {
        "beside": table(["trainings in which", *(one.subject.label for one in groups)], rows),
        "all_abrupt": abrupt_trainings(result.sweeps).value,
        "forms": not math.isnan(abrupt_trainings(result.sweeps).value),
    }


def _count(result: Result, said: str) -> str:
    """`4 of 6`; empty where no training can be judged."""
    found = COUNTED[said](result.sweeps)
    return "" if math.isnan(found.value) else f"{found.facts['count']} of {found.n}"


PAGE = Page(
    "Finding 4a: How circuits evolve during training",
    figures=("evolution_curves",),
    control=("evolution_curves",),
    values=values,
)
