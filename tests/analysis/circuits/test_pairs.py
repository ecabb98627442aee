"""Pairs of nodes: exact beside plain runs, nothing where the model is linear, and the planted backups and chains."""

from typing import get_args

import numpy as np
import pytest
import torch
from conftest import VARIANTS, random_model, random_tokens

from nanoscope.analysis.circuits.pairs import Off, Pair, PairEffects, pair_effects, readings
from nanoscope.errors import NanoscopeError
from nanoscope.interventions.edits import mean, patch
from nanoscope.interventions.run import run
from nanoscope.model.gpt import GPT
from nanoscope.model.sites import Site
from nanoscope.planted.induction import Planted, planted_induction
from nanoscope.tasks import synthetic
from nanoscope.tasks.metrics import Metric, accuracy, logit_diff, loss, read
from nanoscope.tasks.task import Task
from nanoscope.text.vocabulary import Vocabulary


def _task(model: GPT) -> Task:
    clean, other = random_tokens(model, 3, 9, 1), random_tokens(model, 3, 9, 2)
    return Task(clean, other, torch.full((3, 1), 3), torch.full((3, 1), 7), torch.full((3, 1), 8))


@pytest.mark.parametrize("off", get_args(Off))
@pytest.mark.parametrize("name", ["gpt2", "pythia", "post_norm"])
def test_every_pair_is_a_plain_run_with_both_off(name: str, off: Off) -> None:
    model = random_model(**VARIANTS[name])
    task = _task(model)
    sites = {"L0H1": Site("z", 0, head=1), "L1H0": Site("z", 1, head=0), "L1H1": Site("z", 1, head=1)}
    sites |= {"MLP1": Site("mlp_out", 1)}
    cache = run(model, task.corrupt, keep=["z", "mlp_out"]).cache
    found = pair_effects(model, task, list(sites), off)
    for a, one in enumerate(sites.values()):
        for b, other in enumerate(sites.values()):
            edits = [patch(site, cache) if off == "corrupt" else mean(site, cache) for site in {one, other}]
            expected = logit_diff(read(run(model, task.clean, edits).logits, task), task).numpy() - found.clean
            np.testing.assert_allclose(found.values[a, b], expected, atol=1e-4)
    assert np.abs(found.interaction).max() > 0.01


def test_in_a_linear_model_nothing_interacts() -> None:
    """One layer of heads that write straight to the logits, without a norm: effects add."""
    model = random_model(n_layer=1, n_head=4, norm="none", final_norm=False, attention_only=True)
    found = pair_effects(model, _task(model))
    assert found.nodes == ("L0H0", "L0H1", "L0H2", "L0H3")
    assert np.abs(found.alone).max() > 0.05
    assert np.abs(found.interaction).max() < 1e-5 * np.abs(found.alone).max()


def _of(pairs: tuple[Pair, ...]) -> dict[tuple[str, str], Pair]:
    return {pair.nodes: pair for pair in pairs}


def _planted() -> tuple[GPT, Task]:
    planted = planted_induction(Vocabulary(tuple("abcdefghijklmnop")), Planted(context=24))
    return planted.model, synthetic.copy_task(torch.arange(16), 8, 6, "pairs", start=planted.known_vocabulary.start)


@pytest.mark.parametrize("metric", [logit_diff, loss, accuracy])
def test_the_two_heads_of_the_planted_circuit_are_a_chain(metric: Metric) -> None:
    pairs = _of(readings(pair_effects(*_planted(), metric=metric)))
    chain = pairs.pop(("L0H0", "L1H0"))
    assert chain.reading == "chain"
    np.testing.assert_allclose((*chain.alone, chain.both, chain.interaction), (1, 1, 1, -1), atol=1e-3)
    assert {pair.reading for pair in pairs.values()} == {"independent"}
    assert max(abs(pair.interaction) for pair in pairs.values()) < 1e-6


@pytest.mark.parametrize("share", [1.0, 0.5])
@pytest.mark.parametrize("metric", [logit_diff, loss, accuracy])
def test_two_copies_of_the_induction_head_are_a_backup_pair(metric: Metric, share: float) -> None:
    """Whether each writes all or half: the answer's logit leads by far and the final norm is saturated by it, so that one
    copy alone does nearly all that both do."""
    model, task = _planted()
    attn = model.blocks[1].attn
    for weight in (attn.W_Q, attn.W_K, attn.W_V):
        weight[1] = weight[0]
    attn.W_O[0] *= share
    attn.W_O[1] = attn.W_O[0]
    pairs = readings(pair_effects(model, task, metric=metric))
    assert (pairs[0].nodes, pairs[0].reading) == (("L1H0", "L1H1"), "backup")
    assert max(pairs[0].alone) < 0.1
    assert pairs[0].both == pytest.approx(1, abs=1e-3)
    assert {pair.reading for pair in pairs[1:]} == {"independent"}


# ---- readings of numbers ---------------------------------------------------------------------------------------------


def _reading(alone: tuple[float, float], both: float, noise: float = 0.0, examples: int = 40) -> str:
    """Two nodes with these shares of a whole effect of -2, and noise between examples."""
    drawn = np.random.default_rng(0).normal(size=(2, 2, examples)) * noise
    drawn = drawn - drawn.mean(-1, keepdims=True)
    values = -2 * (np.array([[alone[0], both], [both, alone[1]]])[..., None] + drawn)
    return readings(PairEffects(("a", "b"), "corrupt", values, np.full(examples, 3.0), np.full(examples, 1.0)))[
        0
    ].reading


@pytest.mark.parametrize(
    ("alone", "both", "reading"),
    [
        ((0.3, 0.4), 0.72, "independent"),
        ((0.0, 0.0), 0.05, "independent"),
        ((0.02, 0.05), 0.9, "backup"),
        ((0.4, 0.4), 1.0, "backup"),
        ((0.9, 0.8), 0.95, "chain"),
        ((0.5, 0.5), 0.7, "other"),
        ((-0.5, -0.5), -0.5, "other"),
        ((0.5, -0.3), 0.5, "other"),
    ],
)
def test_pairs_are_read_by_what_both_cost(alone: tuple[float, float], both: float, reading: str) -> None:
    assert _reading(alone, both) == reading
    assert _reading(alone, both, noise=0.03) == reading
    assert _reading(alone, both, noise=3.0) == "cannot tell"
    assert _reading(alone, both, examples=4) == "cannot tell"


def test_without_an_effect_there_is_nothing_to_share() -> None:
    model = random_model()
    task = _task(model)
    found = pair_effects(model, Task(task.clean, task.clean, task.answer, task.wrong, task.positions), ["L0H0", "MLP2"])
    assert not found.values.any()
    with pytest.raises(NanoscopeError, match="the metric is the same in the clean and the corrupt run"):
        readings(found)
    with pytest.raises(NanoscopeError, match="names no component"):
        pair_effects(model, task, ["embed"])
