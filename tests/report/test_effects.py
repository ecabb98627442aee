"""Effects over trainings on the page: what is told of them, and the picture of them."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nanoscope import files
from nanoscope.evidence.finding import Finding
from nanoscope.evidence.stored_study import Study, read_study
from nanoscope.experiments.todays_words import in_todays_words
from nanoscope.plots.forest import forest
from nanoscope.plots.quality import checklist
from nanoscope.report import effects

PUBLISHED = Path(__file__).parents[2] / "results"
pytestmark = pytest.mark.skipif(not (PUBLISHED / "study.json").exists(), reason="no study is published in results/ yet")


@pytest.fixture(scope="module")
def study() -> Study:
    return in_todays_words(read_study(str(PUBLISHED)))


def _rows(page: str) -> list[list[str]]:
    """Of the first table; another may follow its picture."""
    lines = [line for line in page.split("![", maxsplit=1)[0].split("\n") if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]


def test_every_claim_of_several_trainings_has_one_row_and_one_mark(study: Study) -> None:
    found = effects.over_trainings(study)
    rows = _rows(effects.section(study))
    assert len(rows) == len(found) == len(effects.rows(study)[0]) > 8
    assert [row[0].strip("*") for row in rows] == [one.sentence.rstrip(".") for one in found]
    for row, one in zip(rows, found, strict=True):
        assert (row[0].startswith("**")) == (one.family == "primary")
        assert sum(map(int, row[4].split("/"))) == len(one.findings)
    assert all(one.spread for one in found)


def test_consistency_counts_the_trainings_that_alone_say_what_all_say(study: Study) -> None:
    found = effects.over_trainings(study)
    counted = effects.consistency(found)
    assert counted is not None
    asked = [one for one in found if one.verdict in ("supported", "not supported") and len(one.findings) == 6]
    assert counted.claims == len(asked) > 5
    assert sum(counted.alike) == sum(one.agreeing for one in asked)
    assert 0 < counted.share <= 1
    assert effects.consistency([]) is None


def test_one_model_has_no_effects_over_trainings(study: Study) -> None:
    alone = Study(None, tuple(r for r in study.results if r.subject.label == study.main))
    assert effects.section(alone) == ""
    assert effects.rows(alone)[0] == []


def test_a_verdict_that_the_adjustment_changes_is_marked(study: Study) -> None:
    """Six values whose own p is 0.03 among many that are far from decided."""
    near = np.array([0.41, 0.52, 0.45, 0.58, 0.38, 0.55])
    rest = [r for r in study.results if r.experiment == "lenses" and r.subject.label in study.replicates]
    made = []
    for value, one in zip(near, rest, strict=True):
        above = {"lenses.writers": 0.088}
        findings = [
            _with(finding, finding.criterion.threshold + value - near.mean() + above.get(finding.id, 0.0))
            for finding in one.findings
            if finding.kind == "measurement"
        ]
        made.append(replace(one, findings=tuple(findings)))
    judged = replace(study, results=tuple(made))
    (changed,) = [one for one in judged.effects.values() if one.taken_back]
    assert (changed.claim, changed.plain) == ("lenses.writers", "supported")
    (row,) = [row for row in _rows(effects.section(judged)) if "alone:" in row[-1]]
    assert row[0] == changed.sentence.rstrip(".")
    assert row[-1] == "? (alone: yes)"
    assert "Decided alone, but not among so many:" in effects.section(judged)


def _with(finding: Finding, value: float) -> Finding:
    """The same claim, measured as another value."""
    evidence = replace(finding.evidence, value=value, interval=(value - 0.01, value + 0.01))
    return replace(finding, evidence=evidence, withdrawn="")


def test_what_is_stored_says_the_same(study: Study) -> None:
    stored = effects.stored(study)
    assert json.loads(files.canonical_json(stored)) == stored, "plain values without NaN"
    assert len({(one["recipe"], one["claim"]) for one in stored}) == len(stored)
    by_recipe = {(one["recipe"], one["claim"]): one for one in stored}
    for claim, effect in study.effects.items():
        result = study.main_result(claim.split(".")[0])
        assert result is not None
        mine = by_recipe[result.subject.family or result.subject.label, claim]
        assert mine["verdict"] == effect.verdict
        assert mine["adjusted"] == (None if math.isnan(effect.adjusted) else effect.adjusted)
    alone = {claim.split(".")[0] for recipe, claim in by_recipe if recipe == study.subject(study.main).family}
    assert alone == {one.experiment for one in study.results if one.subject.label == study.main and one.findings}
    assert {one["recipe"] for one in stored} >= {r.subject.family or r.subject.label for r in study.results[:20]}


def test_the_page_says_primary_claims_and_numbers_of_tests(study: Study) -> None:
    tested = [one for one in study.spread.values() if not math.isnan(one.p)]
    page = effects.section(study)
    assert f"{sum(one.family == 'secondary' for one in tested)} secondary" in page
    assert effects.p_text(0.0004) == "<0.001"
    assert effects.p_text(0.0371) == "0.037"


def test_the_picture_is_readable(study: Study) -> None:
    assert all(checklist(forest(*effects.rows(study))).values())
