"""Finding 2 of the report: what each attention head does."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nanoscope.evidence.markdown import table
from nanoscope.evidence.result import Result
from nanoscope.evidence.stored_study import Study
from nanoscope.evidence.wording import number
from nanoscope.experiments.heads.judge import members
from nanoscope.experiments.pages import Page
from nanoscope.model.names import head_name


def values(study: Study, result: Result) -> Mapping[str, object]:
    """The heads of each class with what their ablation costs, and the head with the most attention to the first token."""
    first = result["scores_report"].sel(cls="first token").values
    sink = np.unravel_index(first.argmax(), first.shape)
    return {
        "classes": classes_table(result),
        "sink": head_name(int(sink[0]), int(sink[1])),
        "sink_score": float(first[sink]),
        "sink_value": float(result["first_value"].values[sink]),
    }


def classes_table(result: Result) -> str:
    """A table of the classes that any head belongs to: its heads with their scores, and what their ablation costs together."""
    label, scores = result["label"].values.astype(int), result["scores_report"]
    ablated, intact = result["ablation"], result["ablation_intact"].values
    costs = {str(name): ablated.values[i, 0] - intact for i, name in enumerate(ablated.labels("cls"))}
    sure, rows = members(result.sweeps), []
    for c, name in enumerate(str(name) for name in scores.labels("cls")):
        heads = sorted((-scores.values[c, *at], at) for at in zip(*np.nonzero(label == c), strict=True))
        if heads:
            listed = ", ".join(_scored(at, -float(score), at in sure.get(name, ())) for score, at in heads)
            rows.append([name, listed, f"{costs[name].mean():+.3f}" if name in costs else ""])
    return table(["class", "its heads, with their scores above chance", "loss without all of them, nats"], rows)


def _scored(at: tuple[int, int], score: float, sure: bool) -> str:
    text = f"{head_name(int(at[0]), int(at[1]))} {number(score)}"
    return text if sure else f"({text})"


PAGE = Page(
    "Finding 2: What each attention head does",
    figures=("heads_taxonomy", "heads_grid"),
    values=values,
)
