"""The arithmetic: equal to a plain implementation and to other people's activations, in every variant."""

import base64
import json
from typing import Any

import numpy as np
import pytest
import torch
from conftest import SHARED, VARIANTS, random_model, random_tokens
from reference import logits as plain_logits

from nanoscope.errors import NanoscopeError
from nanoscope.interventions.run import run
from nanoscope.model import arithmetic
from nanoscope.model.config import GPTConfig
from nanoscope.model.gpt import GPT, with_learned_positions
from nanoscope.model.names import component, head_name, neuron_name, variations
from nanoscope.model.positions import sinusoids
from nanoscope.model.sites import AXES, Site, sites_of

SORTER = SHARED / "gpt-nano-sort"


def test_logits_equal_a_plain_implementation(variant: GPT) -> None:
    tokens = random_tokens(variant, length=24)
    expected = plain_logits(variant, tokens)
    assert (run(variant, tokens).logits - expected).abs().max() < 1e-5 * expected.abs().max()


@pytest.mark.parametrize("bias", [False, True])
def test_logits_equal_a_plain_implementation_at_the_canonical_shape(bias: bool) -> None:
    torch.manual_seed(0)
    model = GPT(GPTConfig(bias=bias)).eval()
    tokens = random_tokens(model, batch=2, length=128)
    with torch.no_grad():
        expected = plain_logits(model, tokens)
        assert (model(tokens) - expected).abs().max() < 1e-5 * expected.abs().max()


def test_explicit_attention_equals_the_fused_kernel(variant: GPT) -> None:
    tokens = random_tokens(variant)
    plain = run(variant, tokens).logits
    for name in ("scores", "pattern"):
        assert (run(variant, tokens, keep=[name]).logits - plain).abs().max() < 1e-5 * plain.abs().max()


def test_every_named_activation_has_the_axes_of_the_table(variant: GPT) -> None:
    tokens = random_tokens(variant, batch=3, length=7)
    config = variant.config
    sizes = {"batch": 3, "pos": 7, "query": 7, "key": 7, "d_model": config.n_embd, "head": config.n_head}
    sizes |= {"d_head": config.d_head, "neuron": config.d_mlp}
    cache = run(variant, tokens, keep=AXES).cache
    for (name, _), value in cache.items():
        assert value.shape == tuple(sizes[axis] for axis in AXES[name]), name
    missing = {"resid_mid", "pre", "post", "mlp_out"} if config.attention_only else set()
    missing |= {"resid_mid"} if config.parallel else set()
    missing |= {"pre_linear"} if not config.gated_mlp else set()
    assert {name for name, _ in cache} == set(AXES) - missing == set(sites_of(config))


def test_activations_fit_together(variant: GPT) -> None:
    """Each kept activation is the one that the next is made from."""
    cache = run(variant, random_tokens(variant), keep=AXES).cache
    for layer, block in enumerate(variant.blocks):
        read = arithmetic.norm_before(cache["resid_pre", layer], block.ln_1)
        q, k, v = arithmetic.qkv(read, block.attn, torch.arange(11))
        torch.testing.assert_close(cache["q", layer], q)
        scores = arithmetic.scores(q, k, block.attn)
        torch.testing.assert_close(cache["scores", layer], scores)
        visible = arithmetic.visible_causally(11, 11)
        torch.testing.assert_close(cache["pattern", layer], arithmetic.pattern(scores, visible))
        torch.testing.assert_close(cache["z", layer], arithmetic.mix(cache["pattern", layer], v))
        torch.testing.assert_close(cache["attn_out", layer], arithmetic.out(cache["z", layer], block.attn))
        after = arithmetic.norm_after(cache["resid_pre", layer] + cache["attn_out", layer], block.ln_1)
        if block.mlp is not None:
            if not variant.config.parallel:
                torch.testing.assert_close(cache["resid_mid", layer], after)
            after = arithmetic.norm_after(after + cache["mlp_out", layer], block.ln_2)
            factor = cache["pre_linear", layer] if variant.config.gated_mlp else None
            post = arithmetic.mlp_post(cache["pre", layer], block.mlp, factor)
            torch.testing.assert_close(cache["post", layer], post)
        torch.testing.assert_close(cache["resid_post", layer], after)


