"""Finding 1 of the report: induction heads."""

from __future__ import annotations

from collections.abc import Mapping

from nanoscope.evidence.markdown import table
from nanoscope.evidence.result import Result
from nanoscope.evidence.stored_study import Study
from nanoscope.experiments.induction.literature import comparison
from nanoscope.experiments.pages import Page

LONG = 5
"""The number of characters from which an earlier match counts as long."""


def values(study: Study, result: Result) -> Mapping[str, object]:
    """The comparison with the literature, and what looking up an earlier match is worth in this text."""
    return {"literature": _literature(study), "corpus": result.subject.corpus, **accuracy_by_match(result)}


def _literature(study: Study) -> str:
    cells = comparison(study)
    known = {
        "emergence": ("Emergence", "1 to 3 billion tokens in small models (Olsson et al. 2022)"),
        "layers": (
            "Layer of the strongest",
            "last of two attention-only layers, second to last of 5 or 6 with MLPs (Olsson et al. 2022)",
        ),
        "heads": ("Number", "often one in two attention-only layers; five strong ones in GPT-2 small"),
    }
    rows = [[title, *cells[row], elsewhere] for row, (title, elsewhere) in known.items()]
    return table(["induction heads", *cells["columns"], "literature"], rows)


def accuracy_by_match(result: Result) -> Mapping[str, object]:
    """How often copying from the last match is right on ordinary text, by the match's length, as shares."""
    totals = result["match_length"]
    sums = totals.values.sum(-1)
    right, count = (sums[totals.labels("source").index(name)] for name in ("copy", "count"))
    parts = {"single": slice(1, 2), "long": slice(LONG, None)}
    return {
        name: {
            "share": float(count[part].sum() / count.sum()),
            "right": float(right[part].sum() / max(1, count[part].sum())),
        }
        for name, part in parts.items()
    }


PAGE = Page(
    "Finding 1: Induction heads",
    figures=("induction_head_scores",),
    control=("induction_patching_effects", "induction_attention"),
    values=values,
)
