"""Sections of the report: questions, the table of claims, and what stands beside a model that came without controls."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nanoscope.evidence.answer import WITHDRAWN, answer
from nanoscope.evidence.stored_study import Study, read_study
from nanoscope.evidence.wording import number
from nanoscope.experiments import EXPERIMENTS, claims_table, controls, open_experiment
from nanoscope.experiments.pages import section, study_answers
from nanoscope.experiments.todays_words import in_todays_words
from nanoscope.report.document import render
from nanoscope.statistics.intervals import seed_interval

PUBLISHED = Path(__file__).parents[2] / "results"
published = pytest.mark.skipif(not (PUBLISHED / "study.json").exists(), reason="no study is published in results/ yet")


@pytest.fixture(scope="module")
def study() -> Study:
    return in_todays_words(read_study(PUBLISHED))


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_question_is_answered_by_a_claim_of_its_experiment(name: str) -> None:
    experiment = open_experiment(name)
    claims = {claim.id for claim in experiment.claims}
    assert {question.claim for question in experiment.questions} <= claims
    assert (experiment.page is None) == (not experiment.questions), "a section begins with its answers"
    assert set((*experiment.page.figures, *experiment.page.control) if experiment.page else ()) <= set(
        experiment.figures
    )
    assert all(question.ask.endswith("?") for question in experiment.questions)


@published
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_question_is_worded_from_what_today_measures(name: str, study: Study) -> None:
    """Where all arrays of a published result are there, today's claims are judged anew and answer without a gap."""
    experiment = open_experiment(name)
    if not any(r.experiment == name for r in study.results):
        pytest.skip(f"{name} is not published yet; its own tests word its answers")
    whole = [r for r in study.results if r.experiment == name and not r.provenance.get("left_out")]
    for question in experiment.questions:
        claim = next(claim for claim in experiment.claims if claim.id == question.claim)
        sized = [
            answer(question, replace(claim, withdrawn="").found(claim.evidence(result.sweeps))) for result in whole
        ]
        assert sized
        assert not any(re.search(r"[{}]|None|undefined", one.size) for one in sized), sized


@published
def test_what_is_withdrawn_has_no_number_and_no_verdict(study: Study) -> None:
    """Where an older version measured what a section is about."""
    mine = (one for one in study.results if one.subject.label == study.main)
    older = (replace(one, identity={**one.identity, "version": 3}) for one in mine)
    study = in_todays_words(replace(study, results=tuple(older)))
    for name in ("induction", "emergence"):
        gone = [claim for claim in open_experiment(name).claims if claim.withdrawn]
        assert gone
        rows = [row for row in section(study, name).split("\n") if row.startswith("| ") and WITHDRAWN in row]
        stored = study.main_result(name)
        assert stored is not None
        assert len(rows) == len([claim for claim in gone if stored.finding_if_any(claim.id)])
        assert not any(re.search(r"\d", "".join(row.split("|")[2:4])) for row in rows), rows
    replies = {one.claim: one.reply for one, _ in study_answers(study)}
    assert replies["emergence.icl"] == "withdrawn"


@published
def test_a_claims_row_says_what_its_effect_says(study: Study) -> None:
    study = replace(study, results=tuple(one for one in study.results if one.subject.label != study.main))
    main = study.result(study.main, "heads")
    assert main is not None
    effect = study.effects["heads.previous"]
    trainings = [study.result(label, "heads") for label in study.with_role("model")]
    values = np.array([one.finding(effect.claim).evidence.value for one in trainings if one])
    assert len(values) == 6
    assert effect.evidence.interval == seed_interval(values)
    sentence = effect.sentence.rstrip(".")
    (row,) = [row for row in claims_table.claims_table(study, main).split("\n") if sentence in row]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    low, high = (number(end) for end in seed_interval(values))
    assert cells[1] == f"{number(values.mean())} [{low}, {high}]"
    assert cells[2:4] == [str(effect.criterion), effect.verdict]
    control = study.result(study.with_role("control")[0], "heads")
    assert control is not None
    assert cells[4].startswith(claims_table.SHORT[study.recipe(control)[effect.claim].verdict])


@published
def test_one_models_verdicts_are_its_own_findings(study: Study) -> None:
    """Without other trainings nothing is pooled; only the adjustment may take a decision back, and is then named."""
    alone = Study(None, tuple(r for r in study.results if r.subject.label == study.main and r.experiment == "heads"))
    (main,) = alone.results
    table = claims_table.claims_table(alone, main)
    for found in main.findings:
        if found.kind == "measurement" and not found.withdrawn:
            effect = alone.effects[found.id]
            assert (effect.evidence, effect.plain) == (found.evidence, found.verdict)
            said = f"{effect.verdict} (alone: {found.verdict})" if effect.taken_back else found.verdict
            assert any(found.claim.rstrip(".") in row and f"| {said} |" in row for row in table.split("\n"))


@published
def test_a_users_own_report_shows_the_bundled_controls_and_nothing_that_was_not_measured(study: Study) -> None:
    alone = tuple(r for r in study.results if r.subject.label == study.main and r.experiment == "induction")
    page = render(Study(None, alone), {})
    headings = [line[3:] for line in page.split("\n") if line.startswith("## ")]
    around = ("Reproducibility and limitations", "Visualisations", "Code and data")
    assert headings == ["Models analysed", "Finding 1: Induction heads", *around]
    head = next(line for line in page.split("\n") if line.startswith("| claim"))
    assert head.endswith("| echo control | planted model |")
    assert "Not measured yet: profile, heads, lenses, neurons, failures" in page
    for history in ("trained_models/", "Challenge", "Future", "notebooks", ".ipynb"):
        assert history not in page


def test_the_bundled_controls_are_todays(study: Study) -> None:
    """`scripts/bundle_controls.py` makes them again where an experiment's version or claims have changed."""
    assert controls.FILE.stat().st_size < 1_000_000
    for name in ("induction", "heads", "lenses", "emergence", "circuits"):
        experiment, results = open_experiment(name), controls.bundled(name)
        assert results, name
        for result in results:
            assert result.identity["version"] == experiment.version
            criteria = {claim.id: claim.criterion for claim in experiment.claims}
            assert {finding.id: finding.criterion for finding in result.findings} == criteria
    seen = {result.subject.role: result.finding("induction.heads").verdict for result in controls.bundled("induction")}
    assert seen == {"control": "supported", "planted": "supported"}
