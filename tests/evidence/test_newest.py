"""Which results of one folder are shown: the newest of each experiment on the newest checkpoint, in any order."""

from itertools import permutations

import numpy as np
import pytest

from nanoscope.evidence.finding import Criterion, Evidence, Finding
from nanoscope.evidence.newest import newest
from nanoscope.evidence.result import Result, save_result
from nanoscope.evidence.stored_study import read_study
from nanoscope.evidence.subject import StoredSubject
from nanoscope.evidence.sweep import Sweep

NUMBER = Sweep(np.zeros(1), ("one",), "")
EVIDENCE = Evidence(2.0, (2.0, 2.0), 1, "runs", 0.0)
FOUND = Finding("a.b", "It is.", Criterion(">=", 1.0), EVIDENCE, "nothing", "It is {value}.", None, "measurement")


def result(experiment: str, checkpoint: str | None, minute: int, label: str = "the model a.pt", **more) -> Result:
    identity = {"version": more.get("version", 1), "params": {"n": minute}, "checkpoint": checkpoint}
    when = {"date": "2026-11-28"} | ({"time": f"2026-11-28T10:{minute:02d}:00Z"} if minute else {})
    about = StoredSubject(label, more.get("role", "model"), training={"val_loss": more.get("loss", 1.0)})
    return Result(experiment, identity, about, {"x": NUMBER}, more.get("findings", (FOUND,)), when)


def shown(*results: Result) -> list[tuple[str, int]]:
    """Experiment and minute of what is shown; the same whatever the order."""
    found = {tuple(sorted((r.experiment, r.identity["params"]["n"]) for r in newest(order).shown))
             for order in permutations(results)}  # fmt: skip
    assert len(found) == 1
    return list(*found)


def test_the_newest_of_one_experiment_on_one_model_is_shown() -> None:
    assert shown(result("heads", "1", 1), result("heads", "1", 3), result("heads", "1", 2)) == [("heads", 3)]
    assert shown(result("heads", "1", 1), result("induction", "1", 2)) == [("heads", 1), ("induction", 2)]


def test_of_one_label_the_newest_checkpoint_is_shown_alone() -> None:
    """Trained again in the same place: what was measured on the earlier weights is not mixed with the new."""
    before = [result("heads", "1", 1), result("induction", "1", 2)]
    assert shown(*before, result("induction", "2", 3)) == [("induction", 3)]
    chosen = newest([*before, result("induction", "2", 3), result("induction", "2", 4)])
    assert [r.identity["params"]["n"] for r in chosen.of_older_checkpoints] == [1, 2]
    assert [r.identity["params"]["n"] for r in chosen.older] == [3]


def test_different_models_stand_side_by_side() -> None:
    assert shown(result("heads", "1", 1), result("heads", "2", 2, "the model b.pt")) == [("heads", 1), ("heads", 2)]


def test_one_checkpoint_is_one_model_under_whatever_labels() -> None:
    one, other = result("heads", "1", 1, role="control"), result("induction", "1", 2, "mine")
    assert {(r.subject.label, r.subject.role) for r in newest([one, other]).shown} == {("mine", "model")}
    assert shown(one, result("heads", "1", 2, "mine")) == [("heads", 2)]


def test_a_comparison_of_a_training_goes_with_its_checkpoint() -> None:
    curves, other = result("emergence", None, 1), result("emergence", None, 5, loss=9.0)
    model = result("heads", "1", 3)
    assert shown(curves, other, model) == [("emergence", 1), ("heads", 3)]
    assert shown(curves, other) == [("emergence", 5)]


def test_results_without_findings_are_not_shown() -> None:
    assert shown(result("snapshot", "0", 1, "the model, iteration 0", findings=()), result("heads", "1", 2)) == [
        ("heads", 2)
    ]


def test_results_of_earlier_versions_have_a_date_only() -> None:
    """Older than those of the same day that have a time; among themselves the version decides."""
    assert shown(result("heads", "1", 0), result("heads", "1", 1)) == [("heads", 1)]
    chosen = newest([result("heads", "1", 0, version=3), result("heads", "1", 0, version=2)])
    assert [r.identity["version"] for r in chosen.shown] == [3]


def test_what_is_left_aside_is_said_in_one_line(tmp_path) -> None:
    for one in (result("heads", "1", 1), result("heads", "2", 2), result("heads", "2", 3)):
        save_result(one, tmp_path / "results")
    study = read_study(tmp_path)
    assert [r.identity["params"]["n"] for r in study.results] == [3]
    older, earlier = study.left_aside.split("; ")
    assert older.startswith("heads-")
    assert older.endswith("(heads on the model a.pt, 2026-11-28 10:02:00): newer results are shown")
    assert earlier.endswith("(heads on the model a.pt, 2026-11-28 10:01:00): newer checkpoints are shown")


@pytest.mark.parametrize("listed", [True, False])
def test_nothing_is_left_aside_where_all_is_shown(tmp_path, listed: bool) -> None:
    path = save_result(result("heads", "1", 1), tmp_path / "results")
    if listed:
        (tmp_path / "study.json").write_text(f'{{"study": "quick", "results": ["{path.name}"]}}')
    assert (len(read_study(tmp_path).results), read_study(tmp_path).left_aside) == (1, "")
