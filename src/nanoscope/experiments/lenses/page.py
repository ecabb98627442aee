"""Finding 3 of the report: how predictions form, through the layers and in training. The text is in `page.md.j2`."""

from __future__ import annotations

from pathlib import Path

from nanoscope.evidence.finding import Finding
from nanoscope.evidence.markdown import (
    evidence_table,
    heading,
    link,
    not_measured,
    over_trainings,
    picture,
    said,
    status,
    table,
)
from nanoscope.evidence.result import Result
from nanoscope.evidence.stored_study import Study
from nanoscope.evidence.wording import fill_file, number
from nanoscope.experiments.chapters import FINDING_3
from nanoscope.experiments.pages import Page

HYPOTHESIS = ("gradual", "first_layer", "deeper")
PICTURES = {
    "model": ("formation", "ngrams", "settling", "training", "writers", "example"),
    "control": ("formation", "training"),
    "planted": (),
}
VERDICTS = {"supported": "holds", "not supported": "does not hold", "undecided": "is not decided"}


def section(study: Study) -> str:
    """The page section of finding 3."""
    result = study.result(study.main, "lenses")
    values: dict[str, object] = {
        "status": status(study, "lenses", "gradual"),
        "models": [_model(study, label) for label in study.shown],
        "said": said,
        "control": result is not None and bool(said(result, "computed")),
        "hypothesis": [],
        "main": study.main,
    }
    if result is not None:
        values["hypothesis"] = [_clause(study, result.finding(f"lenses.{claim}")) for claim in HYPOTHESIS]
        values["positions"] = int(result["places"].sel(kind="all").values.sum())
    return fill_file(Path(__file__).with_suffix(".md.j2"), values)


def lens_table(result: Result) -> str:
    """A table of KL(model || lens) after every layer, for both lenses."""
    kl = result["reading_by_kind"].sel(measure="kl", kind="all")
    readings = ["embedding", *(f"after L{layer}" for layer in range(kl.values.shape[1] - 1))]
    rows = [
        [str(lens), *(number(x) if abs(x) > 1e-6 else "0" for x in values)]
        for lens, values in zip(kl.labels("lens"), kl.values.tolist(), strict=True)
    ]
    return table(["", *readings], rows)


def _model(study: Study, label: str) -> dict[str, object]:
    """The values for one model's part of the section."""
    result = study.result(label, "lenses")
    if result is None:
        return {"result": None, "missing": not_measured(study, label, "lenses")}
    floor = enumerate(result["table_floor"].values.tolist(), start=1)
    return {
        "result": result,
        "heading": heading(study, label),
        "link": link(result),
        "floor": tuple((f"n = {n}", x) for n, x in floor),
        "pictures": [picture(study, label, f"lenses_{name}") for name in PICTURES[study.role(label)]],
        "table": evidence_table(result),
    }


def _clause(study: Study, finding: Finding) -> str:
    sentence = finding.claim.rstrip(".")
    return f'"{sentence[0].lower()}{sentence[1:]}" {VERDICTS[finding.verdict]}{over_trainings(study, finding.id)}'


PAGE = Page(FINDING_3, section)
