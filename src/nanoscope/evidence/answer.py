"""Answers: an experiment's questions in plain words, each answered by the verdict on one claim.

A question says which verdict means yes, and how to report the size of the effect. The answer is "yes" or "no" where the claim
is decided, otherwise "cannot tell" or "does not apply", with the reason. A claim that is withdrawn answers nothing until it is
measured again. Where the effect over all trainings is given, its verdict replies; the size in words is the first training's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from nanoscope.evidence.effect import Effect
from nanoscope.evidence.finding import DECIDED, Finding, Verdict
from nanoscope.evidence.result import Result
from nanoscope.evidence.wording import Fact, fill, number

Reply = Literal["yes", "no", "cannot tell", "does not apply", "withdrawn"]
WITHDRAWN = "withdrawn until measured again"


@dataclass(frozen=True)
class Question:
    """A question that a student would ask, answered by one claim."""

    ask: str
    claim: str
    size: str
    """A wording (`evidence.wording`) of the effect: {value}, {low}, {high}, {null}, {threshold}, {n} and the claim's facts."""
    yes: Verdict = "supported"
    """The verdict that means yes; the other decided one means no."""
    key: bool = False
    """Whether it stands on the report's first screen."""


@dataclass(frozen=True)
class Answer:
    """A question with its reply and the size of the effect, in words."""

    ask: str
    reply: Reply
    size: str
    claim: str
    key: bool

    def __str__(self) -> str:
        """One line: `Is there an induction head? No: the best, L4H5, attends to its target 0.0003 above chance.`"""
        return f"{self.ask} {self.reply.capitalize()}: {self.size}."


def answers(
    questions: Sequence[Question], result: Result, effects: Mapping[str, Effect] | None = None
) -> tuple[Answer, ...]:
    """A result's answers; a question whose claim it does not judge is left out. `effects` are those of its recipe."""
    found = ((question, result.finding_if_any(question.claim)) for question in questions)
    over = effects or {}
    return tuple(
        answer(question, finding, over.get(question.claim)) for question, finding in found if finding is not None
    )


def answer(question: Question, finding: Finding, effect: Effect | None = None) -> Answer:
    """The answer that a finding gives to its question, or the effect over all trainings of its recipe."""
    given = reply(question, finding, effect)
    return Answer(question.ask, given, _size(question, finding, given, effect), finding.id, question.key)


def reply(question: Question, finding: Finding, effect: Effect | None = None) -> Reply:
    """Yes or no for a decided claim, else "cannot tell"; "withdrawn" for a claim that is."""
    if finding.withdrawn:
        return "withdrawn"
    verdict = effect.verdict if effect else finding.verdict
    if verdict == "not applicable":
        return "does not apply"
    if verdict == question.yes:
        return "yes"
    return "no" if verdict in DECIDED else "cannot tell"


def _size(question: Question, finding: Finding, given: Reply, effect: Effect | None) -> str:
    """The effect of the first training that has one, in words, and why it decides nothing where it does not."""
    if given == "withdrawn":
        return f"until it is measured again, since {finding.withdrawn}"
    told = next(iter(effect.measured), finding) if effect else finding
    if not told.evidence.measured:
        return _reason(finding)
    return f"{fill(question.size, _values(told))}{_undecided(finding, effect) if given == 'cannot tell' else ''}"


def _undecided(finding: Finding, effect: Effect | None) -> str:
    """Why the effect over trainings, or else the finding, decides nothing."""
    if effect and effect.taken_back:
        return f" (decided alone, but not among all claims: adjusted p {number(effect.adjusted, 2)})"
    evidence = effect.evidence if effect else finding.evidence
    if not evidence.measured:
        return f" ({evidence.why})"
    low, high = (number(end) for end in evidence.interval)
    over = f" over {evidence.n} trainings" if effect and effect.spread else ""
    return f" (interval{over} {low} to {high}; criterion {finding.criterion.threshold:g})"


def _reason(finding: Finding) -> str:
    """Why there is no interval; a result of an earlier format does not say."""
    few = f"{finding.evidence.n} {finding.evidence.unit} are too few"
    return finding.evidence.why or (few if finding.verdict == "too little data" else "what it asks about is not there")


def _values(finding: Finding) -> dict[str, Fact]:
    e = finding.evidence
    ends = {"value": e.value, "low": e.interval[0], "high": e.interval[1], "null": e.null}
    return {**e.facts, **ends, "n": e.n, "threshold": f"{finding.criterion.threshold:g}"}