def test_attention_over_a_suffix_of_the_queries_is_the_suffix_of_attention() -> None:
    model = random_model()
    block = model.blocks[0]
    q, k, v = arithmetic.qkv(torch.randn(2, 9, 16), block.attn, torch.arange(9))
    whole = arithmetic.attend(q, k, v, block.attn)
    part = arithmetic.attend(q[:, 5:], k, v, block.attn, arithmetic.visible_causally(4, 9))
    torch.testing.assert_close(part, whole[:, 5:])


def test_token_wise_functions_take_any_leading_axes() -> None:
    block = random_model(bias=True, positions="rotary").blocks[0]
    x = torch.randn(2, 3, 5, 16)
    normed, places = arithmetic.norm(x, block.ln_1), torch.arange(5)
    tokens = arithmetic.qkv(normed.view(-1, 16), block.attn, places.repeat(6))
    flat = [part.reshape(2, 3, 5, 2, 8) for part in tokens]
    for one, other in zip(arithmetic.qkv(normed, block.attn, places), flat, strict=True):
        torch.testing.assert_close(one, other)


def test_a_rotary_score_depends_on_the_distance_alone() -> None:
    attn = random_model(positions="rotary", rotary_dims=4).blocks[0].attn
    x, near, far = torch.randn(1, 6, 16), torch.arange(6), torch.arange(17, 23)
    one, other = (arithmetic.scores(*arithmetic.qkv(x, attn, places, end=2), attn) for places in (near, far))
    torch.testing.assert_close(one, other)
    q, k = arithmetic.qkv(x, attn, near[[0, 0, 1, 2, 3, 4]], end=2)
    assert (arithmetic.scores(q, k, attn) - one).abs().max() > 0.01, "the positions make no difference"


def test_heads_that_share_keys_and_values_equal_heads_with_copies_of_them() -> None:
    shared = random_model(n_embd=24, n_head=6, n_kv_head=2, bias=True)
    own = random_model(n_embd=24, n_head=6, bias=True)
    own.load_state_dict({name: shared.state_dict().get(name) for name in own.state_dict()} | _ungrouped(shared))
    tokens = random_tokens(shared)
    torch.testing.assert_close(run(shared, tokens).logits, run(own, tokens).logits)
    torch.testing.assert_close(shared.blocks[1].attn.W_K, own.blocks[1].attn.W_K)


