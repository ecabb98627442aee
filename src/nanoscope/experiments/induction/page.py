"""Finding 1 of the report: induction heads."""

from __future__ import annotations

from collections.abc import Mapping

from nanoscope.evidence.markdown import picture, table
from nanoscope.evidence.result import Result
from nanoscope.evidence.stored_study import Study
from nanoscope.experiments.induction.beside import beside_table
from nanoscope.experiments.induction.literature import comparison
from nanoscope.experiments.pages import Page

SHOWN = {"induction_copying": "copy_costs", "induction_routes": "route_inputs"}
"""Figures of the control that stand beside the claims, and the sweep that each needs."""
LONG = 5
"""The number of characters from which an earlier match counts as long."""


def values(study: Study, result: Result) -> Mapping[str, object]:
    """The comparison with the literature, and what looking up an earlier match is worth in this text."""
    known = _controls(study, result)
    return {
        "literature": _literature(study),
        "beside": beside_table([(one.subject.label, one) for one in (result, *known)]),
        "drawn": [
            picture(study, one.subject.label, name)
            for one in known[:1]
            for name, needs in SHOWN.items()
            if needs in one.sweeps
        ],
        "corpus": result.subject.corpus,
        "elsewhere": elsewhere(study),
        **accuracy_by_match(result),
    }


def elsewhere(study: Study) -> list[Mapping[str, object]]:
    """On models of other texts: whether each copies, the head that attends most to what followed an earlier occurrence, and the
    best candidate for an induction head."""
    results = (study.result(label, "induction") for label in study.with_role("other data"))
    return [
        {
            "label": one.subject.label,
            "corpus": one.subject.corpus,
            **{name: one.finding(f"induction.{name}").evidence for name in ("long_match", "absent", "heads")},
        }
        for one in results
        if one is not None
    ]


def _controls(study: Study, result: Result) -> list[Result]:
    """The results on one model of each kind whose answers are known."""
    labels = (label for role in ("control", "planted") for label in study.with_role(role)[:1])
    found = (study.result(label, "induction") for label in labels)
    return [one for one in found if one is not None and one.key != result.key]


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
    figures=("induction_copying", "induction_head_scores"),
    control=("induction_patching_effects", "induction_attention"),
    values=values,
)
