"""Finding 5 of the report: which connections do it."""

from __future__ import annotations

from collections.abc import Mapping

from nanoscope.evidence.markdown import table
from nanoscope.evidence.result import Result
from nanoscope.evidence.stored_study import Study
from nanoscope.evidence.wording import number
from nanoscope.experiments.circuits.judge import main_task, mean_shares
from nanoscope.experiments.pages import Page

NAMED = 3


def values(study: Study, result: Result) -> Mapping[str, object]:
    """The table of tasks: how well each is done, how many edges it takes, and the strongest."""
    sweeps = result.sweeps
    rows = []
    for name in sweeps["effects"].labels("task"):
        shares = mean_shares(sweeps, str(name))
        best = sorted(shares, key=lambda edge: -shares[edge])[:NAMED]
        clean, corrupt = sweeps["metric"].sel(task=name, split="report").values.mean(-1)
        rows.append(
            (
                str(name),
                f"{number(clean)} / {number(corrupt)}",
                f"{int(sweeps['size'].sel(task=name, count='connected').values):,}",
                ", ".join(f"{edge} ({number(shares[edge], 2)})" for edge in best),
            )
        )
    heads = ("task", "logit difference, clean / corrupt", "edges", "strongest alone (share of the whole)")
    return {"tasks": table(heads, rows), "task": main_task(sweeps)}


PAGE = Page(
    "Finding 5: Which connections do it?",
    figures=("circuits_diagram", "circuits_curves"),
    values=values,
    control=("circuits_diagram",),
)
