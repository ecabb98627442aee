"""The tuned lens: what it is at both ends, a model whose lens is known, when its fit ends, and that it fits in memory."""

import numpy as np
import pytest
import torch
from conftest import random_model, random_tokens
from torch import Tensor

from nanoscope.analysis.prediction import logit_lens, tuned_lens
from nanoscope.analysis.prediction.tuned_lens import CUTS, Fit, Settings, collect, cuts, fit, identity, kl
from nanoscope.interventions.run import residual_streams, run
from nanoscope.model.gpt import GPT

QUICK = Settings(steps=500, batch=256, rate=5e-3)


def _affine(seed: int = 0) -> GPT:
    """A model of two layers that each map the stream affinely: heads write nothing, and GELU, far to the right of 0, passes
    what it is given. So the stream at every layer is a known affine image of the final one."""
    torch.manual_seed(seed)
    model = random_model(n_layer=2, n_embd=16, norm="none", bias=True, tied_head=False, vocab_size=11)
    model.lm_head.weight.mul_(5)
    for block in model.blocks:
        block.attn.c_proj.weight.zero_()
        block.attn.c_proj.bias.zero_()
        block.mlp.c_fc.weight.mul_(0.15 / block.mlp.c_fc.weight.std())
        block.mlp.c_proj.weight.mul_(0.15 / block.mlp.c_proj.weight.std())
        block.mlp.c_fc.bias.fill_(20.0)
        block.mlp.c_proj.bias.copy_(0.1 - block.mlp.c_proj.weight @ torch.full((64,), 20.0))
    return model


def _attending(seed: int = 0) -> GPT:
    """The same with heads that write: what they bring from other positions is not in a position's own stream."""
    model, other = _affine(seed), random_model(n_layer=2, n_embd=16, norm="none", bias=True, vocab_size=11)
    for block, loud in zip(model.blocks, other.blocks, strict=True):
        block.attn.c_proj.weight.copy_(4 * loud.attn.c_proj.weight)
    return model


def _texts(model: GPT) -> tuple[Tensor, Tensor]:
    """Streams of some random texts, and of others."""
    tokens = random_tokens(model, 96, 16)
    return collect(model, tokens[:64]), collect(model, tokens[64:])


# ---- both ends -------------------------------------------------------------------------------------------------------


def test_before_any_step_it_is_the_logit_lens(variant) -> None:
    streams = residual_streams(variant, random_tokens(variant))
    assert torch.equal(identity(variant).lens(variant)(streams), variant.unembed(streams))
    train = collect(variant, random_tokens(variant))
    found = fit(variant, train, train, Settings(steps=0), "none")
    assert (found.steps, found.stopped) == (0, False)
    assert torch.equal(found.translation.lens(variant)(streams), variant.unembed(streams))


def test_the_last_reading_is_the_model_whatever_was_fitted() -> None:
    model = random_model()
    tokens = random_tokens(model)
    found = fit(model, collect(model, tokens), collect(model, tokens), Settings(steps=20, batch=16, rate=0.1), "any")
    lens = found.translation.lens(model)
    assert torch.equal(lens(residual_streams(model, tokens))[-1], run(model, tokens).logits)


def test_what_is_collected_is_what_the_model_does() -> None:
    model, tokens = random_model(), random_tokens(random_model(), 20, 8)
    found = collect(model, tokens)
    assert torch.allclose(found, residual_streams(model, tokens).flatten(1, 2), atol=1e-5)
    assert torch.allclose(model.unembed(found[-1]), run(model, tokens).logits.flatten(0, 1), atol=1e-4)


# ---- planted answers -------------------------------------------------------------------------------------------------


def test_the_lens_of_a_model_of_affine_layers_is_recovered() -> None:
    model = _affine()
    train, held = _texts(model)
    inner = torch.column_stack([held[0], torch.ones(held.shape[1])])
    assert (inner @ torch.linalg.lstsq(inner, held[-1]).solution - held[-1]).abs().max() < 1e-3, "planted as said"
    found = fit(model, train, held, QUICK, "planted")
    before, after = found.course.values[0], kl(model, found.translation, held).mean(-1).numpy()
    assert before.min() > 0.05
    assert after.max() < 1e-3
    assert after == pytest.approx(found.course.values.min(0), rel=1e-3, abs=1e-7)


def test_what_comes_from_other_positions_is_not_recovered() -> None:
    model = _attending()
    train, held = _texts(model)
    found = fit(model, train, held, QUICK, "attending")
    assert found.course.values.min(0).min() > 0.02


def test_a_model_whose_layers_write_nothing_needs_no_lens() -> None:
    model = random_model()
    for block in model.blocks:
        block.attn.c_proj.weight.zero_()
        block.mlp.c_proj.weight.zero_()
    train = collect(model, random_tokens(model))
    found = fit(model, train, train, Settings(batch=16), "nothing")
    assert found.stopped
    assert np.abs(found.course.values[0]).max() < 1e-6
    assert found.course.values.min(0) == pytest.approx(0, abs=1e-6)


