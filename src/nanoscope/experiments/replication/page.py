"""Finding 4c of the report: what replicates."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nanoscope.evidence.result import Result
from nanoscope.evidence.stored_study import Study
from nanoscope.experiments.pages import Page
from nanoscope.experiments.replication.measure import OPEN, VERDICT

FORMS = {"induction.heads": "an induction head", "induction.previous_token": "a previous-token head"}
"""Claims that a training has a kind of head."""


def values(study: Study, result: Result) -> Mapping[str, object]:
    """How alike heads are under each assignment, and how many trainings form each kind of head."""
    return {"forms": tuple(formed(result)), "alike": alike(result)}


def formed(result: Result) -> list[str]:
    """`an induction head: 0 of 6 (undecided in 1)`."""
    verdicts, found = result["verdicts"], []
    for claim, what in FORMS.items():
        if claim in verdicts.labels("claim"):
            mine = verdicts.sel(claim=claim).values
            yes, undecided = int((mine == VERDICT["supported"]).sum()), int((mine == OPEN).sum())
            found.append(f"{what}: {yes} of {len(mine)}" + (f" (undecided in {undecided})" if undecided else ""))
    return found


def alike(result: Result) -> Mapping[str, float]:
    """The mean cosine of two trainings' heads by assignment; empty where heads were not measured."""
    if "agreement" not in result.sweeps:
        return {}
    table = result["agreement"]
    names = (str(name) for name in table.labels("assignment"))
    return {name.replace(" ", "_"): float(np.nanmean(table.sel(assignment=name).values)) for name in names}


PAGE = Page(
    "Finding 4c: What replicates across trainings", figures=("replication_heads", "replication_verdicts"), values=values
)
