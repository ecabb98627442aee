"""Lenses: what they must equal at the last layer, what a planted translation is, and distances by hand."""

import numpy as np
import pytest
import torch
from conftest import random_model, random_tokens
from scipy.stats import entropy

from nanoscope.analysis.prediction import direct_attribution, logit_lens, table_distance
from nanoscope.errors import NanoscopeError
from nanoscope.interventions.run import run
from nanoscope.text.concepts import KINDS
from nanoscope.text.ngrams import NGrams
from nanoscope.text.passages import NAMES, Passages, passages, windows_to_fit
from nanoscope.text.tokenizer import tokenized
from nanoscope.text.vocabulary import Vocabulary

TEXT = ("A MAN:\nThe cat sat on the mat.\nThe cat sat on the hat.\n\nTWO:\nWhy?\n\n") * 6
VOCABULARY = Vocabulary.of(TEXT)


def _passages(context: int = 24, start: int | None = None, skip: int = 3) -> Passages:
    vocabulary = VOCABULARY if start is None else Vocabulary((*VOCABULARY.symbols, "<start>"), start)
    return passages(tokenized(TEXT, vocabulary), context, 12, skip)


def _model(**changes):
    return random_model(vocab_size=len(VOCABULARY) + 1, **changes)


# ---- passages --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("start", [None, len(VOCABULARY)])
def test_places_are_aligned_with_what_they_predict(start: int | None) -> None:
    text = _passages(start=start)
    model = _model()
    logits = text.read(run(model, text.tokens).logits)
    assert logits.shape[:2] == text.targets.shape
    for window, place in ((0, 0), (3, 5), (11, text.targets.shape[1] - 1)):
        before = text.text[window, : place + 1]
        alone = before if start is None else torch.cat([torch.tensor([start]), before])
        assert torch.allclose(model(alone[None])[0, -1], logits[window, place], atol=1e-4)


def test_kinds_are_those_of_the_predicted_character() -> None:
    text = _passages(context=40, skip=0)
    at = dict(zip(NAMES, text.members, strict=True))
    assert (sum(at[kind] for kind in KINDS) == 1).all()
    characters = np.array(list(VOCABULARY.symbols))[text.targets.numpy()]
    assert set(characters[at["speaker name"]]) <= set("A MANTWO")
    assert {"T", "W"} <= set(characters[at["line start"]])
    assert at["repeated passage"].any()
    assert np.array_equal(text.sums(np.ones_like(characters, dtype=float)), text.counts)


def test_skipped_places_belong_to_no_kind_and_short_contexts_are_refused() -> None:
    assert not _passages(skip=4).members[..., :4].any()
    with pytest.raises(NanoscopeError, match="too short"):
        _passages(context=4, skip=5)


def test_windows_to_fit_and_to_stop_by_share_nothing() -> None:
    fitted, held = windows_to_fit(torch.arange(5000), 50, 64, 16)
    assert fitted.shape[1] == held.shape[1] == 50
    assert not set(fitted.flatten().tolist()) & set(held.flatten().tolist())
    assert 3 < len(fitted) / len(held) < 6
    started, _ = windows_to_fit(torch.arange(5000), 50, 64, 16, start=7)
    assert started.shape[1] == 50
    assert (started[:, 0] == 7).all()


# ---- the logit lens --------------------------------------------------------------------------------------------------


def test_the_last_reading_is_the_model(variant) -> None:
    tokens = random_tokens(variant)
    assert torch.equal(logit_lens.lens_logits(variant, tokens)[-1], run(variant, tokens).logits)


def test_readings_by_hand() -> None:
    model, text = _model(), _passages()
    tables = NGrams.fit(VOCABULARY.encode(TEXT).numpy(), len(VOCABULARY) + 1, 3)
    read = logit_lens.over_text(model, text, model.unembed, tables)
    probs = text.read(logit_lens.lens_logits(model, text.tokens).movedim(0, 2)).softmax(-1).double().numpy()  # fmt: skip
    known = tables.distribution(text.current.numpy())
    kind = NAMES.index("within word")
    where = np.argwhere(text.members[kind])
    for layer in (0, 2):
        loss = sum(-np.log(probs[w, p, layer, text.targets[w, p]]) for w, p in where)
        kl = sum(entropy(probs[w, p, -1], probs[w, p, layer]) for w, p in where)
        near = sum(entropy(known[1, w, p], probs[w, p, layer]) for w, p in where)
        back = sum(entropy(probs[w, p, layer], known[1, w, p]) for w, p in where)
        sums = read.measures.sel(layer=layer, kind="within word")
        assert sums.sel(measure="loss").values.sum() == pytest.approx(loss, rel=1e-5)
        assert sums.sel(measure="kl").values.sum() == pytest.approx(kl, rel=1e-4)
        distances = read.distances.sel(n=2, layer=layer, kind="within word").values.sum(-1)
        assert distances == pytest.approx([near, back], rel=1e-4)
    assert read.measures.sel(layer=3, measure="kl").values == pytest.approx(0, abs=1e-6)
    assert np.array_equal(read.settled.values.sum(1), np.broadcast_to(text.counts, (3, *text.counts.shape)))


