"""Answers: what each verdict says to a question, with the size of the effect."""

import math
from dataclasses import replace

import pytest

from nanoscope.evidence.answer import Question, answer, answers
from nanoscope.evidence.claim import Claim
from nanoscope.evidence.finding import Criterion, Evidence
from nanoscope.evidence.result import Result
from nanoscope.evidence.subject import StoredSubject

CLAIM = Claim(
    id="test.copies",
    sentence="It copies.",
    relation="present",
    source="observed",
    criterion=Criterion(">=", 0.3),
    evidence=lambda sweeps: Evidence(0.0, (0.0, 0.0), 1, "runs", 0.0),
    null_is="nothing",
    measured="{value} is measured",
)
ASK = Question("Does it copy?", "test.copies", "{head} gains {value}, where {threshold} is asked")


def _evidence(low: float, high: float) -> Evidence:
    return Evidence((low + high) / 2, (low, high), 12, "runs", 0.0, {"head": "L1H0"})


@pytest.mark.parametrize(
    ("evidence", "reply", "opposite", "size"),
    [
        (_evidence(0.4, 0.6), "yes", "no", "L1H0 gains 0.500, where 0.3 is asked"),
        (_evidence(0.0, 0.2), "no", "yes", "L1H0 gains 0.100, where 0.3 is asked"),
        (
            _evidence(0.2, 0.6),
            "cannot tell",
            "cannot tell",
            "L1H0 gains 0.400, where 0.3 is asked (interval 0.200 to 0.600; criterion 0.3)",
        ),
        (_evidence(-math.inf, math.inf), "cannot tell", "cannot tell", "12 runs are too few"),
        (
            Evidence.too_little("there are three texts", 3, "texts"),
            "cannot tell",
            "cannot tell",
            "there are three texts",
        ),
        (
            Evidence.not_applicable("it has one layer", 3, "texts"),
            "does not apply",
            "does not apply",
            "it has one layer",
        ),
    ],
)
def test_every_verdict_has_its_answer(evidence: Evidence, reply: str, opposite: str, size: str) -> None:
    found = CLAIM.found(evidence)
    given = answer(ASK, found)
    assert (given.reply, given.size) == (reply, size)
    assert str(given) == f"Does it copy? {reply.capitalize()}: {size}."
    assert answer(replace(ASK, yes="not supported"), found).reply == opposite


@pytest.mark.parametrize("evidence", [_evidence(0.4, 0.6), Evidence.not_applicable("it has one layer", 3, "texts")])
def test_a_withdrawn_claim_answers_nothing_and_shows_no_number(evidence: Evidence) -> None:
    given = answer(ASK, replace(CLAIM, withdrawn="the wrong place was read").found(evidence))
    assert given.reply == "withdrawn"
    assert given.size == "until it is measured again, since the wrong place was read"


def test_a_question_that_was_not_judged_is_left_out() -> None:
    result = Result("test", {}, StoredSubject("m"), {}, (CLAIM.found(_evidence(0.4, 0.6)),))
    assert [one.ask for one in answers((ASK, replace(ASK, ask="And more?", claim="test.more")), result)] == [
        "Does it copy?"
    ]
