"""Where latents are active, their examples, what they write, what stands in for them, and what changing them does."""

import re
from itertools import islice

import numpy as np
import pytest
import torch
from conftest import random_model, random_tokens

from nanoscope.analysis.features.absorption import absorption
from nanoscope.analysis.features.active import Active, active_over
from nanoscope.analysis.features.effects import ablated, raised
from nanoscope.analysis.features.examples import examples
from nanoscope.analysis.features.logit_weights import logit_weights
from nanoscope.dictionaries.coder import Shape, starting
from nanoscope.dictionaries.source import Source
from nanoscope.errors import NanoscopeError
from nanoscope.interventions.edits import Edit
from nanoscope.interventions.generate import Sampling, continuation
from nanoscope.interventions.run import run
from nanoscope.text.windows import windows

SITES = ["resid_post.1", "z.1", "z.2.1", "post.0", "mlp_out.2", "mlp.1"]


def coder_for(model, source: Source, kind="topk"):
    return starting(Shape(kind, *source.widths(model), 30, 3), tied=False, seed=1).requires_grad_(False)


@pytest.mark.parametrize("start", [None, 12])
def test_active_latents_are_those_of_the_coder_without_the_start_symbol(start: int | None) -> None:
    model, source = random_model(), Source.named("resid_post.1")
    coder = coder_for(model, source)
    laid = windows(random_tokens(model, 1, 300)[0], 24, 200, start)
    active = active_over(model, source, coder, laid)
    f = coder.encode(source.read(model, laid.tokens).y)[:, laid.lead :].flatten(0, 1)
    torch.testing.assert_close(active.dense(range(30)), f.T)
    torch.testing.assert_close(active.dense([8, 7]), f.T[[8, 7]])
    np.testing.assert_allclose(active.density, (f > 0).float().mean(0))
    np.testing.assert_allclose(active.largest, f.amax(0))
    chars, values = active.of(5)
    assert chars.tolist() == f[:, 5].nonzero().flatten().tolist()
    np.testing.assert_allclose(values, f[chars, 5])


def test_examples_come_from_every_tenth_and_repeats_are_one() -> None:
    values = np.arange(100, dtype=np.float32)
    found = examples(values, [f"text {n}" for n in range(100)], 2)
    assert [one.tenth for one in found] == [n for n in range(1, 11) for _ in (0, 1)]
    assert [found[0].value, found[-1].value] == [99, 0]
    assert {one.times for one in found} == {1}
    repeated = examples(np.array([1.0, 3, 2, 5], dtype=np.float32), ["a", "a", "b", "a"], 3)
    assert [(one.at, one.value, one.times) for one in repeated] == [(3, 5, 3), (2, 2, 1)]
    assert examples(np.zeros(0, dtype=np.float32), [], 2) == ()


@pytest.mark.parametrize("site", [*SITES, "resid_pre.0"])
def test_logit_weights_are_the_direct_path(site: str) -> None:
    """A direction that is added at the last layer, with the final norm's scale held at 1, moves the logits by its weights."""
    alone = {"norm": "none", "final_norm": False, "n_layer": 1, "attention_only": site.startswith("z")}
    model, source = random_model(**alone), Source.named(re.sub(r"\d+", "0", site, count=1))
    coder = coder_for(model, source)
    tokens = random_tokens(model, 1, 6)
    found = logit_weights(model, source, coder.W_dec)
    site_of = raised(model, source, coder, 4, 2.0)
    if source.site.name == "resid_pre":
        site_of = Edit(Source.named("resid_post.0").site, site_of.to, added=True)
    change = (run(model, tokens, [site_of]).logits - run(model, tokens).logits)[0, -1]
    torch.testing.assert_close(change - change.mean(), 2 * found[4], atol=1e-3, rtol=1e-3)


def test_a_model_without_a_direct_path_is_one_line() -> None:
    model, source = random_model(norm_position="post"), Source.named("resid_post.1")
    with pytest.raises(NanoscopeError, match="no direct path"):
        logit_weights(model, source, torch.ones(2, 16))


def active_of(f: torch.Tensor) -> Active:
    latent, char = f.T.nonzero(as_tuple=True)
    return Active(f.shape[1], len(f), latent.numpy(), char.numpy(), f.T[latent, char].numpy())


def test_a_planted_absorption_is_found_with_what_absorbs() -> None:
    """Ten characters of a concept: the main feature is silent on four, on three of which latent 1 carries the concept."""
    f = torch.zeros(20, 3)
    f[:6, 0] = 2.0
    f[6:9, 1] = 1.5
    f[9, 2] = 1.0
    f[12:, 1] = 5.0
    concept = np.arange(20) < 10
    found = absorption(active_of(f), 0, np.array([1.0, 0.9, 0.1]), concept)
    assert (found.missed, found.absorbed) == (0.4, pytest.approx(0.3))
    assert found.by == ((1, pytest.approx(0.3)),)
    f[6:10, 0] = 1.0
    none = absorption(active_of(f), 0, np.array([1.0, 0.9, 0.1]), concept)
    assert (none.missed, none.absorbed, none.by) == (0, 0, ())
    assert absorption(active_of(f), 2, np.array([1.0, 0.9, -1.0]), concept).absorbed == 0, (
        "it never carries the concept"
    )


@pytest.mark.parametrize("site", SITES)
def test_ablating_a_feature_is_a_forward_pass_with_its_part_taken_out(site: str) -> None:
    model, source = random_model(), Source.named(site)
    coder = coder_for(model, source)
    tokens = random_tokens(model, 1, 9)
    x, y = source.read(model, tokens)
    f = coder.encode(x)[0]
    one = int(f.sum(0).argmax())
    silent = int((f.sum(0) == 0).nonzero()[0])
    changed = y[0] - f[:, one, None] * coder.W_dec[one]
    edit = Edit(source.site, source.shaped(changed[None], model))
    log_p, other = (run(model, tokens, edits).logits[0, :-1].log_softmax(-1) for edits in ([], [edit]))
    at = (torch.arange(8), tokens[0, 1:])
    found = ablated(model, source, coder, tokens, [one, silent])
    np.testing.assert_allclose(found[0, :-1], (log_p[at] - other[at]).numpy(), atol=1e-4)
    np.testing.assert_allclose(found[1, :-1], 0, atol=1e-5)
    assert np.isnan(found[:, -1]).all()
    assert ablated(model, source, coder, tokens, []).shape == (0, 9)


@pytest.mark.parametrize("site", SITES)
def test_a_raised_feature_steers_text_and_raised_by_nothing_changes_nothing(site: str) -> None:
    model, source = random_model(), Source.named(site)
    coder, tokens = coder_for(model, source), random_tokens(model, 1, 4)

    def written(by: float) -> list[int]:
        new = continuation(model, tokens, Sampling(seed=3), [raised(model, source, coder, 2, by)])
        return [int(token) for token in islice(new, 12)]

    plain = [int(token) for token in islice(continuation(model, tokens, Sampling(seed=3)), 12)]
    assert written(0.0) == plain
    assert written(1000.0) != plain
