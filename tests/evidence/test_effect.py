"""Effects: trainings are pooled and no single one decides; a verdict that its adjusted p-value does not bear is taken back."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from nanoscope.evidence.effect import Effect, among, effects, pooled
from nanoscope.evidence.families import PRIMARY
from nanoscope.evidence.finding import Criterion, Evidence, Finding
from nanoscope.evidence.p_value import p_value
from nanoscope.evidence.result import Result
from nanoscope.evidence.stored_study import Study
from nanoscope.evidence.subject import StoredSubject
from nanoscope.statistics.intervals import deviation_interval, seed_interval, share_interval

AT_LEAST = Criterion(">=", 0.1)


def finding(
    value: float, half: float = 0.01, claim: str = "a.b", criterion: Criterion = AT_LEAST, kind: str = "measurement"
) -> Finding:
    evidence = Evidence(value, (value - half, value + half), 48, "windows", 0.0)
    return Finding(claim, "It is so.", criterion, evidence, "nothing", "{value}", None, kind)


def missing(claim: str = "a.b") -> Finding:
    return replace(finding(0, claim=claim), evidence=Evidence.not_applicable("there is no head", 4, "windows"))


def result(findings: Sequence[Finding], label: str = "the model", family: str | None = "the models") -> Result:
    subject = StoredSubject(label, "model", "text", family)
    return Result("a", {"label": label, "version": 1}, subject, {}, tuple(findings), {"date": "2026-01-01"})


def test_the_training_is_the_unit() -> None:
    """Six trainings, none of which decides, do so together."""
    values = [0.05, 0.03, 0.06, 0.04, 0.05, 0.04]
    effect = pooled([finding(value, half=0.08) for value in values])
    assert {one.verdict for one in effect.findings} == {"straddles the criterion"}
    assert effect.plain == "not supported"
    assert effect.evidence.interval == seed_interval(np.array(values))
    assert (effect.evidence.n, effect.evidence.unit, effect.supporting, effect.agreeing) == (6, "trainings", 0, 0)


def test_a_spread_between_trainings_undoes_what_one_seems_to_decide() -> None:
    effect = pooled([finding(value, half=0.001) for value in (0.63, 0.2, -0.3, 0.05)])
    assert effect.findings[0].verdict == "supported"
    assert effect.plain == "straddles the criterion"
    assert effect.supporting == 2
    assert effect.spread is not None
    assert effect.spread.icc > 0.999


def test_one_model_is_judged_by_its_own_interval() -> None:
    effect = pooled([finding(0.2)])
    assert (effect.evidence, effect.spread, effect.plain) == (finding(0.2).evidence, None, "supported")
    assert pooled([missing()]).plain == "not applicable"


def test_trainings_in_which_it_does_not_apply_are_counted_but_not_pooled() -> None:
    effect = pooled([missing(), finding(0.2), finding(0.3)])
    assert effect.evidence.value == pytest.approx(0.25)
    assert (effect.evidence.n, len(effect.findings), effect.supporting) == (2, 3, 2)
    alone = pooled([missing(), finding(0.2), missing()])
    assert (alone.plain, alone.evidence.why) == ("too little data", "it was measured in one of 3 trainings")
    assert pooled([missing(), missing()]).plain == "not applicable"


def test_the_same_value_in_all_trainings_is_no_sample() -> None:
    """Such as of a hand-built model's: the widest single interval stands, and not one without width."""
    effect = pooled([finding(0.2, half=0.05), finding(0.2, half=0.15)])
    assert effect.evidence == finding(0.2, half=0.15).evidence
    assert effect.spread is None
    assert effect.plain == "straddles the criterion"


def test_findings_by_another_criterion_are_not_pooled() -> None:
    effect = pooled([finding(0.2), finding(0.3), finding(9, criterion=Criterion(">=", 5))])
    assert effect.evidence.value == pytest.approx(0.25)


@pytest.mark.parametrize(
    "criterion", [AT_LEAST, Criterion("<=", 0.1), Criterion("within", 0.1, 0.05), Criterion("within", 0.1, 0.02)]
)
@pytest.mark.parametrize("value", [-0.2, 0.04, 0.07, 0.1, 0.11, 0.13, 0.17, 0.4])
@pytest.mark.parametrize("unit", ["windows", "trainings", "pairs"])
def test_p_is_below_0_05_exactly_where_the_interval_decides(criterion: Criterion, value: float, unit: str) -> None:
    evidence = Evidence(value, (value - 0.029, value + 0.051), 6, unit, 0.0)
    decided = criterion.verdict(*evidence.interval) != "straddles the criterion"
    assert (p_value(criterion, evidence) < 0.05) == decided


