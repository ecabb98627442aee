"""The experiment on circuits: a planted circuit is found and passes, an untrained model has none, numbers give the verdicts."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import random_model

from nanoscope.analysis.circuits.scores import exact_scores
from nanoscope.checkpoints.checkpoint import Checkpoint, save
from nanoscope.errors import NanoscopeError
from nanoscope.evidence.answer import answers
from nanoscope.evidence.result import Result
from nanoscope.evidence.subject import StoredSubject
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments import open_experiment
from nanoscope.experiments.circuits.facts import missing, reach, stability
from nanoscope.experiments.circuits.setting import Params, setting_of
from nanoscope.experiments.circuits.stored import exact, main_task, mean_shares
from nanoscope.experiments.circuits.truth import truth
from nanoscope.experiments.experiment import Subject
from nanoscope.experiments.following import spaced
from nanoscope.experiments.measuring import Sweeps
from nanoscope.text.corpora import Corpus

FEW = Params(
    examples=6, random_circuits=10, acdc_examples=2, learned_steps=5, pair_examples=6, scrubbing_draws=3, checkpoints=2
)
PLANTED = {"embed->L0H0.v", "L0H0->L1H0.k", "embed->L1H0.v", "L1H0->logits"}
EXPERIMENT = open_experiment("circuits")


@pytest.fixture(scope="module")
def letters() -> Corpus:
    """Random letters: nothing can be learned from them, and none of the mined tasks is in them."""
    rng = np.random.default_rng(0)
    return Corpus("letters", "".join(chr(ord("a") + n) for n in rng.integers(0, 26, 60_000)))


@pytest.fixture(scope="module")
def found(small_planted: Checkpoint, letters: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Sweeps:
    """The experiment on the planted model, whose training is said to have begun at random weights."""
    folder = tmp_path_factory.mktemp("training")
    config = small_planted.model.config
    first = random_model(n_layer=2, n_head=2, n_embd=config.n_embd, block_size=33, vocab_size=27)
    history = {0: folder / "0", 100: folder / "100"}
    save(Checkpoint(first, small_planted.vocabulary), history[0])
    save(small_planted, history[100])
    subject = Subject(small_planted, letters, "planted", history=history)
    return EXPERIMENT.measure(subject, FEW)


def _judged(sweeps: Sweeps) -> dict[str, str]:
    return {finding.id.partition(".")[2]: finding.verdict for finding in EXPERIMENT.judge(sweeps)}


def test_the_planted_circuit_is_found_and_passes_every_test(found: Sweeps) -> None:
    assert main_task(found) == "induction"
    assert found["size"].sel(task="induction").values.tolist() == [4, 4]
    shares = mean_shares(found, "induction")
    assert set(sorted(shares, key=lambda e: -shares[e])[:4]) == PLANTED
    verdicts = _judged(found)
    assert {name for name, verdict in verdicts.items() if verdict == "supported"} == {"faithful", "textbook", "small"}
    assert verdicts["own"] == "not applicable"
    assert missing(found).most == pytest.approx(0, abs=0.01)
    assert reach(found) == {}, "random letters have no places that differ at one distance only"


def test_exact_effects_and_acdc_find_every_edge_of_the_plain_models(found: Sweeps) -> None:
    """Where attention is saturated gradients at the clean text miss some; averaged over embeddings they miss none."""
    known = truth(("plain", "rotated", "plain, saturated"))
    table = known["truth"].sel(measure="AUROC")
    for model in table.labels("model"):
        for method in ("exact", "acdc", "eap-ig"):
            assert float(table.sel(model=model, method=method).values) == 1.0, (model, method)
    assert float(table.sel(model="plain, saturated", method="eap").values) < 0.9
    assert EXPERIMENT.figures["circuits_known"](Result("circuits", {}, StoredSubject("planted"), known)).axes


def test_an_untrained_model_does_no_task(letters: Corpus) -> None:
    model = random_model(n_layer=1, n_head=1, block_size=33, vocab_size=26)
    subject = Subject(Checkpoint(model, letters.vocabulary), letters, "untrained")
    sweeps = EXPERIMENT.measure(subject, replace(FEW, acdc_examples=0))
    assert "scrubbed" not in sweeps
    assert set(_judged(sweeps).values()) == {"not applicable"}


def test_the_circuit_formed_when_the_weights_changed(found: Sweeps) -> None:
    effects = np.abs(found["training"].values.mean(-1))
    assert found["training"].labels("step") == (0, 100)
    assert effects[1].min() > 3 * effects[0].max()


def test_searches_find_the_same_circuit_in_other_ways(found: Sweeps) -> None:
    searches = found["searches"]
    for name in ("best exact", "largest exact", "greedy", "learned", "acdc", "acdc, other order"):
        assert searches.sel(search=name, measure="faithfulness").values == pytest.approx(1, abs=0.01), name
    assert found["overlaps"].sel(search="acdc", other="acdc, other order").values == 1


def test_a_bootstrap_of_equal_examples_gives_one_circuit_and_one_of_noise_does_not(found: Sweeps) -> None:
    effects = found["effects_by_example"]
    noise = np.random.default_rng(0).standard_normal(effects.values.shape)
    loud = {**found, "effects_by_example": replace(effects, values=noise)}
    assert stability(found) == (1, 4, 4)
    assert stability(loud).overlap < 0.5


def test_stored_scores_are_the_measured_ones(found: Sweeps, small_planted: Checkpoint, letters: Corpus) -> None:
    subject = Subject(small_planted, letters, "planted")
    task = setting_of(subject, FEW).select["induction"]
    np.testing.assert_allclose(
        exact(found, "induction").values, exact_scores(small_planted.model, task).values, atol=1e-5
    )


def test_verdicts_follow_the_numbers(found: Sweeps) -> None:
    """A circuit that keeps half is not faithful; tasks that lose as much without another's circuit share their edges."""
    nothing = found["ends"].sel(task="induction", end="nothing").values
    whole = found["ends"].sel(task="induction", end="model").values
    half = replace(found["circuit"], values=((nothing + whole) / 2)[None])
    assert _judged({**found, "circuit": half})["faithful"] == "not supported"
    both = {"circuit": ("induction", "b"), "task": ("induction", "b")}
    clear = Sweep(np.array([True, True]), ("task",), "whether", {"task": both["task"]})
    shared = Sweep(np.ones((2, 2)), ("circuit", "task"), "share", both)
    assert _judged({**found, "clear": clear, "lost": shared})["own"] == "not supported"
    apart = replace(shared, values=np.eye(2))
    assert _judged({**found, "clear": clear, "lost": apart})["own"] == "supported"
    unclear = replace(clear, values=np.array([True, False]))
    assert _judged({**found, "clear": unclear, "lost": apart})["own"] == "not applicable"


