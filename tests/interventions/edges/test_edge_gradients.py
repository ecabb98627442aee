"""First-order scores of edges: where they are exact, what they sum to, and that they are what is published."""

import pytest
import torch
from conftest import VARIANTS, random_model, random_tokens

from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.errors import NanoscopeError
from nanoscope.interventions.edges.effects import edge_effects
from nanoscope.interventions.edges.gradients import gradient_scores, integrated_scores, mask_scores
from nanoscope.interventions.edges.graph import graph_of
from nanoscope.interventions.edges.run import run_edges, writes_of
from nanoscope.interventions.edits import Edit
from nanoscope.interventions.run import gradients, run
from nanoscope.model import arithmetic
from nanoscope.model.config import GPTConfig
from nanoscope.model.gpt import GPT
from nanoscope.model.sites import Site
from nanoscope.tasks import synthetic

SUMS = [name for name in VARIANTS if GPTConfig(**VARIANTS[name]).norm_position == "pre"]


def _pair(model: GPT) -> tuple[torch.Tensor, torch.Tensor]:
    clean, other = random_tokens(model, 3, 9, 1), random_tokens(model, 3, 9, 2)
    other[:, :4] = clean[:, :4]
    return clean, other


def _metric(logits: torch.Tensor) -> torch.Tensor:
    return logits[:, -1, 3] - logits[:, -1, 7]


@pytest.mark.parametrize("name", SUMS)
def test_the_gradient_is_the_derivative_of_the_mask(name: str) -> None:
    model = random_model(**VARIANTS[name])
    clean, other = _pair(model)
    mask = torch.ones(3, 1, *graph_of(model.config).exists.shape, requires_grad=True)
    value = _metric(run_edges(model, clean, mask, writes_of(model, other).writes).logits).sum()
    expected = -torch.autograd.grad(value, mask)[0][:, 0].movedim(0, -1)
    found = gradient_scores(model, clean, other, _metric).scores
    torch.testing.assert_close(found, expected, atol=1e-4 * float(expected.abs().max()), rtol=1e-4)


def test_where_the_metric_is_linear_the_gradient_is_exact() -> None:
    """Without a final norm, in every edge into the logits."""
    model = random_model(norm="none", final_norm=False)
    graph, (clean, other) = graph_of(model.config), _pair(model)
    edges = [edge for edge in graph.edges if edge.read == "logits"]
    positions = torch.full((3, 1), 8)
    exact = edge_effects(
        model, clean, writes_of(model, other).writes, positions, lambda x: x[:, 0, 3] - x[:, 0, 7], edges=edges
    )
    scores = gradient_scores(model, clean, other, _metric).scores
    found = torch.stack([scores[graph.index(edge)] for edge in edges]).double()
    torch.testing.assert_close(found, exact.values - exact.base, atol=1e-4, rtol=1e-4)
    assert found.abs().max() > 0.01


@pytest.mark.parametrize("scores", [gradient_scores, integrated_scores, mask_scores])
def test_a_run_against_itself_scores_nothing(scores) -> None:
    model = random_model()
    clean, _ = _pair(model)
    found = scores(model, clean, clean, _metric)
    limit = 1e-5 * float(run(model, clean).logits.abs().max())  # a mixture of a run with itself is the run to rounding
    assert found.scores.abs().max() <= (limit if scores is mask_scores else 0)
    assert found.completeness.abs().max() <= (limit if scores is mask_scores else 0)


def test_no_steps_are_refused() -> None:
    model = random_model()
    for scores in (integrated_scores, mask_scores):
        with pytest.raises(NanoscopeError, match="steps must be at least 1, not 0"):
            scores(model, *_pair(model), _metric, 0)


def test_scores_over_the_mask_sum_to_the_whole_change_as_steps_grow() -> None:
    """The error of the midpoint rule falls with the square of the steps."""
    model = random_model(scale=2.0).double()
    clean, other = _pair(model)
    few, many = (mask_scores(model, clean, other, _metric, steps).completeness.abs().max() for steps in (8, 64))
    whole = (_metric(run(model, other).logits) - _metric(run(model, clean).logits)).abs().max()
    assert many < 1e-3 * whole
    assert few > 10 * many
    assert gradient_scores(model, clean, other, _metric).completeness.abs().max() > few


def test_integrated_scores_are_the_published_formula() -> None:
    """Stated again for the edges into one MLP and one query: activations are those of the two runs, the gradient is averaged
    over runs from embeddings that go from the other text's, included, to the base's, left out."""
    model = random_model()
    graph, (clean, other) = graph_of(model.config), _pair(model)
    steps, reads = 4, {"MLP1": torch.zeros(3, 9, 16), "L1H1.q": torch.zeros(3, 9, 16)}
    own, theirs = (run(model, tokens, keep=["embed"]).cache["embed"] for tokens in (clean, other))
    for k in range(steps):
        embed = theirs + k / steps * (own - theirs)
        found = gradients(model, clean, _metric, ["q", "pre", "resid_pre", "resid_mid"], [Edit(Site("embed"), embed)])
        block = model.blocks[1]
        for name, site, state, weight in (
            ("MLP1", "pre", "resid_mid", block.mlp.c_fc.weight), ("L1H1.q", "q", "resid_pre", block.attn.W_Q[1].T)
        ):  # fmt: skip
            slope = found.gradients[site, 1]
            slope = (slope[:, :, 1] if site == "q" else slope) @ weight
            x = found.cache[state, 1].clone().requires_grad_()
            norm = block.ln_2 if site == "pre" else block.ln_1
            reads[name] += torch.autograd.grad(arithmetic.norm(x, norm), x, slope)[0] / steps
    change = writes_of(model, other).writes - writes_of(model, clean).writes
    scores = integrated_scores(model, clean, other, _metric, steps).scores
    for name, slope in reads.items():
        at = graph.reads.index(name)
        expected = (change * slope).sum((2, 3)) * torch.from_numpy(graph.exists[:, at])[:, None]
        torch.testing.assert_close(scores[:, at], expected, atol=1e-4 * float(expected.abs().max()), rtol=1e-3)


def test_a_saturated_softmax_hides_an_edge_from_the_gradient(planted: Checkpoint) -> None:
    """In the planted induction model the keys of the induction head read the previous-token head: exactly, everything depends
    on it; to first order, nothing."""
    model, symbols = planted.model, torch.arange(10, 40)
    task = synthetic.copy_task(symbols, 8, 4, "edges", start=planted.known_vocabulary.start)
    graph, theirs = graph_of(model.config), writes_of(model, task.corrupt).writes
    edge = next(edge for edge in graph.edges if str(edge) == "L0H0->L1H0.k")

    def measure(logits: torch.Tensor) -> torch.Tensor:
        rows = torch.arange(len(task)).repeat(len(logits) // len(task))
        return (logits.gather(-1, task.answer[rows][..., None]) - logits.gather(-1, task.wrong[rows][..., None])).mean(
            (1, 2)
        )

    exact = edge_effects(model, task.clean, theirs, task.positions, measure, edges=[edge])
    read = lambda logits: measure(logits.take_along_dim(task.positions[..., None], 1))  # noqa: E731
    score = gradient_scores(model, task.clean, task.corrupt, read).scores[graph.index(edge)]
    assert (exact.values - exact.base).abs().mean() > 1.0
    assert score.abs().mean() < 0.1 * (exact.values - exact.base).abs().mean()
