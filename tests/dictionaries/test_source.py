"""What a dictionary reads: the activations of a full run, and a stream that is the same whenever it is asked."""

import pytest
import torch
from conftest import random_model, random_tokens
from torch import Tensor
from torch.nn import functional as F

from nanoscope.dictionaries import source as streams
from nanoscope.dictionaries.source import Harvest, Source, TextStream
from nanoscope.errors import NanoscopeError
from nanoscope.interventions.run import run
from nanoscope.model.arithmetic import mlp_out, mlp_post, mlp_pre, mlp_pre_linear
from nanoscope.model.gpt import GPT


@pytest.mark.parametrize(
    "name", ["resid_pre.1", "resid_mid.1", "resid_post.1", "z.1", "z.1.1", "attn_out.0", "post.2", "mlp_out.1"]
)
def test_an_autoencoder_reads_what_a_run_keeps(name: str):
    model, source = random_model(), Source.named(name)
    assert str(source) == name
    tokens = random_tokens(model)
    x, y = source.read(model, tokens)
    kept = run(model, tokens, keep=[(source.site.name, source.layer)]).cache[source.site]
    assert x is y
    torch.testing.assert_close(source.shaped(y, model), kept)
    assert source.widths(model) == (y.shape[2], y.shape[2])


def test_a_transcoder_reads_what_the_mlp_reads(variant: GPT):
    if variant.config.attention_only:
        with pytest.raises(NanoscopeError, match="no MLPs"):
            Source.named("mlp.1").widths(variant)
        return
    source, tokens = Source.named("mlp.1"), random_tokens(variant)
    x, y = source.read(variant, tokens)
    mlp = variant.blocks[1].mlp
    assert mlp is not None
    linear = mlp_pre_linear(x, mlp) if mlp.c_up is not None else None
    torch.testing.assert_close(mlp_out(mlp_post(mlp_pre(x, mlp), mlp, linear), mlp), y, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(y, run(variant, tokens, keep=[("mlp_out", 1)]).cache["mlp_out", 1])
    assert source.widths(variant) == (16, 16)


def stream(model: GPT, name: str = "resid_post.1", **changes) -> TextStream:
    text = torch.randint(13, (300,), generator=torch.Generator().manual_seed(3))
    return TextStream.of(
        **({"model": model, "text": text, "source": Source.named(name), "batch": 40, "seed": 1} | changes)
    )


def test_a_filling_is_a_function_of_its_number_and_holds_rows_of_real_windows():
    model = random_model()
    one = stream(model)
    assert one.tokens == 640
    x, y = one.filling(2)
    assert x.shape == y.shape == (640, 16)
    assert torch.equal(y, stream(model).filling(2).y)
    assert not torch.equal(y, one.filling(1).y)
    assert not torch.equal(y, stream(model, seed=2).filling(2).y)
    every = Source.named("resid_post.1").read(model, one.harvest.text.unfold(0, 24, 1)).y.flatten(0, 1)
    # the default takes roots of differences of squares, whose rounding is above what is asked here
    nearest = torch.cdist(y, every, compute_mode="donot_use_mm_for_euclid_dist").amin(1)
    assert nearest.max() < 1e-5


def test_rows_are_shuffled_and_inputs_stay_beside_their_targets():
    model = random_model()
    x, y = stream(model, "mlp.1").filling(0)
    mlp = model.blocks[1].mlp
    assert mlp is not None
    torch.testing.assert_close(mlp_out(mlp_post(mlp_pre(x, mlp), mlp), mlp), y, atol=1e-4, rtol=1e-4)
    neighbours = F.cosine_similarity(y[1:], y[:-1]).mean()
    apart = F.cosine_similarity(y[320:], y[:320]).mean()
    assert abs(neighbours - apart) < 0.1


def test_the_buffer_is_as_large_as_its_limit_allows(monkeypatch: pytest.MonkeyPatch):
    model = random_model()
    monkeypatch.setattr(streams, "BUFFER_BYTES", 40 * 16 * 4 * 3)
    assert stream(model).tokens == 120
    assert stream(model, "mlp.1").tokens == 40
    monkeypatch.setattr(streams, "BUFFER_BYTES", 1)
    assert stream(model).tokens == 40


def test_a_start_symbol_comes_before_every_window(monkeypatch: pytest.MonkeyPatch):
    seen = noted_passes(monkeypatch)
    stream(random_model(), start=12).filling(0)
    windows = torch.cat(seen)
    assert windows.shape[1] == 24
    assert (windows[:, 0] == 12).all()


def noted_passes(monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    """The windows of every pass through a model from here on."""
    seen, read = [], streams.read_together

    def noting(model: GPT, tokens: Tensor, *rest):
        seen.append(tokens)
        return read(model, tokens, *rest)

    monkeypatch.setattr(streams, "read_together", noting)
    return seen


def test_one_pass_serves_several_sources_and_each_gets_what_it_gets_alone(monkeypatch: pytest.MonkeyPatch):
    model, names = random_model(), ("resid_post.0", "mlp.1", "z.0.1")
    alone = {name: stream(model, name).filling(1) for name in names}
    harvest = Harvest(model, stream(model).harvest.text, tuple(map(Source.named, names)), 40, 1)
    together = [TextStream(harvest, source) for source in harvest.sources]
    seen = noted_passes(monkeypatch)
    for one, (x, y) in zip(together, alone.values(), strict=True):
        assert torch.equal(one.filling(1).x, x)
        assert torch.equal(one.filling(1).y, y)
    assert sum(len(windows) for windows in seen) == -(-640 // 24)
    assert not torch.equal(together[0].filling(2).y, alone["resid_post.0"].y)


@pytest.mark.parametrize(
    "name", ["resid.1", "resid_post", "resid_post.x", "resid_post.1.2", "scores.1", "mlp", "z.1.2.3", "", "-1"]
)
def test_a_place_that_is_none_is_refused(name: str):
    with pytest.raises(NanoscopeError, match=r"no dictionary can be trained at"):
        Source.named(name)


@pytest.mark.parametrize("name", ["resid_post.3", "z.0.2"])
def test_a_place_that_the_model_lacks_is_refused(name: str):
    with pytest.raises(NanoscopeError, match="the model has 0"):
        Source.named(name).widths(random_model())


def test_a_text_without_a_window_is_refused():
    with pytest.raises(NanoscopeError, match="too few for windows of 24"):
        stream(random_model(), text=torch.zeros(24, dtype=torch.long))
