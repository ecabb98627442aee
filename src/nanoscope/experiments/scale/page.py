"""Finding 4b of the report: how small a model can be."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nanoscope.evidence.markdown import table
from nanoscope.evidence.result import Result
from nanoscope.evidence.stored_study import Study
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.pages import Page

COLUMNS = {
    "loss on text": ("text", "loss"),
    "best induction score on text": ("text", "induction head"),
    "accuracy gained from a copy, control": ("echo", "copying accuracy"),
}
"""Column -> task and measure."""


def values(study: Study, result: Result) -> Mapping[str, object]:
    """A table of all sizes."""
    return {"sizes": sizes_table(result)}


def sizes_table(result: Result) -> str:
    """What each size can do after its training: means over seeds, with parameters and floating-point operations on text."""
    scores, sizes = result["scores"], result["sizes"].sel(task="text")
    rows = []
    for layers in scores.labels("layers"):
        for width in scores.labels("width"):
            parameters, flops = (
                _mean(sizes, size=name, layers=layers, width=width) for name in ("parameters", "FLOPs")
            )
            of = [_mean(scores, task=t, measure=m, layers=layers, width=width) for t, m in COLUMNS.values()]
            counts = [_shown(parameters, ",.0f"), _shown(flops / 1e12, ",.0f")]
            rows.append([f"{layers} x {width}", *counts, *(_shown(one, ".3f") for one in of)])
    return table(["layers x width", "parameters", "10^12 operations", *COLUMNS], rows)


def _mean(sweep: Sweep, **chosen: str | int | float) -> float:
    """The mean over the seeds that were run; NaN if none was."""
    run = sweep.sel(**chosen).values
    run = run[~np.isnan(run)]
    return float(run.mean()) if len(run) else float("nan")


def _shown(number: float, form: str) -> str:
    return "not run" if np.isnan(number) else format(number, form)


PAGE = Page("Finding 4b: How small can a model be?", figures=("scale_capabilities", "scale_loss"), values=values)
