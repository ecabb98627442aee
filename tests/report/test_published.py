"""The published study: its page is what its stored results say, byte for byte, and its model is the one analysed."""

import json
import re
import shutil
from pathlib import Path

import pytest

from nanoscope import report
from nanoscope.checkpoints.checkpoint import load
from nanoscope.evidence.finding import published
from nanoscope.evidence.result import load_results
from nanoscope.experiments import EXPERIMENTS, open_experiment
from nanoscope.experiments.todays_words import reworded
from nanoscope.report.document import FILES
from nanoscope.report.publish import MOST_BYTES

ROOT = Path(__file__).parents[2]
PUBLISHED, MODELS = ROOT / "results", ROOT / "trained_models"
pytestmark = pytest.mark.skipif(not (PUBLISHED / "study.json").exists(), reason="no study is published in results/ yet")


def test_the_published_page_is_rendered_from_its_results_byte_for_byte(tmp_path: Path) -> None:
    shutil.copytree(PUBLISHED / "results", tmp_path / "results")
    shutil.copy(PUBLISHED / "study.json", tmp_path)
    report.write(tmp_path)
    for name in FILES:
        assert (tmp_path / name).read_bytes() == (PUBLISHED / name).read_bytes(), name


def test_the_page_is_about_the_model_that_comes_along() -> None:
    study = report.read_study(PUBLISHED)
    measured = [result for result in study.results if result.subject.label == study.main]
    assert len(measured) >= 6
    of = {result.experiment: result.identity.get("checkpoint") for result in measured}
    assert of.pop("emergence", None) is None, "it is of the whole training"
    assert set(of.values()) == {load(MODELS / "shakespeare_char_model").sha256}


def test_every_published_number_resolves_to_a_stored_result() -> None:
    stored = {result.key: reworded(result) for result in load_results(PUBLISHED / "results")}
    findings = json.loads((PUBLISHED / "findings.json").read_text())
    assert len(findings) > 100
    for finding in findings:
        kept = published(stored[finding["result"]].finding(finding["id"]))
        assert kept == {key: value for key, value in finding.items() if key not in ("model", "result")}


def test_the_page_has_no_blank_and_every_link_leads_somewhere() -> None:
    page = (PUBLISHED / "FINDINGS.md").read_text()
    for blank in (r"TBD", r"\bNone\b", r"\bnan\b", r"[{}]", r"[Nn]ot measured here"):
        assert not re.search(blank, page), blank
    targets = [part.split(")")[0] for part in page.split("](")[1:]]
    assert len(targets) > 50
    assert all((PUBLISHED / target).exists() for target in targets if not target.startswith("http"))


def test_the_page_is_short_and_its_first_screen_answers() -> None:
    page = (PUBLISHED / "FINDINGS.md").read_text()
    assert len([word for word in page.split() if re.search(r"\w", word)]) <= 9000, "bars of tables are no words"
    assert len(page.split("\n")) <= 500
    first = page.split("\n## ")[0]
    answers = [line.split(" | ")[1] for line in first.split("\n") if line.startswith("| ") and line.endswith(" |")][1:]
    assert 8 <= len(answers) <= 12
    assert set(answers) <= {"**yes**", "**no**", "**cannot tell**", "**does not apply**", "**withdrawn**"}
    assert first.count("![") == 1
    prose = re.sub(r"\]\(.*?\)", "", page)
    ids = {claim.id for name in EXPERIMENTS for claim in open_experiment(name).claims}
    assert not [id for id in ids if id in prose], "a reader sees sentences, not ids"


def test_every_kind_of_model_stands_in_the_comparison_to_the_literature() -> None:
    head = (PUBLISHED / "FINDINGS.md").read_text().split("| induction heads |")[1].split("\n")[0]
    for label in report.read_study(PUBLISHED).labels:
        assert (label.rpartition(",")[0] or label) in head, label


def test_the_publication_is_small() -> None:
    assert sum(path.stat().st_size for path in PUBLISHED.rglob("*") if path.is_file()) <= MOST_BYTES
    parts = list(MODELS.glob("*/model.safetensors*"))
    assert parts
    assert all(part.stat().st_size <= 15_000_000 for part in parts)
    assert sum(part.stat().st_size for part in parts) <= 45_000_000


def test_the_released_model_is_exactly_what_was_analysed() -> None:
    released = {load(path.parent).sha256 for path in MODELS.glob("*/checkpoint.json")}
    main = report.read_study(PUBLISHED).main
    analysed = [
        r for r in load_results(PUBLISHED / "results") if r.subject.label == main and "checkpoint" in r.identity
    ]
    assert analysed
    (checkpoint,) = {result.identity["checkpoint"] for result in analysed}
    assert checkpoint in released
