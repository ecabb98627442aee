"""What the runs say about the tools: on the published study, and where a part of it was not measured or no longer claimed."""

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


def test_what_a_result_no_longer_claims_is_not_said(study: Study) -> None:
    gone = ("lenses.tuned", "lenses.computed")
    kept = [[finding for finding in result.findings if finding.id not in gone] for result in study.results]
    fewer = replace(
        study, results=tuple(replace(r, findings=tuple(f)) for r, f in zip(study.results, kept, strict=True))
    )
    old, new = (section(one, {}).splitlines() for one in (study, fewer))
    (left_out,) = [line for line in old if line not in new]
    main = study.result(study.main, "lenses")
    assert main is not None
    assert left_out == f"- Lesson: {' '.join(main.finding(id).text for id in gone)}"
    assert [line for line in old if line != left_out] == new
    stored = str(main.finding("lenses.settles").evidence.facts["half"])
    assert stored.startswith("The top character's probability never comes to stay above one half in ")
    assert any(stored in line for line in new), "what is read from the numbers is what was stored as a sentence"


def test_what_was_not_measured_has_no_number(study: Study) -> None:
    only = replace(study, results=tuple(r for r in study.results if r.experiment == "induction"))
    page = section(only, {})
    assert "- Categorisation accuracy: not measured here; `nanoscope run heads CHECKPOINT` does it.\n" in page
    assert "KL(model || lens)" not in page
    alone = section(replace(study, results=tuple(r for r in study.results if r.subject.label == study.main)), {})
    assert alone.count("not measured here; it takes several trainings (`nanoscope study control`).") == 3


def test_agreement_is_counted_over_trainings(study: Study) -> None:
    """Of four trainings of which one has another verdict: Clopper and Pearson's interval of 3 in 4."""
    labels = study.with_role("control")[:4]
    results = [result for label in labels if (result := study.result(label, "lenses"))]
    found = [result.finding("lenses.reveals") for result in results]
    small = [replace(one, evidence=replace(one.evidence, interval=(0.1, 0.2))) for one in found]
    small[2] = replace(small[2], evidence=replace(small[2].evidence, interval=(-0.2, -0.1)))
    made = tuple(replace(result, findings=(one,)) for result, one in zip(results, small, strict=True))
    assert _agreement(replace(study, results=made), "control", "lenses.reveals") == {
        "verdict": "supported",
        "count": 3,
        "trainings": 4,
        "role": "control",
        "share": 0.75,
        "low": pytest.approx(0.1941, abs=1e-4),
        "high": pytest.approx(0.9937, abs=1e-4),
    }


def test_figures_that_fail_a_check_are_named(study: Study) -> None:
    quality = {"a.png": {"whole": True, "large": True}, "b.png": {"whole": True, "large": False}}
    said = "each of the 2 figures of this report is checked as drawn (whole 2, large 1). Failing: b.png (large).\n"
    assert said in section(study, quality)
    assert "(whole 1, large 1). All pass all.\n" in section(study, {"a.png": quality["a.png"]})
    assert "- Visualisation quality: no figure was drawn.\n" in section(study, {})
