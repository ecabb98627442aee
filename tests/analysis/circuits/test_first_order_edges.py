"""First-order scores of edges: where they are exact, what they sum to, and that they are what is published."""

import numpy as np
import pytest
import torch
from conftest import VARIANTS, random_model, random_tokens

from nanoscope.analysis.circuits.baselines import random_scores, weight_scores
from nanoscope.analysis.circuits.first_order import (
    gradient_scores,
    integrated_scores,
    mask_scores,
    qk_fixed_scores,
)
from nanoscope.analysis.circuits.scores import EdgeScores, exact_scores
from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.errors import NanoscopeError
from nanoscope.interventions.edges.graph import Edge, graph_of
from nanoscope.interventions.edges.run import run_edges, run_from, writes_of
from nanoscope.interventions.edits import Edit
from nanoscope.interventions.run import gradients, run
from nanoscope.model import arithmetic
from nanoscope.model.config import GPTConfig
from nanoscope.model.gpt import GPT
from nanoscope.model.rules import EXACT, GIM, RELP, Rules
from nanoscope.model.sites import Site
from nanoscope.tasks import synthetic
from nanoscope.tasks.task import Task

SUMS = [name for name in VARIANTS if GPTConfig(**VARIANTS[name]).norm_position == "pre"]


def _task(model: GPT, read: int = 8) -> Task:
    clean, other = random_tokens(model, 3, 9, 1), random_tokens(model, 3, 9, 2)
    other[:, :4] = clean[:, :4]
    answers = torch.full((3, 1), 3), torch.full((3, 1), 7)
    return Task(clean, other, *answers, torch.full((3, 1), read))


def _metric(logits: torch.Tensor) -> torch.Tensor:
    return logits[:, 8, 3] - logits[:, 8, 7]


def _close(found: np.ndarray, expected: np.ndarray, share: float = 1e-4) -> None:
    np.testing.assert_allclose(found, expected, atol=share * float(np.abs(expected).max()), rtol=share)


@pytest.mark.parametrize("name", SUMS)
def test_the_gradient_is_the_derivative_of_the_mask(name: str) -> None:
    model = random_model(**VARIANTS[name])
    task = _task(model)
    mask = torch.ones(3, 1, *graph_of(model.config).exists.shape, requires_grad=True)
    value = _metric(run_edges(model, task.clean, mask, writes_of(model, task.corrupt).writes).logits).sum()
    expected = -torch.autograd.grad(value, mask)[0][:, 0].movedim(0, -1)
    _close(gradient_scores(model, task).values, expected.numpy())


def test_where_the_metric_is_linear_the_gradient_is_exact() -> None:
    """Without a final norm, in every edge into the logits."""
    model = random_model(norm="none", final_norm=False)
    task = _task(model)
    edges = [edge for edge in graph_of(model.config).edges if edge.read == "logits"]
    exact, found = exact_scores(model, task, edges=edges), gradient_scores(model, task)
    for edge in edges:
        np.testing.assert_allclose(found.of(edge), exact.of(edge), atol=1e-4, rtol=1e-4)
    assert np.abs(exact.values).max() > 0.01


@pytest.mark.parametrize("scores", [gradient_scores, integrated_scores, mask_scores, qk_fixed_scores, exact_scores])
def test_a_run_against_itself_scores_nothing(scores) -> None:
    model = random_model()
    task = _task(model)
    found = scores(model, Task(task.clean, task.clean, task.answer, task.wrong, task.positions))
    limit = 1e-5 * float(
        run(model, task.clean).logits.abs().max()
    )  # a mixture of a run with itself is the run to rounding
    assert np.abs(found.values).max() <= (limit if scores is mask_scores else 0)
    assert np.abs(found.completeness).max() <= limit
    with pytest.raises(NanoscopeError, match="the metric is the same in the clean and the corrupt run"):
        _ = EdgeScores(found.method, found.graph, found.values, found.clean, found.clean).share


def test_no_steps_are_refused() -> None:
    model = random_model()
    for scores in (integrated_scores, mask_scores):
        with pytest.raises(NanoscopeError, match="steps must be at least 1, not 0"):
            scores(model, _task(model), steps=0)


