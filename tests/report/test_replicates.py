"""A main model whose recipe has one training, beside trainings of another: the values are its own, the counts theirs."""

from dataclasses import replace
from pathlib import Path

import pytest

from nanoscope.evidence.stored_study import Study, read_study
from nanoscope.experiments.todays_words import in_todays_words
from nanoscope.report.effects import over_trainings
from nanoscope.report.overview import overview

PUBLISHED = Path(__file__).parents[2] / "results"
LONE = "the lone model"


@pytest.fixture(scope="module")
def among() -> Study:
    """The published study's trainings of the model that it counts over, and the results between them."""
    study = in_todays_words(read_study(PUBLISHED))
    left = [r for r in study.results if r.subject.label in study.replicates or r.subject.label not in study.labels]
    return replace(study, results=tuple(left))


@pytest.fixture(scope="module")
def beside(among: Study) -> Study:
    """The same, led by a model of a recipe of its own: the second training's results under another name."""
    second = among.replicates[1]
    lone = [
        replace(r, subject=replace(r.subject, label=LONE, family=LONE))
        for r in among.results
        if r.subject.label == second
    ]
    return replace(among, results=(*lone, *among.results))


def test_a_recipe_of_several_trainings_counts_over_itself(among: Study) -> None:
    assert among.main in among.replicates
    assert among.spread is among.effects


def test_a_lone_model_answers_for_itself_and_others_tell_the_spread(among: Study, beside: Study) -> None:
    assert beside.main == LONE
    assert beside.replicates == among.replicates
    own = next(r for r in beside.results if r.subject.label == LONE and r.experiment == "heads")
    for finding in own.findings:
        if finding.id in beside.effects:
            assert beside.effects[finding.id].findings == (finding,)
    assert {c: e.evidence for c, e in beside.spread.items()} == {c: e.evidence for c, e in among.spread.items()}
    assert [e.claim for e in over_trainings(beside)] == [e.claim for e in over_trainings(among)]


def test_the_page_says_which_is_which(among: Study, beside: Study) -> None:
    count, family = len(among.replicates), among.subject(among.main).family
    assert f"{count} trainings of {family}" in overview(beside)
    assert "tell how results vary" not in overview(among)


def test_what_the_main_model_lacks_is_told_of_the_replicates(beside: Study) -> None:
    result = beside.main_result("universality")
    assert result is not None
    assert result.subject.label == beside.replicates[0]
