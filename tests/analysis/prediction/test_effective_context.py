"""Effective context and the loss by position: a slow twin, both ends, and a head whose reach is known."""

import numpy as np
import pytest
import torch
from conftest import random_model

from nanoscope.analysis.prediction import effective_context, position_loss
from nanoscope.errors import NanoscopeError
from nanoscope.interventions.run import run
from nanoscope.model.gpt import GPT
from nanoscope.planted.single_head import planted_head
from nanoscope.text.ngrams import NGrams
from nanoscope.text.passages import Passages, passages
from nanoscope.text.tokenizer import tokenized
from nanoscope.text.vocabulary import Vocabulary

TEXT = "the cat sat on the mat, and the dog lay on the rug.\nwhere is the hat?\n" * 9
VOCABULARY = Vocabulary.of(TEXT)
STARTED = Vocabulary((*VOCABULARY.symbols, "<start>"), len(VOCABULARY))


def _passages(vocabulary: Vocabulary = VOCABULARY, context: int = 24, windows: int = 12) -> Passages:
    return passages(tokenized(TEXT, vocabulary), context, windows)


def _slow_loss(model: GPT, tokens: torch.Tensor, target: int) -> float:
    return -float(run(model, tokens[None]).logits[0, -1].log_softmax(-1)[target])


@pytest.mark.parametrize("vocabulary", [VOCABULARY, STARTED])
def test_a_cut_is_a_run_on_the_last_tokens_alone(vocabulary: Vocabulary) -> None:
    text, model = _passages(vocabulary), random_model(vocab_size=len(STARTED))
    at = np.array([12, 15, 22])
    found = effective_context.of_cut(model, text, at, 4, vocabulary.start)
    for window, place in ((0, 0), (5, 1), (11, 2)):
        last = text.text[window, at[place] - 3 : at[place] + 1]
        before = last if vocabulary.start is None else torch.cat([torch.tensor([vocabulary.start]), last])
        assert found[window, place] == pytest.approx(
            _slow_loss(model, before, int(text.text[window, at[place] + 1])), abs=1e-4
        )


@pytest.mark.parametrize("vocabulary", [VOCABULARY, STARTED])
def test_a_cut_to_everything_is_no_cut(vocabulary: Vocabulary) -> None:
    text, model = _passages(vocabulary), random_model(vocab_size=len(STARTED))
    last = text.targets.shape[1] - 1
    found = effective_context.of_cut(model, text, np.array([last]), last + 1, vocabulary.start)
    np.testing.assert_allclose(found[:, 0], position_loss.of_model(model, text)[:, last], atol=1e-4)


def test_the_cost_is_the_mean_over_the_places_of_a_window() -> None:
    text, model = _passages(), random_model(vocab_size=len(VOCABULARY))
    found = effective_context.cost_of_cuts(model, text, most_tokens=12 * 5 * 4)
    assert found.cost.labels("context") == (1, 2, 3, 4, 5, 8)
    assert found.places == (144, 120, 72, 60, 48, 24)
    at = effective_context.spread_places(24, 5)
    expected = effective_context.of_cut(model, text, at, 4) - position_loss.of_model(model, text)[:, at]
    np.testing.assert_allclose(found.cost.sel(context=4).values, expected.mean(1))


def _three_back() -> GPT:
    """Predicts from the token three back alone."""
    model = planted_head("3 back", VOCABULARY.symbols, 24)
    attn, symbols = model.blocks[0].attn, len(VOCABULARY)
    attn.W_V[0].copy_(torch.eye(model.config.n_embd))
    attn.W_O[0].copy_(torch.eye(model.config.n_embd))
    model.lm_head.weight[:, :symbols] = 2 * torch.randn(symbols, symbols, generator=torch.Generator().manual_seed(0))
    return model


def test_a_head_that_looks_three_back_needs_four_tokens() -> None:
    found = effective_context.cost_of_cuts(_three_back(), _passages()).cost
    for length, costs in zip(found.labels("context"), found.values, strict=True):
        assert (np.abs(costs).max() < 1e-4) == (length >= 4), length


def test_places_lie_in_the_second_half_and_windows_too_small_to_cut_are_refused() -> None:
    assert effective_context.spread_places(24, 100).tolist() == list(range(12, 24))
    assert effective_context.spread_places(24, 1).tolist() == [12]
    assert effective_context.cuts(129) == (1, 2, 3, 4, 5, 8, 16, 32, 64)
    with pytest.raises(NanoscopeError, match="no context that could be cut"):
        effective_context.cost_of_cuts(random_model(vocab_size=len(VOCABULARY)), _passages(context=1))


def test_the_tables_see_what_the_model_sees() -> None:
    """A table's loss at a position is that of its distribution after the tokens up to there."""
    text = _passages(STARTED)
    tables = NGrams.fit(VOCABULARY.encode(TEXT[:300]).numpy(), len(STARTED), 3)
    losses = position_loss.of_tables(tables, text)
    assert losses.shape == (3, *text.targets.shape)
    known = tables.distribution(text.current.numpy())
    expected = -np.log(np.take_along_axis(known, text.targets.numpy()[None, ..., None], axis=-1))[..., 0]
    np.testing.assert_allclose(losses, expected)
