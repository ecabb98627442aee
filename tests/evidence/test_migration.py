"""What an earlier version stored, read as it would be stored today: on made-up labels and on the published results."""

import json
from pathlib import Path

import pytest

from nanoscope.evidence.migration import FORMAT, migrated, model_name
from nanoscope.evidence.result import load_result, save_result
from nanoscope.evidence.subject import StoredSubject

PUBLISHED = sorted((Path(__file__).parents[2] / "results" / "results").glob("*/result.json"))


@pytest.mark.parametrize(
    ("label", "family", "seed", "step"),
    [
        ("the echo control, seed 6, iteration 1800", "the echo control", 6, 1800),
        ("the shakespeare-cpu model, seed 1", "the shakespeare-cpu model", 1, None),
        ("2 layers of width 64 on the text task, seed 3", "2 layers of width 64 on the text task", 3, None),
        ("the planted model", None, None, None),
        ("the model runs/a, b/model.pt", None, None, None),
    ],
)
def test_a_label_has_its_parts(label: str, family: str | None, seed: int | None, step: int | None) -> None:
    assert model_name(label) == {"label": label, "family": family, "seed": seed, "step": step}


def test_what_is_written_today_is_left_alone() -> None:
    stored = {"format": FORMAT, "subject": StoredSubject("the echo control, seed 6").to_json()}
    assert migrated(stored) is stored


@pytest.mark.skipif(not PUBLISHED, reason="no study is published in results/ yet")
def test_the_published_subjects_say_in_fields_what_their_labels_say() -> None:
    for path in PUBLISHED:
        stored = json.loads(path.read_text())["subject"]
        subject = StoredSubject.from_json(migrated(json.loads(path.read_text()))["subject"])
        assert (subject.label, subject.role, subject.corpus) == (stored["label"], stored["role"], stored["corpus"])
        if subject.family is not None:
            assert subject.label == f"{subject.family}, seed {subject.seed}"
            assert subject.seed == stored["training"]["seed"]
        named = [model if isinstance(model, str) else model["label"] for model in stored.get("models", [])]
        assert [model.label for model in subject.models] == named, "an earlier format keeps the labels alone"


@pytest.mark.skipif(not PUBLISHED, reason="no study is published in results/ yet")
def test_a_migrated_result_is_stored_and_read_back_as_it_is(tmp_path: Path) -> None:
    for experiment in ("replication", "universality", "induction"):
        path = next(path.parent for path in PUBLISHED if path.parent.name.startswith(experiment))
        result = load_result(path)
        again = load_result(save_result(result, tmp_path))
        assert again.subject == result.subject
        assert again.findings == result.findings
