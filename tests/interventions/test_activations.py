"""Reading and changing activations: identities, gradients against finite differences, and errors."""

import pytest
import torch
from conftest import random_model, random_tokens

from nanoscope.errors import NanoscopeError
from nanoscope.interventions.edits import Edit, add, freeze, mean, patch, resample, zero
from nanoscope.interventions.run import gradients, run
from nanoscope.model.gpt import GPT
from nanoscope.model.sites import AXES, WHOLE_MODEL, Site


def _sites(model: GPT) -> list[Site]:
    names = [n for n in AXES if not (model.config.attention_only and n in ("resid_mid", "pre", "post", "mlp_out"))]
    return [
        Site(n, None if n in WHOLE_MODEL else layer) for n in names for layer in ([0] if n in WHOLE_MODEL else [0, 2])
    ]


def test_putting_back_what_is_there_changes_nothing(variant: GPT) -> None:
    tokens = random_tokens(variant)
    plain, cache = run(variant, tokens, keep=AXES)
    for site in _sites(variant):
        assert torch.equal(run(variant, tokens, [patch(site, cache)], keep=["scores"]).logits, plain), site


def test_patching_a_bottleneck_gives_the_other_run_exactly(variant: GPT) -> None:
    """Everything downstream is a function of the residual stream at all positions."""
    clean, corrupt = random_tokens(variant, seed=1), random_tokens(variant, seed=2)
    logits, cache = run(variant, clean, keep=["resid_pre", "resid_post"])
    for site in (Site("resid_pre", 0), Site("resid_post", 1), Site("resid_post", 2)):
        assert torch.equal(run(variant, corrupt, [patch(site, cache)]).logits, logits)


def test_an_effect_begins_at_the_patched_position(variant: GPT) -> None:
    clean, corrupt = random_tokens(variant, seed=1), random_tokens(variant, seed=2)
    cache = run(variant, clean, keep=["resid_pre"]).cache
    patched, plain = (
        run(variant, corrupt, [patch(Site("resid_pre", 1, pos=6), cache)]).logits,
        run(variant, corrupt).logits,
    )
    assert torch.equal(patched[:, :6], plain[:, :6])
    assert (patched[:, 6:] != plain[:, 6:]).any()


def test_patching_queries_keys_and_values_is_patching_scores_and_values() -> None:
    model = random_model()
    clean, corrupt = random_tokens(model, seed=1), random_tokens(model, seed=2)
    cache = run(model, clean, keep=["q", "k", "v", "scores"]).cache
    by_parts = [patch(Site(name, 1, head=1), cache) for name in "qk"]
    by_scores = [patch(Site("scores", 1, head=1), cache)]
    torch.testing.assert_close(run(model, corrupt, by_parts).logits, run(model, corrupt, by_scores).logits)


def test_an_edit_leaves_what_it_is_given_alone() -> None:
    value = torch.randn(2, 3, 4, 5)
    before = value.clone()
    changed = zero(Site("z", 0, head=1)).apply(value)
    assert torch.equal(value, before)
    assert (changed[:, :, 1] == 0).all()
    assert torch.equal(changed[:, :, [0, 2, 3]], value[:, :, [0, 2, 3]])


def test_ablations_do_what_they_say() -> None:
    model, site = random_model(), Site("z", 1, head=0)
    tokens, order = random_tokens(model), torch.tensor([1, 2, 3, 0])
    cache = run(model, tokens, keep=["z"]).cache

    def z_after(edit: Edit) -> torch.Tensor:
        return run(model, tokens, [edit], keep=["z"]).cache[site]

    assert (z_after(zero(site)) == 0).all()
    torch.testing.assert_close(z_after(mean(site, cache)), cache[site].mean(0, keepdim=True).expand(4, -1, -1))
    assert torch.equal(z_after(resample(site, cache, order)), cache[site][order])
    direction = torch.arange(8.0)
    torch.testing.assert_close(
        z_after(add(Site("z", 1, head=0, pos=2), direction))[:, 2], cache[site][:, 2] + direction
    )
    assert torch.equal(z_after(add(Site("z", 1, head=0, pos=2), direction))[:, 3], cache[site][:, 3])