def test_scores_over_the_mask_sum_to_the_whole_change_as_steps_grow() -> None:
    """The error of the midpoint rule falls with the square of the steps."""
    model = random_model(scale=2.0).double()
    task = _task(model)
    few, many = (np.abs(mask_scores(model, task, steps=steps).completeness).max() for steps in (8, 64))
    plain = gradient_scores(model, task)
    assert many < 1e-3 * np.abs(plain.corrupt - plain.clean).max()
    assert few > 10 * many
    assert np.abs(plain.completeness).max() > few


def test_integrated_scores_are_the_published_formula() -> None:
    """Stated again for the edges into one MLP and one query: activations are those of the two runs, the gradient is averaged
    over runs from embeddings that go from the other text's, included, to the base's, left out."""
    model = random_model()
    graph, task = graph_of(model.config), _task(model)
    steps, reads = 4, {"MLP1": torch.zeros(3, 9, 16), "L1H1.q": torch.zeros(3, 9, 16)}
    own, theirs = (run(model, tokens, keep=["embed"]).cache["embed"] for tokens in (task.clean, task.corrupt))
    for k in range(steps):
        embed = theirs + k / steps * (own - theirs)
        found = gradients(
            model, task.clean, _metric, ["q", "pre", "resid_pre", "resid_mid"], [Edit(Site("embed"), embed)]
        )
        block = model.blocks[1]
        for name, site, state, weight in (
            ("MLP1", "pre", "resid_mid", block.mlp.c_fc.weight), ("L1H1.q", "q", "resid_pre", block.attn.W_Q[1].T)
        ):  # fmt: skip
            slope = found.gradients[site, 1]
            slope = (slope[:, :, 1] if site == "q" else slope) @ weight
            x = found.cache[state, 1].clone().requires_grad_()
            norm = block.ln_2 if site == "pre" else block.ln_1
            reads[name] += torch.autograd.grad(arithmetic.norm(x, norm), x, slope)[0] / steps
    change = writes_of(model, task.corrupt).writes - writes_of(model, task.clean).writes
    scores = integrated_scores(model, task, steps=steps).values
    for name, slope in reads.items():
        at = graph.reads.index(name)
        expected = (change * slope).sum((2, 3)).numpy() * graph.exists[:, at][:, None]
        _close(scores[:, at], expected, 1e-3)


# ---- rules ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SUMS)
@pytest.mark.parametrize("rules", [RELP, GIM, Rules(slopes=True), Rules(norms_held=True)])
def test_rules_change_derivatives_and_no_value(name: str, rules: Rules) -> None:
    model = random_model(**VARIANTS[name])
    block, x = model.blocks[0], torch.randn(2, 5, model.config.n_embd)
    q, k, v = arithmetic.qkv(x, block.attn, torch.arange(5))
    torch.testing.assert_close(
        rules.attend(q, k, v, block.attn), EXACT.attend(q, k, v, block.attn), atol=1e-5, rtol=1e-4
    )
    torch.testing.assert_close(rules.norm(x, block.ln_1), arithmetic.norm(x, block.ln_1), atol=0, rtol=0)
    if block.mlp is not None:
        torch.testing.assert_close(rules.mlp(x, block.mlp), EXACT.mlp(x, block.mlp), atol=0, rtol=0)


def test_without_attention_relevance_is_conserved() -> None:
    """With norms held, slopes and halved products, a gated MLP without biases is homogeneous of degree one as its derivatives
    see it, so the derivative along the embedding is the logit itself (layer-wise relevance propagation conserves relevance)."""
    model = random_model(bias=False, gated_mlp=True, scale=2.0).double()
    for block in model.blocks:
        block.attn.c_proj.weight.zero_()
    start = model.embed(_task(model).clean).detach().requires_grad_()
    reads = torch.zeros(len(graph_of(model.config).reads), *start.shape, dtype=start.dtype)
    value = _metric(run_from(model, start, reads, RELP).logits)
    (along,) = torch.autograd.grad(value.sum(), start)
    torch.testing.assert_close((along * start).sum((1, 2)), value, atol=1e-9, rtol=1e-6)
    (true,) = torch.autograd.grad(_metric(run_from(model, start, reads).logits).sum(), start)
    assert ((true * start).sum((1, 2)) - value).abs().max() > 0.1 * value.abs().max()


