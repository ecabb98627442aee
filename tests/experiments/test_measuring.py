"""Measuring in stages: announced, kept, gone on with; the same bits however often it was interrupted."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import random_model
from test_tokenizers import FEW

from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.errors import Interrupted
from nanoscope.evidence.result import Result, load_results
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments import following, open_experiment, runner
from nanoscope.experiments.experiment import Experiment, Subject
from nanoscope.experiments.measuring import Kept, Stage, Stages, Sweeps, arrays_of, in_memory, measured, private
from nanoscope.text.corpora import Corpus

TIMED = {"seconds", "cost"}
STAGED = [name for name in FEW if name != "snapshot"]


@pytest.fixture(scope="module")
def subject(shakespeare: Corpus) -> Subject:
    corpus = Corpus("excerpt", shakespeare.text[:12_000])
    model = random_model(n_layer=2, block_size=32, vocab_size=len(corpus.vocabulary))
    return Subject(Checkpoint(model, corpus.vocabulary, sha256="0"), corpus, "a model")


class Watched:
    """An experiment whose stages are counted, and of which one may be interrupted."""

    def __init__(self, name: str, at: str | None = None) -> None:
        self.measured: list[str] = []
        self.declared, self.at = open_experiment(name), at
        self.experiment: Experiment = replace(self.declared, stages=self.stages)

    def stages(self, subject: object, params: object) -> Stages:
        return {name: self.counted(name, stage) for name, stage in self.declared.stages(subject, params).items()}

    def counted(self, name: str, stage: Stage) -> Stage:
        def measure(before: Sweeps) -> Sweeps:
            if name == self.at:
                raise KeyboardInterrupt
            self.measured.append(name)
            return stage.measure(before)

        return replace(stage, measure=measure)


def run(watched: Watched, subject: Subject, folder: Path) -> Result:
    return runner.run_experiment(watched.experiment, subject, FEW[watched.declared.name], folder)


def assert_same(one: Result, other: Result) -> None:
    assert (one.key, list(one.sweeps)) == (other.key, list(other.sweeps))
    for name in set(one.sweeps) - TIMED:
        ours, theirs = one[name], other[name]
        assert (ours.dims, ours.unit, ours.coords) == (theirs.dims, theirs.unit, theirs.coords)
        assert ours.values.dtype == theirs.values.dtype
        assert ours.values.tobytes() == theirs.values.tobytes(), name


@pytest.mark.parametrize(
    "name",
    ["induction", "neurons", "failures", *(pytest.param(name, marks=pytest.mark.slow) for name in ("heads", "lenses"))],
)
def test_an_interrupted_experiment_goes_on_and_ends_with_the_same_bits(
    name: str, subject: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupted in one stage, then in a later one: no stage is measured twice, and nothing but the result is left."""
    monkeypatch.setattr(runner, "source_digest", lambda name: "code")  # takes a second
    monkeypatch.setattr(runner, "require_sound", lambda model: None)
    undisturbed = Watched(name)
    expected = run(undisturbed, subject, tmp_path / "undisturbed")
    stages, calls = undisturbed.measured, []
    for at in (stages[1], stages[-2], None):
        calls.append(Watched(name, at))
        if at is None:
            assert_same(run(calls[-1], subject, tmp_path / "run"), expected)
            break
        with pytest.raises(Interrupted, match=rf"^{stages.index(at)} of {len(stages)} stages are kept, .* \({at}\)$"):
            run(calls[-1], subject, tmp_path / "run")
        assert load_results(tmp_path / "run") == ()
    assert [stage for call in calls for stage in call.measured] == stages
    assert [path.name for path in (tmp_path / "run").iterdir()] == [expected.key]


def test_every_stage_has_its_share_of_the_time(subject: Subject) -> None:
    for name in STAGED:
        assert sum(stage.share for stage in open_experiment(name).stages(subject, FEW[name]).values()) == 100, name


# ---- stages of a toy ---------------------------------------------------------------------------------------------------


def number(value: float) -> Sweep:
    return Sweep(np.array(value), (), "")


def toy(log: list[str], stop: Callable[[], None] = lambda: None) -> Stages:
    def second(before: Sweeps) -> Sweeps:
        stop()
        log.append("second")
        return {"b": number(2 * float(arrays_of("kept", before)["x"]))}

    def first(before: Sweeps) -> Sweeps:
        log.append("first")
        return {"a": number(1.0), **private("kept", {"x": np.array(0.1)})}

    return {"first": Stage(30, first), "second": Stage(70, second)}


def stopped() -> None:
    raise KeyboardInterrupt


def test_what_only_stages_need_is_not_part_of_the_numbers(tmp_path: Path) -> None:
    sweeps = measured(toy([]), Kept(tmp_path / "kept", "code"))
    assert set(sweeps) == set(in_memory(toy([]))) == {"a", "b", "seconds"}
    assert float(sweeps["b"].values) == 0.2
    assert sweeps["seconds"].labels("stage") == ("first", "second")


def test_stages_are_announced_by_their_share_as_they_begin(tmp_path: Path) -> None:
    told = []
    measured(toy([]), Kept(tmp_path, "code"), lambda *now: told.append(now))
    assert told == [("first", 0, 100), ("second", 30, 100), ("", 100, 100)]


def test_only_what_is_left_counts_as_progress_after_an_interruption(tmp_path: Path) -> None:
    told = []
    with pytest.raises(Interrupted):
        measured(toy([], stopped), Kept(tmp_path, "code"))
    measured(toy([]), Kept(tmp_path, "code"), lambda *now: told.append(now))
    assert told == [("1 of 2 stages are kept from before", 0, 70), ("second", 0, 70), ("", 70, 70)]


@pytest.mark.parametrize("spoil", ["other code", "cut short"])
def test_what_other_code_kept_or_what_is_damaged_is_measured_again(tmp_path: Path, spoil: str) -> None:
    kept, log = Kept(tmp_path, "code"), []
    with pytest.raises(Interrupted, match="1 of 2 stages are kept"):
        measured(toy(log, stopped), kept)
    if spoil == "cut short":
        kept.path("first").write_bytes(kept.path("first").read_bytes()[:40])
    now = replace(kept, made_by="other") if spoil == "other code" else kept
    measured(toy(log), now)
    assert log == ["first", "first", "second"]
    assert [path.name for path in tmp_path.iterdir()] == [now.made_by]


def test_an_interrupted_first_stage_says_that_nothing_is_kept(tmp_path: Path) -> None:
    with pytest.raises(Interrupted, match=r"^nothing is kept, as the first of 2 stages \(first\) was not finished$"):
        measured({"first": Stage(1, lambda before: stopped() or {}), "second": Stage(1, dict)}, Kept(tmp_path, ""))
    assert not list(tmp_path.iterdir())


def test_an_interrupted_training_that_is_followed_says_which_checkpoints_are_kept(
    subject: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def snapshot(_: Subject, step: int, *__: object) -> None:
        if step == 200:
            raise KeyboardInterrupt

    monkeypatch.setattr(following, "snapshot", snapshot)
    long = replace(subject, history=dict.fromkeys((0, 100, 200, 300), tmp_path))
    with pytest.raises(Interrupted, match=r"^2 of 4 checkpoints are kept, and the same command goes on with the next$"):
        following.follow(open_experiment("emergence"), long, None, tmp_path)
