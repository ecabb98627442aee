"""Markdown that the sections of several findings share: sentences, evidence tables, links and figures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from nanoscope.evidence.finding import VERDICTS, Finding
from nanoscope.evidence.result import Result
from nanoscope.evidence.stored_study import Study, figure_path
from nanoscope.evidence.wording import capital, number


def said(result: Result, *claims: str) -> str:
    """The texts of the findings on these claims (ids without the experiment's name), joined; missing ones are left out."""
    found = (result.finding_if_any(f"{result.experiment}.{claim}") for claim in claims)
    return " ".join(finding.text for finding in found if finding)


def status(study: Study, experiment: str, claim: str) -> str:
    """The status of a report section: the verdict on one claim for the main model."""
    result = study.result(study.main, experiment)
    if result is None:
        return "not measured"
    found = result.finding(f"{experiment}.{claim}")
    return f'complete; "{found.claim.rstrip(".")}": *{found.verdict}*{over_trainings(study, found.id)}'


def over_trainings(study: Study, claim: str) -> str:
    """How often each verdict on a claim occurs over the trainings of the main model that differ in their seed."""
    verdicts = [finding.verdict for finding in study.findings("model", claim)]
    counts = [f"{verdict} in {verdicts.count(verdict)}" for verdict in VERDICTS if verdict in verdicts]
    return f" (of {len(verdicts)} trainings, {', '.join(counts)})" if len(verdicts) > 1 else ""


def link(result: Result) -> str:
    """The path of a result's numbers, relative to the report."""
    return f"results/{result.key}/result.json"


def picture(study: Study, label: str, figure: str) -> str:
    """A figure of one model, as a Markdown image."""
    return f"![{figure.replace('_', ' ')}, {label}]({figure_path(study, label, figure)})"


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    body = ["".join(f" {cell} |" if cell else " |" for cell in row) for row in (columns, *rows)]
    return "\n".join("|" + line for line in (body[0], "---|" * len(columns), *body[1:]))


def evidence_table(result: Result) -> str:
    """All findings of one result with their evidence, in a collapsed table."""
    head = ("claim", "criterion", "value [95 % interval]", "n", "null", "verdict")
    rows = [_row(finding) for finding in result.findings if finding.kind == "measurement"]
    note = f" ({result.note})" if result.note else ""
    return f"<details><summary>All claims with their evidence{note}</summary>\n\n{table(head, rows)}\n\n</details>"


def heading(study: Study, label: str) -> str:
    """The heading of one model's part of a section."""
    return f"#### {capital(label)}" if study.role(label) == "model" else f"#### Beside it: {label}"


def not_measured(study: Study, label: str, experiment: str) -> str:
    """The text in place of a missing result: for the main model how to measure it, for others nothing."""
    return f"Not measured here: `nanoscope run {experiment} CHECKPOINT` does it." if label == study.main else ""


def with_interval(finding: Finding) -> str:
    """`0.123 [0.100, 0.150]`."""
    low, high = finding.evidence.interval
    return f"{number(finding.evidence.value)} [{number(low)}, {number(high)}]"


def _row(finding: Finding) -> tuple[str, ...]:
    e = finding.evidence
    null = f"{number(e.null)} ({finding.null_is})"
    return (
        finding.claim,
        str(finding.criterion),
        with_interval(finding),
        f"{e.n:,} {e.unit}",
        null,
        f"**{finding.verdict}**",
    )
