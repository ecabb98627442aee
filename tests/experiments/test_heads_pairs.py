"""Composition of pairs that can compose beside pairs that cannot: both ends, no difference, and a model that composes."""

import numpy as np
import pytest
import torch
from conftest import random_model
from scipy.stats import binomtest

from nanoscope.analysis.attention import composition
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.heads.judge import pairs_that_can_compose
from nanoscope.experiments.heads.pairs import PairScores, best_of_all_ways, better_than_impossible, strongest
from nanoscope.experiments.heads.pairs import without_each_head as left_out
from nanoscope.model.folded import head_weights
from nanoscope.model.gpt import GPT

LAYERS, HEADS = 3, 4
AXES = ("way", "layer", "head", "later_layer", "later_head")


def _model(seed: int) -> GPT:
    return random_model(seed, n_layer=LAYERS, n_head=HEADS, n_embd=32, attention_only=True)


def _found(scores: np.ndarray) -> Sweep:
    """A composition sweep in which only K differs from 0."""
    return Sweep(np.stack([0 * scores, scores, 0 * scores]), AXES, "score", {"way": ("Q", "K", "V")})


def test_pairs_are_of_two_heads_and_the_first_below_the_second_in_those_that_can() -> None:
    """By hand: three layers of two heads, each score its pair's number."""
    scores = np.arange(36.0).reshape(3, 2, 3, 2)
    pairs = PairScores(scores)
    below = [scores[a, h, b, g] for a in range(3) for h in range(2) for b in range(3) for g in range(2) if a < b]
    rest = [
        scores[a, h, b, g]
        for a in range(3)
        for h in range(2)
        for b in range(3)
        for g in range(2)
        if a >= b and (a, h) != (b, g)
    ]
    assert pairs.possible.tolist() == below
    assert pairs.impossible.tolist() == rest
    assert (len(below), len(rest)) == (12, 18)
    wins = np.mean([(one > other) + 0.5 * (one == other) for one in below for other in rest])
    assert better_than_impossible(pairs) == pytest.approx(wins)


def test_without_a_head_none_of_its_pairs_count() -> None:
    scores = np.random.default_rng(0).random((LAYERS, HEADS, LAYERS, HEADS))
    each = left_out(PairScores(scores))
    keep = [i for i in range(LAYERS * HEADS) if i != 5]
    flat = scores.reshape(12, 12)[np.ix_(keep, keep)]
    layer = np.array(keep) // HEADS
    can, itself = layer[:, None] < layer[None], np.eye(11, dtype=bool)
    wins = np.mean(flat[can][:, None] > flat[~can & ~itself][None])
    assert each[5] == pytest.approx(wins)


def test_both_ends() -> None:
    possible = PairScores(np.zeros((LAYERS, HEADS, LAYERS, HEADS))).feeds
    assert pairs_that_can_compose({"composition": _found(possible.astype(float))}).value == 1
    assert pairs_that_can_compose({"composition": _found(1 - possible.astype(float))}).value == 0
    same = pairs_that_can_compose({"composition": _found(np.ones(possible.shape))})
    assert (same.value, same.null) == (0.5, 0.5)


def test_in_untrained_models_being_possible_tells_nothing() -> None:
    """The jackknife over heads covers 0.5 about as often as it says."""
    covered = 0
    for seed in range(30):
        found = composition.composition(head_weights(_model(seed)))
        low, high = pairs_that_can_compose({"composition": found}).interval
        covered += low <= 0.5 <= high
        assert low < 0.6, "the claim is not supported"
    assert binomtest(covered, 30, 0.95, "less").pvalue > 0.01


def test_a_model_whose_heads_read_those_below_is_seen() -> None:
    """Every head's keys read what all heads of lower layers write."""
    model = _model(0)
    written = torch.zeros(model.config.n_embd // HEADS, model.config.n_embd)
    for block in model.blocks:
        if block is not model.blocks[0]:
            for head in range(HEADS):
                block.attn.W_K[head].copy_(written.T)
        written = written + block.attn.W_O.sum(0)
    found = composition.composition(head_weights(model))
    evidence = pairs_that_can_compose({"composition": found})
    assert evidence.interval[0] >= 0.6
    assert all(" by K" in name for name, _ in strongest(found, 3))
    assert np.median(best_of_all_ways(found).possible) > np.median(best_of_all_ways(found).impossible)


@pytest.mark.parametrize("layers", [1, 2])
def test_too_few_heads_are_not_compared(layers: int) -> None:
    one = np.ones((layers, 1, layers, 1))
    assert pairs_that_can_compose({"composition": _found(one)}).instead == "not applicable"
