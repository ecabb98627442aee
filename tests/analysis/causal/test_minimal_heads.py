"""Taking heads out one by one: both ends, a slow twin, heads that cover for one another, one drawn head replaced by hand."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pytest
import torch
from conftest import random_model

from nanoscope.analysis.causal import minimal_heads
from nanoscope.analysis.causal.minimal_heads import Head, MeanHeads, all_heads, enough, order_of_removal, random_sets
from nanoscope.analysis.prediction import position_loss
from nanoscope.interventions.edits import Edit
from nanoscope.interventions.run import run
from nanoscope.model.gpt import GPT
from nanoscope.model.sites import Site
from nanoscope.tasks import metrics
from nanoscope.text.passages import Passages, passages
from nanoscope.text.tokenizer import tokenized
from nanoscope.text.vocabulary import Vocabulary

TEXT = "the cat sat on the mat, and the dog lay on the rug.\nwhere is the hat?\n" * 9
VOCABULARY = Vocabulary.of(TEXT)
SIX = all_heads(random_model().config)


def _windows() -> tuple[Passages, torch.Tensor]:
    text = passages(tokenized(TEXT, VOCABULARY), 20, 12)
    return text[1::2], text[0::2].tokens


@pytest.fixture(scope="module")
def heads() -> MeanHeads:
    return MeanHeads.of(random_model(vocab_size=len(VOCABULARY)), _windows()[1])


def _slow_order(every: Sequence[Head], cost: minimal_heads.Cost) -> list[Head]:
    """Every candidate measured anew in every round."""
    removed: list[Head] = []
    while len(removed) < len(every):
        left = [head for head in every if head not in removed]
        costs = cost([[*removed, head] for head in left])
        removed.append(min(zip(costs.tolist(), left, strict=True))[1])
    return removed


def test_keeping_all_heads_is_the_model_and_keeping_none_is_taking_all_out(heads: MeanHeads) -> None:
    text, _ = _windows()
    found = heads.keeping(text, [SIX, ()])
    assert np.abs(found[0]).max() == 0
    np.testing.assert_allclose(found[1], heads.without(text, [SIX])[0])
    assert np.abs(found[1]).max() > 0.01


def test_a_drawn_head_costs_what_a_run_with_its_mean_by_hand_costs(heads: MeanHeads) -> None:
    """The prediction of the search's numbers by an intervention: the mean taken over runs, the loss of one plain run."""
    text, reference = _windows()
    model, (layer, head) = heads.model, SIX[int(np.random.default_rng(7).integers(len(SIX)))]
    site = Site("z", layer, head=head)
    by_hand = torch.stack([run(model, one[None], keep=["z"]).cache[site][0] for one in reference]).mean(0)
    logits = run(model, text.tokens, [Edit(site, by_hand)]).logits
    expected = -metrics.chosen(metrics.log_probs(logits), text.targets).double().numpy().mean(1)
    found = heads.without(text, [[(layer, head)]])[0]
    np.testing.assert_allclose(found, expected - position_loss.of_model(model, text).mean(1), atol=1e-4)


def test_the_search_on_a_model_takes_every_head_once_and_begins_with_the_cheapest(heads: MeanHeads) -> None:
    text, _ = _windows()
    order = heads.order_of_removal(text)
    assert sorted(order) == list(SIX)
    assert order[0] == SIX[int(heads.without(text, [[head] for head in SIX]).mean(1).argmin())]


def test_where_heads_are_missed_no_less_when_others_are_gone_it_is_the_full_search() -> None:
    """A set's cost is convex in its weight: what a head adds only grows."""
    for seed in range(20):
        weight = dict(zip(SIX, np.random.default_rng(seed).exponential(size=len(SIX)), strict=True))

        def cost(sets: Sequence[Sequence[Head]], weight: dict[Head, float] = weight) -> np.ndarray:
            return np.array([sum(weight[head] for head in heads) ** 2 for heads in sets])

        assert list(order_of_removal(SIX, cost)) == _slow_order(SIX, cost)


def test_of_heads_that_cover_for_one_another_one_is_kept() -> None:
    """Three copies, any of which is enough: alone none costs anything, and yet they do not go all at once."""
    copies = set(SIX[1:4])

    def cost(sets: Sequence[Sequence[Head]]) -> np.ndarray:
        return np.array([1.0 * (copies <= set(heads)) + 0.001 * len(heads) for heads in sets])

    order = order_of_removal(SIX, cost)
    assert order[-1] in copies
    assert len(copies & set(order[:2])) >= 1
    nested = cost([order[: len(order) - kept] for kept in range(len(order) + 1)])
    assert enough(nested, 0.1) == 1


def test_it_measures_fewer_sets_than_the_full_search() -> None:
    heads, measured = [(0, head) for head in range(40)], []

    def cost(sets: Sequence[Sequence[Head]]) -> np.ndarray:
        measured.extend(sets)
        return np.array([sum(1.1**head for _, head in heads) for heads in sets])

    assert [head for _, head in order_of_removal(heads, cost)] == list(range(40))
    assert len(measured) < 40 + 40 * minimal_heads.TOGETHER < 40 * 41 / 2


def test_enough_is_the_least_number_from_which_on_nothing_is_lost() -> None:
    assert enough(np.array([1.0, 0.3, 0.05, 0.0]), 0.1) == 2
    assert enough(np.array([1.0, 0.05, 0.3, 0.0]), 0.1) == 3, "a larger set of the search that loses more counts"
    assert enough(np.array([0.0, 0.0]), 0.0) == 0
    assert enough(np.array([0.4, 0.2, 0.2]), 0.1) == 3


def test_random_sets_have_their_sizes_and_are_drawn_by_name() -> None:
    found = random_sets(SIX, (1, 3, 6), 5, "a test")
    assert [[len(one) for one in of_size] for of_size in found] == [[1] * 5, [3] * 5, [6] * 5]
    assert found == random_sets(SIX, (1, 3, 6), 5, "a test") != random_sets(SIX, (1, 3, 6), 5, "another")
    assert set(found[1]) <= set(combinations(SIX, 3))
    assert found[2][0] == SIX


def test_every_kind_of_model_is_searched(variant: GPT) -> None:
    letters = "".join(map(chr, torch.randint(97, 97 + 13, (400,), generator=torch.Generator().manual_seed(1)).tolist()))
    text = passages(tokenized(letters, Vocabulary(tuple(map(chr, range(97, 110))))), 16, 4)
    order = MeanHeads.of(variant, text[0::2].tokens).order_of_removal(text[1::2])
    assert sorted(order) == list(all_heads(variant.config))