def test_an_interval_without_width_on_the_threshold_meets_it_for_good() -> None:
    on_it = pooled([finding(0.1, half=0.0)])
    among_many = among({"a.b": on_it} | {f"a.{i}": pooled([finding(0.1, claim=f"a.{i}")]) for i in range(9)})
    assert (on_it.plain, among_many["a.b"].verdict) == ("supported", "supported")


def test_every_kind_of_interval_is_known_again() -> None:
    share = Evidence(1.0, share_interval(6, 6), 6, "trainings", 0.0)
    assert p_value(Criterion(">=", 0.5), share) == pytest.approx(2 / 64)
    values = np.array([1.0, 1.2, 0.9, 1.1, 1.4, 1.0])
    deviation = Evidence(float(values.std(ddof=1)), deviation_interval(values), 6, "trainings", 0.0)
    assert p_value(Criterion("<=", deviation.interval[1]), deviation) == pytest.approx(0.05)
    mean = Evidence(float(values.mean()), seed_interval(values), 6, "trainings", 0.0)
    assert p_value(Criterion("<=", mean.interval[0]), mean) == pytest.approx(0.05)
    assert math.isnan(p_value(AT_LEAST, missing().evidence))


def test_a_decision_is_taken_back_but_never_made() -> None:
    """At p 0.03 among ten, of which the others are far: Benjamini and Hochberg say 0.3."""
    near = pooled([finding(0.122, half=0.02, claim="a.near")])
    assert (near.plain, 0.02 < near.p < 0.05) == ("supported", True)
    far = {f"a.{i}": pooled([finding(0.1, half=0.02, claim=f"a.{i}")]) for i in range(9)}
    found = among({"a.near": near, **far})
    assert found["a.near"].taken_back
    assert (found["a.near"].plain, found["a.near"].verdict) == ("supported", "straddles the criterion")
    assert all(not one.taken_back for claim, one in found.items() if claim != "a.near")
    assert not among({"a.near": near})["a.near"].taken_back


def test_what_was_not_asked_takes_nothing_from_the_others() -> None:
    """Neither what does not apply, nor timings, nor what was withdrawn counts as a test."""
    tested = [finding(0.122, half=0.02, claim=claim) for claim in PRIMARY[:2]]
    outside = [
        missing(PRIMARY[2]),
        finding(0.1, claim=PRIMARY[3], kind="timing"),
        replace(finding(0.1, claim=PRIMARY[4]), withdrawn="it is blind"),
    ]
    found = effects([result([*tested, *outside])])
    assert list(found) == [*PRIMARY[:3]]
    assert found[PRIMARY[0]].adjusted == pytest.approx(2 * found[PRIMARY[0]].p)
    assert math.isnan(found[PRIMARY[2]].adjusted)
    assert (found[PRIMARY[0]].family, found[PRIMARY[2]].verdict) == ("primary", "not applicable")


def test_recipes_are_never_pooled_with_one_another() -> None:
    mine = [result([finding(value)], f"the model, seed {i}") for i, value in enumerate((0.2, 0.3))]
    other = [result([finding(value)], f"another, seed {i}", "others") for i, value in enumerate((0.0, 0.02))]
    single = [result([finding(9)], "mine", None), result([finding(7)], "yours", None)]
    study = Study("quick", (*mine, *other, *single))
    assert study.effects["a.b"].evidence.value == pytest.approx(0.25)
    assert study.recipe(other[1])["a.b"].evidence.value == pytest.approx(0.01)
    assert [study.recipe(one)["a.b"].evidence.value for one in single] == [9, 7]
    assert study.recipe(mine[0]) is study.effects


def test_an_effect_without_an_interval_has_no_adjusted_p() -> None:
    effect: Effect = among({"a.b": pooled([missing()])})["a.b"]
    assert math.isnan(effect.p)
    assert (effect.taken_back, effect.verdict) == (False, "not applicable")
