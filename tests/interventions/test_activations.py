"""Reading and changing activations: identities, gradients against finite differences, and errors."""

import pytest
import torch
from conftest import random_model, random_tokens

from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.errors import NanoscopeError
from nanoscope.interventions.edits import (
    Edit,
    add,
    edit,
    freeze,
    listed,
    mean,
    patch,
    project_out,
    resample,
    scale,
    with_values,
    zero,
)
from nanoscope.interventions.first_order import estimate
from nanoscope.interventions.replay import Cell, replay
from nanoscope.interventions.run import gradients, model_and_tokens, run
from nanoscope.model.gpt import GPT
from nanoscope.model.sites import AXES, WHOLE_MODEL, Site, sites_of
from nanoscope.text.vocabulary import Vocabulary


def _sites(model: GPT) -> list[Site]:
    return [
        Site(n, None if n in WHOLE_MODEL else layer)
        for n in sites_of(model.config)
        for layer in ([0] if n in WHOLE_MODEL else [0, 2])
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


def test_edits_by_functions_do_what_they_say() -> None:
    model, site = random_model(), Site("z", 1, head=0)
    tokens, direction = random_tokens(model), torch.linspace(-1, 2, 8)
    cache = run(model, tokens, keep=["z", "resid_pre"]).cache

    def after(change: object, at: Site = site) -> torch.Tensor:
        return run(model, tokens, [change], keep=[at]).cache[at]

    assert torch.equal(after(edit(site, lambda z: z.clamp(max=0.1))), cache[site].clamp(max=0.1))
    assert torch.equal(after(edit(site, torch.Tensor.zero_)), after(zero(site)))
    assert torch.equal(run(model, tokens, keep=["z"]).cache[site], cache[site]), "a function may write in place"
    assert torch.equal(after(scale(site, 3.0)), 3.0 * cache[site])
    left = after(project_out(site, direction))
    assert (left @ direction).abs().max() < 1e-5
    torch.testing.assert_close(
        left, cache[site] - (cache[site] @ direction)[..., None] * direction / direction.square().sum()
    )
    torch.testing.assert_close(after(project_out(site, 5 * direction)), left)
    last = Site("resid_pre", 2, pos=-1)
    assert torch.equal(after(scale(last, 0.0), last), torch.zeros(4, 16))


def test_several_positions_are_the_single_ones_together() -> None:
    model, length = random_model(), 11
    tokens = random_tokens(model)
    cache = run(model, random_tokens(model, seed=2), keep=["resid_pre", "z", "pattern"]).cache
    for several, ones in (([1, -2], (1, 9)), (slice(-3, None), (8, 9, 10)), (range(0, 4, 3), (0, 3)), (-1, (10,))):
        for name, at in (("resid_pre", {}), ("z", {"head": 1})):
            together = patch(Site(name, 1, pos=several, **at), cache)
            apart = [patch(Site(name, 1, pos=one, **at), cache) for one in ones]
            assert torch.equal(run(model, tokens, [together]).logits, run(model, tokens, apart).logits)
    for site in (Site("pattern", 1, head=0, query=[4, -1], key=[0, 2, 3]), Site("pattern", 1, key=[0, 2], query=-1)):
        queries, keys = ([4, length - 1], [0, 2, 3]) if site.head == 0 else (length - 1, [0, 2])
        whole = cache["pattern", 1]
        expected = whole[:, 0][:, queries][:, :, keys] if site.head == 0 else whole[:, :, queries][:, :, keys]
        assert torch.equal(cache[site], expected)
        changed = run(model, tokens, [zero(site)], keep=["pattern"]).cache
        assert (changed[site] == 0).all()
        plain = run(model, tokens, keep=["pattern"]).cache["pattern", 1]
        assert int((changed["pattern", 1] != plain).sum()) == int(
            (run(model, tokens, keep=["pattern"]).cache[site] != 0).sum()
        )


def test_a_checkpoint_reads_text_and_one_row_is_a_batch_of_one() -> None:
    model = random_model()
    checkpoint = Checkpoint(model, Vocabulary(tuple("abcdefghijklm")))
    tokens = checkpoint.encode("abba")
    assert checkpoint.decode(tokens) == checkpoint.decode(tokens.tolist()) == "abba"
    for found in (run(checkpoint, "abba"), run(model, tokens), run(checkpoint, tokens)):
        assert torch.equal(found.logits, run(model, tokens[None]).logits)
    started = Checkpoint(model, Vocabulary(("<s>", *"abcdefghijkl"), start=0))
    assert torch.equal(run(started, "abba").logits, run(model, torch.tensor([[0, 1, 2, 2, 1]])).logits)


def test_a_mean_over_positions_fits_texts_of_any_length() -> None:
    model, site = random_model(), Site("z", 1, head=0)
    cache = run(model, random_tokens(model), keep=["z"]).cache
    found = run(model, random_tokens(model, length=7), [mean(site, cache, over=("batch", "pos"))], keep=["z"]).cache
    torch.testing.assert_close(found[site], cache[site].mean((0, 1)).expand(4, 7, -1))
    with pytest.raises(NanoscopeError, match="over the first of them"):
        mean(site, cache, over=("pos",))


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


def test_what_a_sweep_cannot_replay_is_refused_in_one_line() -> None:
    model, tokens = random_model(), random_tokens(random_model())
    reads = torch.full((4, 1), 10)
    cache = run(model, tokens, keep=["z", "q"]).cache
    for site in (Site("q", 1, pos=-1), Site("z", 1, pos=[1, 2]), Site("z", 1, pos=slice(3, 5))):
        for sweep in (replay, estimate):
            with pytest.raises(NanoscopeError, match="takes one pos, counted from 0"):
                sweep(model, tokens, [[patch(site, cache)]], reads, lambda logits: logits[:, 0, 0])
    site = Site("z", 1)
    made = Cell((site,), lambda: [scale(site, 0.5)])  # type: ignore[arg-type, return-value]
    for refuse in (
        lambda: with_values([scale(site, 0.5)]),
        lambda: replay(model, tokens, [made], reads, lambda logits: logits[:, 0, 0]),
    ):
        with pytest.raises(NanoscopeError, match=r"scale\(L1.z, 0.5\) is a function of the run's own values"):
            refuse()


def test_an_edit_fits_on_every_axis_but_a_batch_of_one() -> None:
    model, tokens = random_model(), random_tokens(random_model())
    short, one = (run(model, some, keep=["resid_pre", "pattern"]).cache for some in (tokens[:, :1], tokens[:1]))
    for name in ("pattern", "resid_pre"):
        with pytest.raises(NanoscopeError, match="does not fit"):
            run(model, tokens, [patch(Site(name, 0), short)])
        patched = run(model, tokens, [patch(Site(name, 0), one)], keep=[name]).cache
        assert torch.equal(patched[name, 0], one[name, 0].expand_as(patched[name, 0]))
    with pytest.raises(NanoscopeError, match="does not fit"):
        run(model, tokens, [add(Site("resid_pre", 0), torch.ones(1))])
    with pytest.raises(NanoscopeError, match=r"\[batch pos d_head\] = \[4, 11, 8\], not \[4, 11\]"):
        run(model, tokens, [edit(Site("z", 0, head=1), lambda z: z.sum(-1))])


def test_messages_say_what_was_asked_and_what_there_is() -> None:
    model, tokens = random_model(), random_tokens(random_model())
    cache = run(model, tokens, keep=["pattern", ("z", 1), "embed"]).cache
    assert repr(cache) == "Cache(embed [4, 11, 16], pattern [4, 2, 11, 11] layers 0..2, z [4, 11, 2, 8] layer 1)"
    assert ("z", 0) not in cache
    asked = [
        (lambda: cache["pattern"], r"kept in layers 0..2; ask for one of them, cache\[\"pattern\", 2\]"),
        (lambda: cache["z", 0], "z of layer 0 was not kept; it was kept in layer 1"),
        (lambda: cache["embed", 0], "embed belongs to no layer"),
        (lambda: cache.layers("q"), r"kept embed, pattern, z; run it with keep=\[\"q\"\]"),
        (lambda: cache[Site("z", 1, pos=11)], r"no pos 11; the text has 0..10"),
        (lambda: run(model, tokens, keep="all"), r"keep is a list of names, .* keep=AXES"),
        (lambda: run(model, tokens, keep=[("z", 7)]), "no layer 7"),
        (lambda: listed(zero(Site("z", 0))), "edits are a list"),
        (lambda: listed([lambda z: z]), r"a function is no edit; make one with .* edit\(site, function\)"),
        (lambda: run(model, "ROMEO"), "for a text, give the checkpoint"),
        (lambda: model_and_tokens("path", "ROMEO"), "a str cannot be run"),
        (lambda: model_and_tokens(model, [1, 2]), "a tensor of whole numbers"),
        (lambda: model_and_tokens(model, torch.ones(1, 2)), "a tensor of whole numbers"),
        (lambda: run(model, tokens, [zero(Site("z", 0, pos=-12))]), "no pos -12"),
        (lambda: run(model, tokens, [zero(Site("z", 0, pos=slice(11, 20)))]), "selects no pos"),
        (
            lambda: Site("z", 0, pos=slice(5, 0, -1)),
            "pos must be a number, a list of numbers or a slice that runs forwards",
        ),
        (lambda: project_out(Site("pattern", 0), torch.ones(11)), "no vector"),
        (lambda: project_out(Site("z", 0), torch.zeros(8)), "length 0"),
        (lambda: run(model, tokens, [project_out(Site("z", 0), torch.ones(16))]), r"\[16\] does not fit"),
    ]
    for ask, message in asked:
        with pytest.raises(NanoscopeError, match=message):
            ask()