def _ungrouped(model: GPT) -> dict[str, torch.Tensor]:
    """The rows of `c_attn` with those of each key-value head three times."""
    rows = [*range(24), *(24 + 4 * (head // 3) + row for head in range(6) for row in range(4))]
    rows += [row + 8 for row in rows[24:]]
    found = model.state_dict().items()
    return {name: value[rows] for name, value in found if ".c_attn." in name}


def test_frozen_norm_is_linear_and_sums_to_the_norm(variant: GPT) -> None:
    weights = variant.blocks[0].ln_1
    parts = torch.randn(4, 2, 16)
    whole = parts.sum(0)
    bias = 0 if weights.bias is None else weights.bias
    summed = sum(arithmetic.norm_frozen(part, whole, weights) for part in parts) + bias
    torch.testing.assert_close(summed, arithmetic.norm(whole, weights))


def test_per_head_weights_are_views_of_what_the_arithmetic_multiplies_with() -> None:
    attn = random_model(n_embd=24, n_head=3).blocks[0].attn
    x, z = torch.randn(5, 24), torch.randn(5, 3, 8)
    for value, weight in zip(arithmetic.qkv(x, attn, torch.arange(5)), (attn.W_Q, attn.W_K, attn.W_V), strict=True):
        torch.testing.assert_close(torch.einsum("pd,hdk->phk", x, weight), value)
    torch.testing.assert_close(torch.einsum("phk,hkd->pd", z, attn.W_O), arithmetic.out(z, attn))
    attn.W_K[1].zero_()
    assert arithmetic.qkv(x, attn, torch.arange(5))[1][:, 1].abs().max() == 0


def test_the_first_token_sees_only_itself() -> None:
    model = random_model()
    one, other = random_tokens(model, seed=1), random_tokens(model, seed=2)
    other[:, 0] = one[:, 0]
    pattern = run(model, one, keep=["pattern"]).cache["pattern", 0]
    assert (pattern[:, :, 0, 0] == 1).all()
    torch.testing.assert_close(run(model, one).logits[:, 0], run(model, other).logits[:, 0])


def test_a_text_longer_than_the_context_is_refused() -> None:
    with pytest.raises(NanoscopeError, match="25 tokens do not fit the model's context of 24"):
        run(random_model(), torch.zeros(1, 25, dtype=torch.long))


def test_parameter_count_of_the_canonical_model() -> None:
    assert GPT(GPTConfig()).parameter_count == 10_695_936
    assert GPT(GPTConfig(bias=True)).parameter_count == 10_721_664


def test_parameters_follow_the_width_of_the_mlp_and_fixed_positions_are_none() -> None:
    narrow, table = 2 * 6 * 384 * (4 * 384 - 100), 128 * 384
    assert GPT(GPTConfig(n_inner=100)).parameter_count == 10_695_936 - narrow
    for positions in ("none", "sinusoid"):
        model = GPT(GPTConfig(positions=positions))
        assert model.parameter_count == 10_695_936 - table
        assert not any("wpe" in name for name in model.state_dict())


def test_without_positions_the_order_of_what_came_before_does_not_matter_to_one_layer() -> None:
    """One layer without positions sees its context as a set; with sinusoids it does not."""
    tokens = torch.tensor([[3, 1, 4, 5, 9, 2], [5, 9, 1, 3, 4, 2]])
    for positions, same in (("none", True), ("sinusoid", False)):
        one, other = run(random_model(n_layer=1, positions=positions), tokens).logits[:, -1]
        assert torch.allclose(one, other, atol=1e-5) == same


def test_sinusoids_turn_by_the_same_angle_at_every_step() -> None:
    """Vaswani et al. 2017: position p + k is a fixed rotation of position p, in each pair of columns."""
    table = sinusoids(50, 16).double().unflatten(1, (8, 2))
    assert torch.equal(table[0], torch.tensor([[0.0, 1.0]] * 8).double())
    dots = (table[3:] * table[:-3]).sum(-1)
    torch.testing.assert_close(dots, dots[:1].expand_as(dots), atol=1e-5, rtol=0)
    assert sinusoids(4, 5).shape == (4, 5)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"n_kv_head": 4}, r"n_head \(6\) must be a multiple of n_kv_head \(4\)"),
        ({"positions": "rotary", "rotary_dims": 5}, "even number of dimensions, at most 64, not 5"),
        ({"positions": "rotary", "head_dim": 7}, "even number of dimensions, at most 7, not 7"),
        ({"rotary_dims": 4}, "rotary_dims needs positions='rotary'"),
        ({"parallel": True, "norm_position": "post"}, "parallel blocks have their norms before"),
    ],
)
def test_fields_that_contradict_each_other_are_refused_in_one_line(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(NanoscopeError, match=says):
        GPTConfig(**changes)


def test_a_copy_with_learned_positions_computes_the_same(variant: GPT) -> None:
    tokens = random_tokens(variant)
    if variant.config.positions == "rotary":
        pytest.skip("rotary positions are no table")
    learned = with_learned_positions(variant)
    assert torch.equal(run(learned, tokens).logits, run(variant, tokens).logits)
    assert "transformer.wpe.weight" in learned.state_dict()


def test_initialisation_is_gpt2s() -> None:
    model = GPT(GPTConfig(n_layer=4, n_embd=384))
    assert model.wte.weight.std().item() == pytest.approx(0.02, rel=0.02)
    assert model.blocks[2].mlp.c_proj.weight.std().item() == pytest.approx(0.02 / np.sqrt(8), rel=0.02)


def _tensor(entry: dict) -> torch.Tensor:
    data = np.frombuffer(base64.b64decode(entry["data"]), dtype=np.float32).reshape(entry["shape"])
    return torch.from_numpy(data.copy())


def _sorter(activation: str) -> GPT:
    """bbycroft's llm-viz model: minGPT, three layers, trained to sort six digits."""
    raw = json.loads((SORTER / "gpt-nano-sort-model.json").read_text())
    config = GPTConfig(3, 3, 48, 11, 3, bias=True, tied_head=False, activation=activation)  # pyright: ignore
    model = GPT(config).eval().requires_grad_(False)
    weights = {k: _tensor(v) for k, v in raw.items() if k != "config"}
    model.load_state_dict({k: v for k, v in weights.items() if not (k.endswith("attn.bias") and v.dim() == 4)})
    return model


@pytest.mark.skipif(not SORTER.exists(), reason="needs ../shared/data/gpt-nano-sort")
def test_activations_equal_the_authors_own() -> None:
    partials = json.loads((SORTER / "gpt-nano-sort-t0-partials.json").read_text())
    said = {name: _tensor(entry) for name, entry in partials.items() if isinstance(entry, dict) and "shape" in entry}
    model = _sorter("gelu_tanh")
    logits, cache = run(model, said["idx"].long(), keep=AXES)
    same = {"embed": "tok_emb", "q": "q", "k": "k", "v": "v", "attn_out": "yProj", "resid_mid": "attnResid"}
    same |= {"pattern": "attSm", "pre": "fc", "post": "gelu", "mlp_out": "mlp", "ln_final": "ln_f"}
    for ours, theirs in same.items():
        value = cache[ours, None if ours in ("embed", "ln_final") else 0]
        value = value.transpose(1, 2) if ours in "qkv" else value
        torch.testing.assert_close(value, said[theirs], atol=5e-6, rtol=1e-5)
    for layer in range(3):
        torch.testing.assert_close(cache["resid_post", layer], said[f"block{layer}"], atol=5e-6, rtol=1e-5)
    assert (logits - said["lm_head"]).abs().max() < 5e-6
    assert (run(_sorter("gelu"), said["idx"].long()).logits - said["lm_head"]).abs().max() > 1e-3


@pytest.mark.skipif(not SORTER.exists(), reason="needs ../shared/data/gpt-nano-sort")
def test_the_sorter_sorts_every_input() -> None:
    model = _sorter("gelu_tanh")
    digits = torch.cartesian_prod(*[torch.arange(3)] * 6)
    text = digits
    for _ in range(6):
        text = torch.cat([text, run(model, text).logits[:, -1:].argmax(-1)], dim=1)
    assert torch.equal(text[:, 6:], digits.sort(dim=1).values)


def test_sites_print_and_index_as_they_say() -> None:
    assert str(Site("z", 3, head=5, pos=7)) == "L3H5.z[7]"
    assert str(Site("pattern", 1, head=0, query=4)) == "L1H0.pattern[4,:]"
    assert str(Site("resid_pre", 2)) == "L2.resid_pre"
    assert str(Site("embed", pos=3)) == "embed[3]"
    assert Site("pattern", 1, head=0, key=2).index_in((5, 2, 4, 4)) == (slice(None), 0, slice(None), 2)
    assert str(Site("z", 3, head=5, pos=[7, -1])) == "L3H5.z[(7,-1)]"
    assert str(Site("resid_pre", 2, pos=slice(-3, None))) == "L2.resid_pre[-3:]"
    assert {Site("z", 0, pos=[1, 2]): 1}[Site("z", 0, pos=(1, 2))] == 1
    for bad in (
        {"name": "zz", "layer": 0},
        {"name": "z"},
        {"name": "embed", "layer": 0},
        {"name": "z", "layer": 0, "key": 1},
    ):
        with pytest.raises(NanoscopeError):
            Site(**bad)


def test_a_component_is_read_as_it_is_named() -> None:
    assert component(head_name(3, 11)) == component("l3h11") == Site("z", 3, head=11)
    assert component(neuron_name(2, 17)) == Site("post", 2, neuron=17)
    assert component("L1.mlp") == Site("mlp_out", 1)
    assert component(" L0.attn") == Site("attn_out", 0)
    for wrong in ("L1", "H3", "L1H", "L1.z", "", "L1H2 L1H3"):
        with pytest.raises(NanoscopeError, match="write a head as L0H4"):
            component(wrong)


def test_a_model_says_how_it_differs_from_nanogpt() -> None:
    assert variations(GPTConfig(bias=True, tied_head=False)) == ()
    assert variations(GPTConfig(**VARIANTS["llama"])) == (
        "gated MLPs (silu)", "RMS norm", "rotary positions", "1 key-value heads"
    )  # fmt: skip
    assert variations(GPTConfig(**VARIANTS["post_norm"])) == ("relu", "norms after additions", "no final norm")
