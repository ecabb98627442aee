"""The table of an experiment's claims: each with its value, its verdict, the trainings that agree, and what the controls say.

A control answers whether the instrument can see: "no" on the model means something where the control says "yes".
"""

from __future__ import annotations

from nanoscope.evidence.answer import WITHDRAWN
from nanoscope.evidence.finding import Finding, Verdict
from nanoscope.evidence.markdown import table
from nanoscope.evidence.result import Result
from nanoscope.evidence.stored_study import ROLES, Study
from nanoscope.evidence.wording import number
from nanoscope.experiments.controls import bundled

SHORT: dict[Verdict, str] = {
    "supported": "yes",
    "not supported": "no",
    "straddles the criterion": "?",
    "too little data": "too little",
    "not applicable": "-",
}
"""A verdict in a narrow column."""


def claims_table(study: Study, result: Result) -> str:
    """One row per measured claim of the result. Columns without a verdict in any row are left out."""
    claims = [finding for finding in result.findings if finding.kind == "measurement"]
    others = beside(study, result)
    trainings = [_spread(study, result, finding) for finding in claims]
    head = ["claim", "value [95 %]", "it takes", "verdict", "alike", *(_name(other) for other in others)]
    rows = [
        [finding.claim.rstrip("."), *_measured(finding), count, *(_there(other, finding.id) for other in others)]
        for finding, count in zip(claims, trainings, strict=True)
    ]
    shown = [i for i in range(len(head)) if i < 4 or any(row[i] for row in rows)]
    return table([head[i] for i in shown], [[row[i] for i in shown] for row in rows])


def beside(study: Study, result: Result) -> list[Result]:
    """The same experiment on models of known answer and on other texts: one of each, from the package where none was run."""
    here = [other for other in study.compared(result.experiment) if other is not result]
    labels = [study.with_role(role)[:1] if role == "control" else study.with_role(role) for role in ROLES[1:]]
    measured = [study.result(label, result.experiment) for some in labels for label in some if label != study.main]
    found = [other for other in (*measured, *here) if other is not None]
    return [*lent(study, result), *found]


def lent(study: Study, result: Result) -> list[Result]:
    """The models of known answer that come with the package, where the study has none of their kind."""
    kinds = {r.subject.role for r in study.results if r.experiment == result.experiment}
    return [other for other in bundled(result.experiment) if other.subject.role not in kinds]


def over_trainings(study: Study, result: Result, claim: str) -> str:
    """In how many of the model's trainings the verdict is the same, as `5 of 6`; for a comparison, over how many."""
    if result.subject.label != study.main:
        evidence = result.finding(claim).evidence
        counted = {"claims": f"{len(result.subject.models)} trainings"}
        return counted.get(evidence.unit, f"{evidence.n} {evidence.unit}")
    verdicts = [found.verdict for found in study.findings("model", claim)]
    mine = result.finding(claim).verdict
    return f"{verdicts.count(mine)} of {len(verdicts)}" if len(verdicts) > 1 else ""


def _spread(study: Study, result: Result, finding: Finding) -> str:
    """In how many trainings the verdict is the same, and the least and the greatest value: `6 of 6 (0.87 to 0.95)`."""
    if finding.withdrawn:
        return ""
    count = over_trainings(study, result, finding.id)
    values = [found.evidence.value for found in study.findings("model", finding.id) if found.evidence.measured]
    if result.subject.label != study.main or len(values) < 2:
        return count
    return f"{count} ({number(min(values), 2)} to {number(max(values), 2)})"


def _measured(finding: Finding) -> tuple[str, str, str]:
    """Value with interval, criterion and verdict; a withdrawn claim has none of them."""
    if finding.withdrawn:
        return "", "", WITHDRAWN
    low, high = finding.evidence.interval
    if not finding.evidence.measured:
        return finding.evidence.why, str(finding.criterion), finding.verdict
    return f"{number(finding.evidence.value)} [{number(low)}, {number(high)}]", str(finding.criterion), finding.verdict


def _there(other: Result, claim: str) -> str:
    found = other.finding_if_any(claim)
    if found is None or found.withdrawn:
        return ""
    value = f" ({number(found.evidence.value)})" if found.evidence.measured else ""
    return f"{SHORT[found.verdict]}{value}"


def _name(result: Result) -> str:
    """The column's heading: the model without its article and seed."""
    return result.subject.family or result.subject.label.removeprefix("the ")
