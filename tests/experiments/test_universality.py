"""Universality: identities and a planted answer of the measure, the experiment end to end, its place in a study."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import random_model

from nanoscope import cli
from nanoscope.analysis.neurons import universality
from nanoscope.checkpoints.checkpoint import Checkpoint, load, save
from nanoscope.errors import NanoscopeError
from nanoscope.evidence.answer import answers
from nanoscope.evidence.stored_study import Study
from nanoscope.experiments import open_experiment
from nanoscope.experiments.experiment import Subject
from nanoscope.experiments.neurons.measure import Params as Neurons
from nanoscope.experiments.pages import section
from nanoscope.experiments.runner import run_experiment
from nanoscope.experiments.universality.features import AGAIN, UNTRAINED
from nanoscope.experiments.universality.judge import found_again
from nanoscope.experiments.universality.setting import Params
from nanoscope.model.config import GPTConfig
from nanoscope.model.gpt import GPT
from nanoscope.plots.saving import save as save_figure
from nanoscope.studies import plan, stages
from nanoscope.studies.members import StudyDesign
from nanoscope.studies.presets import STUDIES, Member, only
from nanoscope.studies.run import run_study
from nanoscope.text.corpora import Corpus
from nanoscope.text.windows import Windows, windows
from nanoscope.training.recipe import Recipe

SHAPE = {"n_layer": 2, "n_head": 2, "n_embd": 64, "block_size": 32}
FEW = Params(characters=2000, latents=0)


@pytest.fixture(scope="module")
def laid() -> Windows:
    text = torch.from_numpy(np.random.default_rng(0).integers(13, size=3000))
    return windows(text, 24, 3000)


@pytest.fixture(scope="module")
def excerpt(shakespeare: Corpus) -> Corpus:
    return Corpus("excerpt", shakespeare.text[:60_000])


def _shuffled(model: GPT) -> GPT:
    """The same function, its neurons in another order in every layer."""
    other = random_model()
    other.load_state_dict(model.state_dict())
    for layer, block in enumerate(other.blocks):
        order = torch.randperm(64, generator=torch.Generator().manual_seed(layer))
        assert block.mlp is not None
        block.mlp.c_fc.weight.copy_(block.mlp.c_fc.weight[order])
        block.mlp.c_proj.weight.copy_(block.mlp.c_proj.weight[:, order])
    return other


def _excess(mine: GPT, other: GPT, laid: Windows):
    return universality.excess_correlation(
        tuple(universality.posts(mine, laid)), universality.posts(other, laid), "test"
    )


# ---- the measure ---------------------------------------------------------------------------------------------------


def test_a_model_whose_neurons_were_shuffled_is_the_same_and_another_seed_is_not(laid: Windows) -> None:
    model, other = random_model(seed=0), random_model(seed=1)
    same, found = _excess(model, _shuffled(model), laid), _excess(model, other, laid)
    np.testing.assert_allclose(same.sel(measure="best").values, 1, atol=1e-4)
    assert same.sel(measure="excess").values.min() > 0.1
    mine, theirs = (torch.cat(list(universality.posts(one, laid))).double().numpy() for one in (model, other))
    expected = np.corrcoef(mine, theirs)[:192, 192:].max(1).reshape(3, 64)
    np.testing.assert_allclose(found.sel(measure="best").values, expected, atol=1e-3)
    assert found.sel(measure="excess").values.mean() < same.sel(measure="excess").values.mean() - 0.3


def test_rotated_neurons_are_its_slow_twin(laid: Windows) -> None:
    """Layer by layer the other model's neurons are turned, then correlated one by one."""
    model, other = random_model(seed=0), random_model(seed=1)
    found = _excess(model, other, laid)
    mine = torch.cat(list(universality.posts(model, laid))).double().numpy()
    turned = [universality.rotation(64, k, "test").double() @ post.double()
              for k, post in enumerate(universality.posts(other, laid))]  # fmt: skip
    expected = np.corrcoef(mine, torch.cat(turned).numpy())[:192, 192:].max(1).reshape(3, 64)
    np.testing.assert_allclose(found.sel(measure="rotated").values, expected, atol=1e-3)


def test_a_rotation_keeps_lengths() -> None:
    turn = universality.rotation(40, "test")
    torch.testing.assert_close(turn @ turn.T, torch.eye(40), atol=1e-5, rtol=0)
    assert not torch.equal(turn, universality.rotation(40, "other"))


def test_of_a_planted_model_the_shared_half_is_found_and_the_other_is_not(laid: Windows) -> None:
    model, strange = random_model(seed=0), random_model(seed=1)
    mine = tuple(universality.posts(model, laid))
    shared = universality.shared_half(3, 64, "test")
    assert shared.sum(dim=1).tolist() == [32, 32, 32]
    mixed = universality.half_shared(mine, universality.posts(strange, laid), shared)
    best = universality.excess_correlation(mine, mixed, "test").sel(measure="best").values
    np.testing.assert_allclose(best[shared.numpy()], 1, atol=1e-4)
    assert best[~shared.numpy()].max() < 0.99


# ---- the experiment ------------------------------------------------------------------------------------------------