# ---- when a fit ends -------------------------------------------------------------------------------------------------


def test_the_rate_is_cut_where_looks_bring_no_fall() -> None:
    falling = 0.9 ** np.arange(10.0)[:, None]
    flat = np.ones((10, 1))
    assert cuts(falling, 2) == 0
    assert cuts(flat, 2) == 4
    assert cuts(flat, 3) == 3
    assert cuts(np.concatenate([falling, np.full((4, 1), falling.min())]), 2) == 2
    assert cuts(np.array([[1.0], [1.1], [0.5], [0.6], [0.5]]), 2) == 1, "a rise is no fall, and neither is a return"
    creeping = 0.999 ** np.arange(10.0)[:, None]
    assert cuts(creeping, 2) == 4
    small = np.column_stack([flat, np.where(np.arange(10) < 5, falling[:, 0], falling[4, 0])])
    assert cuts(0.001 * small, 2) == cuts(small, 2) == 2, "every layer counts alike, however small its KL"
    assert cuts(np.zeros((5, 2)), 2) == 2


def test_a_fit_says_whether_the_kl_had_stopped_falling() -> None:
    model = _affine()
    train, held = _texts(model)
    short = fit(model, train, held, Settings(steps=40, batch=64, every=20), "short")
    assert (short.steps, short.stopped) == (40, False)
    assert short.course.labels("look") == (0, 20, 40)
    still = fit(model, train, held, Settings(batch=64, every=5, rate=1e-9), "still")
    assert (still.steps, still.stopped) == (5 * Settings().patience * (CUTS + 1), True)
    odd = fit(model, train, held, Settings(steps=30, batch=64, every=20), "odd")
    assert odd.course.labels("look") == (0, 20, 30)


def test_the_kept_translation_is_never_worse_than_none() -> None:
    model = _attending()
    train, held = _texts(model)
    wild = fit(model, train, held, Settings(steps=8, batch=64, rate=10.0, every=2), "wild")
    assert (kl(model, wild.translation, held).mean(-1).numpy() <= wild.course.values[0] + 1e-6).all()


# ---- the same bits, and little memory --------------------------------------------------------------------------------


def _bits(found: Fit) -> tuple[bytes, ...]:
    return tuple(one.numpy().tobytes() for one in (found.translation.weights, found.translation.biases))


def test_a_fit_is_the_same_to_the_last_bit_and_another_seed_another() -> None:
    model = _attending()
    train, held = _texts(model)
    one, again, other = (fit(model, train, held, Settings(steps=30, batch=64), label) for label in ("a", "a", "b"))
    assert _bits(one) == _bits(again)
    assert np.array_equal(one.course.values, again.course.values)
    assert _bits(one) != _bits(other)


def test_a_few_places_at_a_time_give_the_same_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    model = _attending()
    train, held = _texts(model)
    settings = Settings(steps=20, batch=64, every=10)
    whole = fit(model, train, held, settings, "parts")
    sizes: list[int] = []
    unembed = GPT.unembed

    def noted(self: GPT, streams: Tensor) -> Tensor:
        sizes.append(streams.shape[-2])
        return unembed(self, streams)

    monkeypatch.setattr(tuned_lens, "at_a_time", lambda *_: 10)
    monkeypatch.setattr(GPT, "unembed", noted)
    parts = fit(model, train, held, settings, "parts")
    assert max(sizes) == 10
    assert torch.allclose(parts.translation.weights, whole.translation.weights, atol=1e-4)
    assert parts.course.values == pytest.approx(whole.course.values, rel=1e-3)


def test_a_large_model_keeps_fewer_tokens_and_a_large_vocabulary_takes_fewer_at_a_step() -> None:
    small, large = random_model(n_layer=2, n_embd=16), random_model(n_layer=4, n_embd=64, n_head=2)
    assert tuned_lens.room_for(small) == tuned_lens.NUMBERS // 48
    assert tuned_lens.room_for(large) == tuned_lens.NUMBERS // 320
    assert tuned_lens.affordable(4096, 65) == 4096
    assert tuned_lens.affordable(4096, 50_257) == 64


def test_a_fitted_lens_reads_a_text_like_any_other() -> None:
    model = random_model()
    tokens = random_tokens(model)
    found = fit(model, collect(model, tokens), collect(model, tokens), Settings(steps=10, batch=16), "read")
    read = logit_lens.on_sentence(model, tokens[0], found.translation.lens(model))
    assert read.sel(measure="kl", layer=model.config.n_layer).values == pytest.approx(0, abs=1e-6)
