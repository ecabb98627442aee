"""What the runs say about the methods: counted over trainings, and nothing said that was not measured."""

from dataclasses import replace
from pathlib import Path

import pytest

from nanoscope.evidence.stored_study import Study, read_study
from nanoscope.report.methods import _agreement, section

PUBLISHED = Path(__file__).parents[2] / "results"
pytestmark = pytest.mark.skipif(not (PUBLISHED / "study.json").exists(), reason="no study is published in results/ yet")


@pytest.fixture(scope="module")
def study() -> Study:
    return read_study(str(PUBLISHED))


def test_what_was_not_measured_has_no_number(study: Study) -> None:
    whole = section(study, {})
    for text in ("planted heads of graded strength: Finding 2", "settled predictions change"):
        assert text in whole
        assert text not in section(
            replace(study, results=tuple(r for r in study.results if r.experiment == "induction")), {}
        )
    alone = section(replace(study, results=tuple(r for r in study.results if r.subject.label == study.main)), {})
    assert alone.count("not measured over trainings") == 3
    assert section(replace(study, name=None), {}) == "", "a user's own results say little about methods"


def test_agreement_is_counted_over_trainings(study: Study) -> None:
    """Of four trainings one has another verdict."""
    results = [result for label in study.replicates[:4] if (result := study.result(label, "lenses"))]
    found = [result.finding("lenses.meaningful") for result in results]
    small = [replace(one, evidence=replace(one.evidence, interval=(0.1, 0.2))) for one in found]
    small[2] = replace(small[2], evidence=replace(small[2].evidence, interval=(0.8, 0.9)))
    made = tuple(replace(result, findings=(one,)) for result, one in zip(results, small, strict=True))
    assert _agreement(replace(study, results=made), "model", "lenses.meaningful") == "supported in 3 of 4 trainings"


def test_figures_that_fail_a_check_are_named(study: Study) -> None:
    quality = {"a.png": {"whole": True, "large": True}, "b.png": {"whole": True, "large": False}}
    assert "too small: b.png (large)." in section(study, quality)
    assert "fail a check" not in section(study, {"a.png": quality["a.png"]})