def test_answers_say_yes_where_a_student_would(found: Sweeps) -> None:
    result = Result("circuits", {}, StoredSubject("planted"), found, EXPERIMENT.judge(found))
    said = {answer.claim: answer for answer in answers(EXPERIMENT.questions, result)}
    assert said["circuits.faithful"].reply == "yes"
    assert "4 of 46 edges keep 100 % of the task induction" in said["circuits.faithful"].size
    assert said["circuits.small"].reply == "yes"


def test_figures_are_drawn_of_what_is_there(found: Sweeps) -> None:
    result = Result("circuits", {}, StoredSubject("planted"), found, EXPERIMENT.judge(found))
    drawn = EXPERIMENT.drawable(result)
    assert set(EXPERIMENT.figures) - set(drawn) == {"circuits_known"}, "the known circuits were not measured here"
    for draw in drawn.values():
        assert draw(result).axes


def test_a_model_whose_stream_is_no_sum_is_refused(letters: Corpus) -> None:
    model = random_model(n_layer=1, n_head=1, block_size=33, vocab_size=26, norm_position="post")
    with pytest.raises(NanoscopeError, match="its residual stream is no sum"):
        EXPERIMENT.measure(Subject(Checkpoint(model, letters.vocabulary), letters, "post"), FEW)


def test_checkpoints_are_spread_evenly() -> None:
    assert spaced([0, 5, 10], 5) == (0, 5, 10)
    assert spaced([], 5) == ()
    chosen = spaced([0, *range(10, 1001, 10)], 5)
    assert chosen == (0, 250, 500, 750, 1000)
