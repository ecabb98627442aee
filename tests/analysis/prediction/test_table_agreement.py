"""A model beside n-gram tables: a plain restatement, a model that is a table, batches, and rare tokens."""

import numpy as np
import pytest
import torch
from conftest import random_model

from nanoscope.analysis.prediction import table_agreement
from nanoscope.interventions.run import run
from nanoscope.model.config import GPTConfig
from nanoscope.model.gpt import GPT
from nanoscope.planted.blank import blank
from nanoscope.text.ngrams import NGrams
from nanoscope.text.passages import Passages, passages
from nanoscope.text.tokenizer import tokenized
from nanoscope.text.vocabulary import Vocabulary

TEXT = "the cat sat on the mat, and the dog lay on the rug.\nwhere is the hat?\n" * 9
VOCABULARY = Vocabulary.of(TEXT)
TABLES = NGrams.fit(VOCABULARY.encode(TEXT[:300]).numpy(), len(VOCABULARY), 3)
HALF = slice(10, 20)


def _windows() -> Passages:
    return passages(tokenized(TEXT, VOCABULARY), 20, 8)


def bigram_model(tables: NGrams, context: int) -> GPT:
    """A model that is the table of bigrams: each token's embedding is read out as the log-probabilities after it."""
    symbols = tables.symbols
    shape = {"n_layer": 2, "n_head": 1, "n_embd": symbols, "block_size": context, "vocab_size": symbols}
    model = blank(GPTConfig(**shape, tied_head=False, norm="none", final_norm=False, attention_only=True))
    model.wte.weight.copy_(torch.eye(symbols))
    after = tables.distribution(np.arange(symbols)[:, None])[1][:, 0]
    model.lm_head.weight.copy_(torch.from_numpy(np.log(after)).float().T)
    return model


def test_it_is_what_a_plain_loop_finds() -> None:
    text, model = _windows(), random_model(vocab_size=len(VOCABULARY))
    found = table_agreement.over_text(model, TABLES, text, HALF)
    for window in (0, 7):
        p = run(model, text.tokens[window : window + 1]).logits[0].double().softmax(-1).numpy()
        known = TABLES.distribution(text.current[window].numpy())
        for order in range(3):
            pairs = [(known[order, place], p[place]) for place in range(10, 20)]
            forth = np.mean([(q * np.log(q / r)).sum() for q, r in pairs])
            back = np.mean([(r * np.log(r / q)).sum() for q, r in pairs])
            same = np.mean([q.argmax() == r.argmax() for q, r in pairs])
            np.testing.assert_allclose(found.ways[:, order, window], [forth, back, same], rtol=1e-4)
        right = text.targets[window, HALF].numpy()
        np.testing.assert_allclose(found.loss[window], -np.log(p[range(10, 20), right]), rtol=1e-4)
        np.testing.assert_allclose(
            found.table_loss[:, window], -np.log(np.take_along_axis(known[:, HALF], right[None, :, None], -1)[..., 0])
        )


def test_a_model_that_is_a_bigram_table_agrees_with_that_one_alone() -> None:
    text = _windows()
    found = table_agreement.over_text(bigram_model(TABLES, 20), TABLES, text, HALF)
    np.testing.assert_allclose(found.loss, found.table_loss[1], atol=1e-5)
    assert np.abs(found.ways[:2, 1]).max() < 1e-5
    np.testing.assert_array_equal(found.ways[2, 1], 1)
    assert found.ways[:2, [0, 2]].min() > 0.01


def test_places_and_windows_read_a_few_at_a_time_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    text, model = _windows(), random_model(vocab_size=len(VOCABULARY))
    whole = table_agreement.over_text(model, TABLES, text, HALF)
    monkeypatch.setattr(table_agreement, "at_a_time", lambda most, *_: max(1, most // 5))
    parts = table_agreement.over_text(model, TABLES, text, HALF)
    for name in ("loss", "table_loss", "ways"):
        np.testing.assert_allclose(getattr(parts, name), getattr(whole, name), rtol=1e-5, atol=1e-7)


def test_a_token_too_rare_for_float32_leaves_a_number() -> None:
    table = torch.tensor([[[1.0, 1e-60]]], dtype=torch.double)
    found = table_agreement._beside(table, torch.tensor([[[-50.0, 0.0]]]))
    np.testing.assert_allclose(found[:, 0, 0], [50, 60 * np.log(10), 0], rtol=1e-4)