def _checkpoint(corpus: Corpus, seed: int, model: GPT | None = None, **changes) -> Checkpoint:
    vocabulary = corpus.vocabulary
    made = model or random_model(seed=seed, **(SHAPE | changes), vocab_size=len(vocabulary))
    return Checkpoint(made, vocabulary, training={"seed": seed}, sha256=str(seed))


def _subject(corpus: Corpus, *twins: Checkpoint, **changes) -> Subject:
    return Subject(_checkpoint(corpus, 0, **changes), corpus, "the model, seed 0", twins=twins)


def test_trainings_that_share_their_neurons_are_universal_and_strangers_are_not(
    excerpt: Corpus, tmp_path: Path
) -> None:
    """Two twins that are the model itself say all; two strangers say next to nothing."""
    experiment, mine = open_experiment("universality"), _checkpoint(excerpt, 0).model
    same = run_experiment(
        experiment, _subject(excerpt, *(_checkpoint(excerpt, s, mine) for s in (1, 2))), FEW, tmp_path
    )
    strange = run_experiment(experiment, _subject(excerpt, *(_checkpoint(excerpt, s) for s in (3, 4))), FEW, tmp_path)
    assert same.finding("universality.alike").verdict == "supported"
    assert strange.finding("universality.alike").verdict == "not supported"
    counts = [one.finding("universality.alike").evidence.facts["count"] for one in (same, strange)]
    assert counts[0] > 100
    assert counts[1] <= 1
    assert sum(sweep.values.nbytes for sweep in same.sweeps.values()) < 10 * same["shared"].values.size * 2
    assert same["excess"].sel(measure="best").values == pytest.approx(1, abs=1e-3)
    assert same["excess"].labels("twin") == ("seed 1", "seed 2")
    shared = same["shared"].values.astype(bool)
    alike = same["excess"].sel(measure="excess").values[0][shared]
    planted = same["planted"].sel(measure="excess").values[shared]
    assert np.abs(alike.astype(float) - planted).mean() < 0.05, (
        "a shared neuron is as visible whether its neighbours are shared or not"
    )
    assert experiment.judge(same.sweeps) == same.findings
    for result in (same, strange):
        for name, draw in experiment.drawable(result).items():
            save_figure(draw(result), tmp_path / f"{name}.png")


def test_features_of_the_same_model_are_found_again_and_those_of_strangers_are_not(
    excerpt: Corpus, tmp_path: Path
) -> None:
    """A twin that is the model itself has the very same dictionary; a stranger is no better than the untrained model."""
    mine = _checkpoint(excerpt, 0, n_layer=1)
    subject = Subject(
        mine,
        excerpt,
        "the model, seed 0",
        twins=(_checkpoint(excerpt, 1, mine.model), _checkpoint(excerpt, 2, n_layer=1)),
    )
    few = replace(FEW, latents=64, k=4, tokens=200_000, compared=4000)
    experiment = open_experiment("universality")
    result = run_experiment(experiment, subject, few, tmp_path)
    shares = dict(zip(result["features"].labels("against"), result["features"].values, strict=True))
    assert set(shares) == {"seed 1", "seed 2", AGAIN, UNTRAINED}
    assert shares["seed 1"] == pytest.approx(1, abs=1e-3)
    told = found_again(result.sweeps)
    assert told is not None
    assert told.features > 20
    assert shares[AGAIN].mean() > shares[UNTRAINED].mean() + 0.1
    assert abs(np.mean(shares["seed 2"] - shares[UNTRAINED])) < 0.15
    assert told.trainings == pytest.approx((1 + np.mean(shares["seed 2"] >= 0.5)) / 2)
    page = section(Study("quick", (result,)), "universality")
    assert "have a partner in a dictionary of another training" in page
    assert "universality_features.png" in page
    save_figure(experiment.drawable(result)["universality_features"](result), tmp_path / "features.png")
    assert found_again({}) is None


def test_the_twins_decide_the_key_and_a_model_without_any_keeps_its_own(excerpt: Corpus, tmp_path: Path) -> None:
    experiment = open_experiment("universality")
    one, other = (
        run_experiment(experiment, _subject(excerpt, _checkpoint(excerpt, seed)), FEW, tmp_path) for seed in (1, 2)
    )
    assert one.key != other.key
    assert one.finding("universality.alike").verdict == "too little data", "one other training gives no interval"
    alone = run_experiment(open_experiment("neurons"), _subject(excerpt), _FEW_NEURONS, tmp_path)
    assert "twins" not in alone.identity


_FEW_NEURONS = Neurons(
    characters=1000, select=1000, report=1000, shifts=20, least=10, examples=2, sample=50, ablated=1, cards=1,
    ablation_windows=2,
)  # fmt: skip