def test_frozen_patterns_are_those_of_the_other_run() -> None:
    model = random_model()
    clean, corrupt = random_tokens(model, seed=1), random_tokens(model, seed=2)
    cache = run(model, clean, keep=["pattern"]).cache
    edits = freeze([Site("pattern", layer) for layer in range(3)], cache)
    assert torch.equal(run(model, corrupt, edits, keep=["pattern"]).cache["pattern", 2], cache["pattern", 2])


def test_ablating_a_head_that_writes_nothing_changes_nothing() -> None:
    model = random_model()
    model.blocks[1].attn.c_proj.weight[:, :8] = 0
    tokens = random_tokens(model)
    assert torch.equal(run(model, tokens, [zero(Site("z", 1, head=0))]).logits, run(model, tokens).logits)


def test_the_answer_does_not_depend_on_the_rest_of_the_batch(variant: GPT) -> None:
    tokens = random_tokens(variant, batch=7)
    together = run(variant, tokens).logits
    for i in (0, 6):
        alone = run(variant, tokens[i : i + 1]).logits[0]
        assert (alone - together[i]).abs().max() < 1e-5 * together.abs().max()


def test_gradients_predict_small_interventions(variant: GPT) -> None:
    """For every activation: the slope along a direction is what adding a little of it does."""
    model = variant.double()
    tokens = random_tokens(model, length=6)

    def metric(logits: torch.Tensor) -> torch.Tensor:
        return logits[:, -1, 3] - logits[:, -1, 5]

    for site in _sites(model):
        key = (site.name, site.layer)
        value, cache, slopes = gradients(model, tokens, metric, [key])
        torch.manual_seed(0)
        direction = torch.randn_like(cache[key])
        step = 1e-6
        moved = [metric(run(model, tokens, [add(site, sign * step * direction)]).logits) for sign in (1, -1)]
        measured = (moved[0] - moved[1]) / (2 * step)
        predicted = (slopes[key] * direction).flatten(1).sum(1)
        torch.testing.assert_close(predicted, measured, atol=1e-6, rtol=1e-5, msg=str(site))
        torch.testing.assert_close(value, metric(run(model, tokens).logits))


def test_gradients_leave_no_trace() -> None:
    model = random_model()
    gradients(model, random_tokens(model), lambda logits: logits[:, -1, 0], ["z"])
    assert all(parameter.grad is None for parameter in model.parameters())


def test_what_cannot_be_meant_is_refused() -> None:
    model, tokens = random_model(), random_tokens(random_model())
    bad_runs = [
        ({"tokens": tokens + 9}, "token ids must lie in 0..12"),
        ({"tokens": tokens[:, :0]}, "tokens must be"),
        ({"tokens": tokens, "edits": [zero(Site("z", 3))]}, "no layer 3"),
        ({"tokens": tokens, "edits": [zero(Site("z", 0, head=2))]}, "no head 2"),
        ({"tokens": tokens, "edits": [zero(Site("resid_pre", 0, pos=11))]}, "no pos 11"),
        ({"tokens": tokens, "edits": [Edit(Site("z", 0, head=1), torch.zeros(3))]}, "does not fit"),
        ({"tokens": tokens, "keep": ["hook_z"]}, "no activation is called 'hook_z'"),
    ]
    for arguments, message in bad_runs:
        with pytest.raises(NanoscopeError, match=message):
            run(model, **arguments)
    with pytest.raises(NanoscopeError, match="no MLPs"):
        run(random_model(attention_only=True), tokens, [zero(Site("post", 0))])
    with pytest.raises(NanoscopeError, match=r"z of layer 0 was not kept"):
        run(model, tokens, keep=["q"]).cache["z", 0]