def test_gim_takes_the_softmax_at_twice_the_temperature_and_divides_by_the_factors() -> None:
    """Its published rule, stated again: the gradient of q is a quarter of the one through a softmax whose Jacobian is taken at
    half the scores; the gradient of v is half the true one."""
    model = random_model(scale=3.0).double()
    block, x = model.blocks[0], torch.randn(2, 5, 16).double()
    q, k, v = (part.detach().requires_grad_() for part in arithmetic.qkv(x, block.attn, torch.arange(5)))
    weight = torch.randn(2, 5, 2, 8).double()
    found = torch.autograd.grad((GIM.attend(q, k, v, block.attn) * weight).sum(), (q, v))
    scores = torch.einsum("bqhk,bshk->bhqs", q, k) * block.attn.scale
    visible = torch.ones(5, 5, dtype=torch.bool).tril()
    soft = (scores / 2).masked_fill(~visible, -torch.inf).softmax(-1)
    into = torch.einsum("bqhk,bshk->bhqs", weight, v)
    slope = soft * (into - (soft * into).sum(-1, keepdim=True))
    torch.testing.assert_close(found[0], torch.einsum("bhqs,bshk->bqhk", slope, k) * block.attn.scale / 4)
    sharp = scores.masked_fill(~visible, -torch.inf).softmax(-1)
    torch.testing.assert_close(found[1], torch.einsum("bhqs,bqhk->bshk", sharp, weight) / 2)


# ---- where attention is saturated ----------------------------------------------------------------------------------


def test_a_saturated_softmax_hides_an_edge_from_the_gradient(planted: Checkpoint) -> None:
    """In the planted induction model the keys of the induction head read the previous-token head: exactly, everything depends
    on it; to first order, nothing. Neither the exact pattern alone finds it, as the final norm is saturated by the answer too,
    nor held norms alone; both together find most of it."""
    symbols = torch.arange(10, 40)
    task = synthetic.copy_task(symbols, 8, 4, "edges", start=planted.known_vocabulary.start)
    edge, held = Edge.named("L0H0->L1H0.k"), Rules(norms_held=True)
    exact = np.abs(exact_scores(planted.model, task, edges=[edge]).of(edge))
    assert exact.min() > 1.0
    for scores, rules in ((gradient_scores, EXACT), (gradient_scores, held), (qk_fixed_scores, EXACT)):
        assert np.abs(scores(planted.model, task, rules=rules).of(edge)).max() < 0.1 * exact.min()
    assert np.abs(qk_fixed_scores(planted.model, task, rules=held).of(edge)).min() > 0.5 * exact.max()


@pytest.mark.parametrize("name", ["gpt2", "llama", "wide_heads"])
def test_the_qk_fix_is_exact_where_all_that_follows_is_linear(name: str) -> None:
    """Edges into queries of the last layer of a model without MLPs and final norm: only the pattern is not linear."""
    model = random_model(
        **(VARIANTS[name] | {"attention_only": True, "final_norm": False, "gated_mlp": False}), n_layer=2
    )
    task = _task(model)
    edges = [edge for edge in graph_of(model.config).edges if edge.read in ("L1H0.q", "L1H1.k")]
    exact, found, plain = (
        exact_scores(model, task, edges=edges), qk_fixed_scores(model, task), gradient_scores(model, task)
    )  # fmt: skip
    for edge in edges:
        np.testing.assert_allclose(found.of(edge), exact.of(edge), atol=2e-5)
    assert max(np.abs(plain.of(edge) - exact.of(edge)).max() for edge in edges) > 1e-3


# ---- baselines -----------------------------------------------------------------------------------------------------


def test_baselines_know_nothing_of_the_example() -> None:
    model = random_model()
    for scores in (random_scores, weight_scores):
        values = scores(model, _task(model)).values
        assert (values == values[..., :1]).all()
        assert (values[~graph_of(model.config).exists] == 0).all()
        assert (values[graph_of(model.config).exists] != 0).all()


def test_weights_see_the_planted_key_composition(planted: Checkpoint) -> None:
    """Of all writes that L1H0's keys can read, L0H0's comes first after the embedding's, and its value is the closed form."""
    task = synthetic.copy_task(torch.arange(10, 40), 8, 2, "weights", start=planted.known_vocabulary.start)
    found = weight_scores(planted.model, task).share
    graph = graph_of(planted.model.config)
    keys = found[:, graph.reads.index("L1H0.k")]
    heads = [keys[graph.sources.index(name)] for name in ("L0H0", "L0H1")]
    assert heads[0] > 0 == heads[1]
