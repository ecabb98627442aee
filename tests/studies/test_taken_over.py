"""A training that `nanoscope train` made becomes a study's own: on any number of threads, and only where it is the study's."""

from dataclasses import replace
from pathlib import Path

import pytest

from nanoscope import files
from nanoscope.errors import NanoscopeError
from nanoscope.model.config import GPTConfig
from nanoscope.studies.members import Member, StudyDesign
from nanoscope.studies.plan import plan_study
from nanoscope.studies.run import run_study
from nanoscope.studies.stages import Record, Workspace, keep_corpora, open_member, perform, stage_key
from nanoscope.studies.taken_over import member_of, members_of, take_over
from nanoscope.text.corpora import Corpus
from nanoscope.training.loop import train
from nanoscope.training.recipe import Machine, Recipe

RECIPE = Recipe(
    GPTConfig(n_layer=1, n_head=2, n_embd=16, block_size=24),
    iterations=12,
    batch_size=4,
    eval_every=4,
    eval_windows=4,
    dense_until=0,
    checkpoint_every=4,
)
STUDY = StudyDesign(
    "two", tuple(Member(f"m-{seed}", f"m {seed}", "model", replace(RECIPE, seed=seed), {}) for seed in (1, 2))
)


@pytest.fixture
def workspace(shakespeare: Corpus, tmp_path: Path) -> Workspace:
    return keep_corpora(Corpus("excerpt", shakespeare.text[:30_000]), {}, tmp_path / "study")


@pytest.fixture
def trained(workspace: Workspace, tmp_path: Path) -> Path:
    """Seed 2, on two threads."""
    train(replace(RECIPE, seed=2), workspace.corpus(), tmp_path / "mine", Machine(threads=2))
    return tmp_path / "mine"


def _take(folders: list[Path], workspace: Workspace) -> None:
    take_over(members_of(folders, STUDY, {None: workspace.corpus()}), workspace)


def test_it_stands_where_the_study_keeps_it_and_is_not_trained_again(workspace: Workspace, trained: Path) -> None:
    _take([trained], workspace)
    member = STUDY.members[1]
    mine = {path.relative_to(trained): path.read_bytes() for path in sorted(trained.rglob("*")) if path.is_file()}
    there = workspace.model(member)
    assert {path.relative_to(there) for path in there.rglob("*") if path.is_file()} == mine.keys() - {Path(".lock")}
    (stage,) = [stage for stage in plan_study(STUDY).stages if stage.name == "train m-2"]
    record = perform(stage, workspace, {})
    assert isinstance(record, Record)
    assert record.output == open_member(member, workspace).checkpoint.sha256
    weights = Path("final") / "model.safetensors"
    assert (there / weights).read_bytes() == mine[weights]
    assert open_member(member, workspace).checkpoint.training["threads"] == 2
    assert {path: path.read_bytes() for path in map(trained.joinpath, mine)} == {
        trained / p: b for p, b in mine.items()
    }


def test_a_second_time_changes_nothing(workspace: Workspace, trained: Path) -> None:
    _take([trained], workspace)
    mark = workspace.model(STUDY.members[1]) / "mark"
    mark.touch()
    _take([trained], workspace)
    assert mark.exists()


def test_the_key_of_a_training_is_its_recipe_whatever_machine_made_it(workspace: Workspace, trained: Path) -> None:
    stages = {stage.name: stage for stage in plan_study(STUDY).stages}
    before = {name: stage_key(stage, workspace, {}) for name, stage in stages.items()}
    _take([trained], workspace)
    assert {name: stage_key(stage, workspace, {}) for name, stage in stages.items()} == before
    assert len(set(before.values())) == 2


@pytest.mark.parametrize(
    ("change", "named"),
    [({"batch_size": 5}, "recipe.batch_size"), ({"seed": 3}, "recipe.seed"), ({"precision": "bfloat16"}, "precision")],
)
def test_a_training_of_no_model_of_the_study_is_named_and_nothing_is_copied(
    workspace: Workspace, trained: Path, tmp_path: Path, change: dict, named: str
) -> None:
    train(replace(RECIPE, **change), workspace.corpus(), tmp_path / "other")
    with pytest.raises(NanoscopeError, match=f"other holds a training of no model of the study two: .*{named}"):
        _take([trained, tmp_path / "other"], workspace)
    assert not workspace.model(STUDY.members[1]).exists()


def test_on_another_text_it_is_another_training(workspace: Workspace, shakespeare: Corpus, tmp_path: Path) -> None:
    train(RECIPE, Corpus("other", shakespeare.text[:29_000]), tmp_path / "other")
    with pytest.raises(NanoscopeError, match="another corpus"):
        member_of(tmp_path / "other", STUDY, {None: workspace.corpus()})


def test_a_folder_without_a_training_and_one_that_is_being_written_are_refused(
    workspace: Workspace, trained: Path, tmp_path: Path
) -> None:
    with pytest.raises(NanoscopeError, match="holds no training; give a folder that `nanoscope train` made"):
        _take([tmp_path], workspace)
    with files.exclusive_lock(trained), pytest.raises(NanoscopeError, match="another run is writing"):
        _take([trained], workspace)
    assert not workspace.model(STUDY.members[1]).exists()


def test_a_study_that_is_given_no_training_writes_nothing(shakespeare: Corpus, tmp_path: Path) -> None:
    with pytest.raises(NanoscopeError, match="holds no training"):
        run_study(STUDY, shakespeare, tmp_path / "new", trained=(tmp_path,))
    assert not (tmp_path / "new").exists()
