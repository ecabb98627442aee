"""The table of an experiment's claims: each with its effect, its verdict among all claims, and what the controls say.

A control answers whether the instrument can see: "no" on the model means something where the control says "yes".
"""

from __future__ import annotations

from collections.abc import Mapping

from nanoscope.evidence.answer import WITHDRAWN
from nanoscope.evidence.effect import Effect
from nanoscope.evidence.finding import DECIDED, Finding, Verdict
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
COLUMNS = 4
"""Columns of the table that are always there; those of other models follow."""


def claims_table(study: Study, result: Result) -> str:
    """One row per measured claim of the result, over all trainings of its recipe; an empty text without any."""
    head, rows = _cells(study, result)
    return table(head, rows) if rows else ""


def told_in_a_line(study: Study, result: Result) -> str:
    """The effect and the criterion of a result's only claim, if that is decided and nothing stands beside it: then a sentence
    says what its table would. An empty text otherwise."""
    head, rows = _cells(study, result)
    decided = len(rows) == 1 and len(head) == COLUMNS and rows[0][-1] in DECIDED
    return f"{rows[0][1]}; criterion {rows[0][2]}" if decided else ""


def _cells(study: Study, result: Result) -> tuple[list[str], list[list[str]]]:
    """Head and rows of the table. Columns without a verdict in any row are left out."""
    claims = [finding for finding in result.findings if finding.kind == "measurement"]
    others, effects = beside(study, result), study.recipe(result)
    there = [study.recipe(other) for other in others]
    head = ["claim", "effect [95 %]", "criterion", "verdict", *(_name(study, other) for other in others)]
    rows = [
        [
            one.claim.rstrip("."),
            *_measured(effects.get(one.id), one),
            *(_there(other, one.id) for other in there),
        ]
        for one in claims
    ]
    shown = [i for i in range(len(head)) if i < COLUMNS or any(row[i] for row in rows)]
    return [head[i] for i in shown], [[row[i] for i in shown] for row in rows]


def alone(effect: Effect) -> str:
    """How many trainings alone say yes, undecided and no: `5/1/0`."""
    verdicts = [one.verdict for one in effect.findings]
    yes, no = (verdicts.count(verdict) for verdict in DECIDED)
    return f"{yes}/{len(verdicts) - yes - no}/{no}"


def beside(study: Study, result: Result) -> list[Result]:
    """The same experiment on models of known answer and on other texts: one of each, from the package where none was run."""
    here = [other for other in study.compared(result.experiment) if other is not result]
    labels = [study.with_role(role)[:1] if role == "control" else study.with_role(role) for role in ROLES[1:]]
    measured = [
        study.result(label, result.experiment)
        for some in labels
        for label in some
        if label not in (study.main, result.subject.label)
    ]
    found = [other for other in (*measured, *here) if other is not None]
    return [*lent(study, result), *found]


def lent(study: Study, result: Result) -> list[Result]:
    """The models of known answer that come with the package, where the study has none of their kind."""
    kinds = {r.subject.role for r in study.results if r.experiment == result.experiment}
    return [other for other in bundled(result.experiment) if other.subject.role not in kinds]


def over_trainings(study: Study, result: Result, claim: str) -> str:
    """In how many trainings, each alone, the verdict is the one that is reported: `5 of 6`; for a comparison, over how many."""
    if result.subject.label not in study.labels:
        evidence = result.finding(claim).evidence
        if evidence.unit in ("claims", "held-out doses"):
            return f"{len(result.subject.models)} trainings"
        return f"{evidence.n} {evidence.unit}"
    effect = study.spread.get(claim)
    if effect is None or len(effect.findings) < 2:
        return ""
    reported = study.effects.get(claim, effect).verdict
    return f"{sum(one.verdict == reported for one in effect.findings)} of {len(effect.findings)}"


def _measured(effect: Effect | None, finding: Finding) -> tuple[str, str, str]:
    """Value with interval, criterion and verdict; a decision that the adjusted p-value takes back is named beside it. A
    withdrawn claim has no effect, but the reason why."""
    if effect is None:
        return "", "", f"{WITHDRAWN}: {finding.withdrawn}"
    verdict = f"{effect.verdict} (alone: {effect.plain})" if effect.taken_back else effect.verdict
    if not effect.evidence.measured:
        return effect.evidence.why, str(effect.criterion), verdict
    return interval(effect), str(effect.criterion), verdict


def interval(effect: Effect) -> str:
    """The effect with its interval: `0.860 [0.810, 0.910]`; a count without spread alone."""
    low, high = (number(end) for end in effect.evidence.interval)
    value = number(effect.evidence.value)
    return value if low == high == value else f"{value} [{low}, {high}]"


def _there(effects: Mapping[str, Effect], claim: str) -> str:
    """The verdict on another recipe, in short, with its value."""
    effect = effects.get(claim)
    if effect is None:
        return ""
    value = f" ({number(effect.evidence.value)})" if effect.evidence.measured else ""
    return f"{SHORT[effect.verdict]}{value}"


def _name(study: Study, result: Result) -> str:
    """The column's heading: the model without its article and seed, or its recipe with the number of trainings."""
    trainings = len(study.trainings(result))
    family = result.subject.family or result.subject.label
    return family.removeprefix("the ") + (f", {trainings} trainings" if trainings > 1 else "")