def test_settling_by_hand() -> None:
    holds = np.array([[0, 1, 1, 0], [1, 0, 1, 0], [1, 1, 1, 0]])
    assert logit_lens.settled(holds).tolist() == [1, 2, 0, 3]


def test_a_model_that_is_a_bigram_table_reads_as_one_at_every_layer() -> None:
    tokens, symbols = VOCABULARY.encode(TEXT), len(VOCABULARY)
    tables = NGrams.fit(tokens.numpy(), symbols, 4)
    bare = {"norm": "none", "final_norm": False, "tied_head": False, "n_embd": symbols, "n_head": 1}
    model = random_model(vocab_size=symbols, **bare)
    for parameter in model.parameters():
        parameter.zero_()
    pairs = np.stack([np.arange(symbols), np.arange(symbols)], axis=1)
    model.wte.weight.copy_(torch.eye(symbols))
    model.lm_head.weight.copy_(torch.from_numpy(tables.distribution(pairs)[1, :, 1]).log().T)
    read = logit_lens.over_text(model, _passages(), model.unembed, tables)
    distances = read.distances.sel(kind="all").values.sum(-1)
    assert np.abs(distances[:, 1]).max() < 1e-3
    assert (distances.argmin(axis=1) == 1).all()
    assert read.settled.sel(criterion="near", kind="all").values[1:].sum() == 0


def test_a_large_vocabulary_is_read_in_smaller_batches_with_the_same_result(monkeypatch: pytest.MonkeyPatch) -> None:
    model, text = _model(), _passages()
    tables = NGrams.fit(text.current.numpy().ravel(), model.config.vocab_size, 2)
    whole = logit_lens.over_text(model, text, model.unembed, tables)
    assert table_distance.windows_at_a_time(text, 65) == table_distance.WINDOWS
    monkeypatch.setattr(table_distance, "CELLS", 1)
    assert table_distance.windows_at_a_time(text, 65) == 2
    parts = logit_lens.over_text(model, text, model.unembed, tables)
    for name in ("measures", "settled", "distances", "counts"):
        assert np.allclose(getattr(parts, name).values, getattr(whole, name).values, atol=1e-3)


def test_a_layer_that_writes_nothing_can_be_exchanged() -> None:
    model, text = _model(), _passages()
    for part in (model.blocks[1].attn.c_proj, model.blocks[1].mlp.c_proj):
        part.weight.zero_()
    damage = logit_lens.damage_by_settling(model, text, model.unembed)
    totals = damage.values[:, :, 0].sum(1)
    assert np.abs(totals[1]).max() < 1e-4
    assert totals[2].min() > 0.01
    places = damage.sel(quantity="places").values.sum(1)
    assert np.array_equal(places, np.broadcast_to(text.counts[0], places.shape))


def test_along_a_sentence() -> None:
    model, tokens = _model(), VOCABULARY.encode("The cat sat")
    read = logit_lens.on_sentence(model, tokens, model.unembed, start=len(VOCABULARY))
    alone = model(torch.cat([torch.tensor([len(VOCABULARY)]), tokens])[None])[0, 1:].softmax(-1)
    assert np.array_equal(read.sel(measure="top", layer=3).values, alone.argmax(-1).numpy())
    following = alone[:-1].gather(-1, tokens[1:, None])[:, 0].numpy()
    assert read.sel(measure="next", layer=3).values[:-1] == pytest.approx(following, abs=1e-5)
    assert np.isnan(read.sel(measure="next").values[:, -1]).all()


# ---- direct attribution on text --------------------------------------------------------------------------------------


def test_direct_contributions_on_text_sum_to_the_logits(variant) -> None:
    model = random_model(**{**vars(variant.config), "vocab_size": len(VOCABULARY) + 1})
    text = _passages()
    found = direct_attribution.on_text(model, text)
    logits = text.read(run(model, text.tokens).logits)
    above = logits.gather(-1, text.targets[..., None])[..., 0] - logits.mean(-1)
    sums = text.sums(above.double().numpy())
    assert np.abs(found.contributions.values.sum(0) - sums).max() < 1e-3 * max(1, float(logits.abs().max()))
    assert found.unexplained < 1e-5