def test_what_is_no_other_training_is_refused_in_one_line(excerpt: Corpus, tmp_path: Path) -> None:
    experiment = open_experiment("universality")
    wider = _checkpoint(excerpt, 1, n_embd=32)
    cases = {
        "name their checkpoints with --twins": (),
        "another shape or vocabulary": (wider,),
        r"different seeds \(0, 0\)": (_checkpoint(excerpt, 0),),
        r"different seeds \(0, 1, 1\)": (_checkpoint(excerpt, 1), _checkpoint(excerpt, 1)),
        r"different seeds \(0, None\)": (replace(_checkpoint(excerpt, 1), training={}),),
    }
    for message, twins in cases.items():
        with pytest.raises(NanoscopeError, match=message):
            run_experiment(experiment, _subject(excerpt, *twins), FEW, tmp_path)
    with pytest.raises(NanoscopeError, match="attention-only, so it has no neurons"):
        run_experiment(experiment, _subject(excerpt, attention_only=True), FEW, tmp_path)


def test_the_page_tells_of_it_where_it_was_measured(excerpt: Corpus, tmp_path: Path) -> None:
    subject = _subject(excerpt, _checkpoint(excerpt, 1), _checkpoint(excerpt, 2))
    neurons = run_experiment(open_experiment("neurons"), replace(subject, twins=()), _FEW_NEURONS, tmp_path)
    twinned = run_experiment(open_experiment("universality"), subject, FEW, tmp_path)
    assert section(Study("quick", (neurons,)), "universality") == ""
    told = section(Study("quick", (neurons, twinned)), "universality")
    assert answers(open_experiment("universality").questions, twinned)[0].size in told
    assert "universality_neurons.png" in told
    assert "other weights" not in told
    others = [_checkpoint(excerpt, seed) for seed in (1, 2)]
    others[1] = replace(others[1], sha256="trained elsewhere", training={"seed": 2, "val_loss": 1.5})
    further = [
        run_experiment(
            open_experiment("neurons"), Subject(other, excerpt, f"the model, seed {i}"), _FEW_NEURONS, tmp_path
        )
        for i, other in enumerate(others, 1)
    ]
    told = section(Study("quick", (neurons, twinned, *further)), "universality")
    assert "and with seed 2 they ended in other weights" in told


# ---- the command, and the study ------------------------------------------------------------------------------------


def test_the_command_takes_twins_and_only_there(
    excerpt: Corpus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text.txt").write_text(excerpt.text)
    for seed in range(3):
        save(_checkpoint(excerpt, seed, n_layer=1), tmp_path / f"model-{seed}")
    common = ["--data", str(tmp_path / "text.txt"), "--threads", "1", "--out", str(tmp_path / "mine")]
    twins = ["--twins", str(tmp_path / "model-1"), str(tmp_path / "model-2")]
    model = str(tmp_path / "model-0")
    cli.main(["run", "universality", model, *common, *twins, "--characters", "1000", "--latents", "0"])
    assert "averaged over 2 trainings" in " ".join(capsys.readouterr().out.split())
    for arguments, message in (
        (["universality", model, *common], "name their checkpoints with --twins"),
        (["neurons", model, *common, *twins], "remove --twins"),
    ):
        with pytest.raises(SystemExit) as stop:
            cli.main(["run", *arguments])
        error = capsys.readouterr().err
        assert (stop.value.code, error.count("\n")) == (2, 1)
        assert message in error


def test_a_study_compares_its_first_training_with_those_that_it_has() -> None:
    study = STUDIES["published"]
    for seeds, expected in ((6, (2, 3, 4, 5)), (3, (2, 3)), (1, ())):
        planned = plan.plan_study(only(study, seeds)).stages
        found = [stage for stage in planned if stage.name.startswith("universality")]
        assert [stage.name for stage in found] == ["universality of shakespeare-cpu-1"] * bool(expected)
        for stage in found:
            assert isinstance(stage.work, stages.Analysis)
            assert [twin.recipe.seed for twin in stage.work.twins if twin.recipe] == list(expected)
            assert stage.needs == tuple(f"train shakespeare-cpu-{seed}" for seed in (1, *expected))


def test_a_study_trains_the_twins_first_and_compares_their_ends(excerpt: Corpus, tmp_path: Path) -> None:
    recipe = Recipe(
        GPTConfig(n_layer=1, n_head=2, n_embd=32, block_size=32),
        iterations=4,
        batch_size=2,
        checkpoint_every=4,
        dense_until=0,
    )
    first, *others = (
        Member(f"toy-{seed}", f"the toy model, seed {seed}", "model", replace(recipe, seed=seed), {})
        for seed in (1, 2, 3)
    )
    first = replace(first, twins=("toy-2", "toy-3"), experiments={"universality": FEW}, released=True)
    (result,) = run_study(StudyDesign("toy", (first, *others)), excerpt, tmp_path / "study", workers=1)
    ends = [load(tmp_path / "study" / "models" / f"toy-{seed}" / "final").sha256 for seed in (2, 3)]
    assert result.identity["twins"] == ends
    assert result.identity["checkpoint"] == load(tmp_path / "study" / "trained_models" / "toy-1").sha256
    assert [twin["seed"] for twin in result.subject.twins] == [2, 3]
    (again,) = run_study(StudyDesign("toy", (first, *others)), excerpt, tmp_path / "study", workers=1)
    assert (again.key, again.provenance) == (result.key, result.provenance), "what is there is used"
