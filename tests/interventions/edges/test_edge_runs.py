"""The factored forward: identities at both ends of the mask, and exact single edges against it."""

import numpy as np
import pytest
import torch
from conftest import VARIANTS, random_model, random_tokens

from nanoscope.errors import NanoscopeError
from nanoscope.interventions.edges.effects import edge_effects
from nanoscope.interventions.edges.graph import graph_of
from nanoscope.interventions.edges.run import rerun_edges, run_edges, run_mixed, writes_of
from nanoscope.interventions.edits import patch
from nanoscope.interventions.run import run
from nanoscope.model.config import GPTConfig
from nanoscope.model.gpt import GPT
from nanoscope.model.sites import Site

SUMS = [name for name in VARIANTS if GPTConfig(**VARIANTS[name]).norm_position == "pre"]


def _pair(model: GPT) -> tuple[torch.Tensor, torch.Tensor]:
    """Two texts that differ from the middle on."""
    clean, other = random_tokens(model, 3, 9, 1), random_tokens(model, 3, 9, 2)
    other[:, :4] = clean[:, :4]
    return clean, other


@pytest.mark.parametrize("name", SUMS)
def test_with_all_edges_on_it_is_the_plain_forward(name: str) -> None:
    model = random_model(**VARIANTS[name])
    tokens = random_tokens(model, 3, 9)
    expected = run(model, tokens).logits
    assert (writes_of(model, tokens).logits - expected).abs().max() < 1e-5 * expected.abs().max()


@pytest.mark.parametrize("name", SUMS)
def test_with_all_edges_off_it_is_the_other_run_bit_for_bit(name: str) -> None:
    model = random_model(**VARIANTS[name])
    clean, other = _pair(model)
    theirs = writes_of(model, other)
    off = torch.zeros(graph_of(model.config).exists.shape)
    assert torch.equal(run_edges(model, clean, off, theirs.writes).logits, theirs.logits)


@pytest.mark.parametrize("name", SUMS)
def test_single_edges_by_replay_are_factored_runs_with_one_edge_off(name: str) -> None:
    """The slow twin of exact effects: every edge of the graph, one whole factored run each."""
    model = random_model(**VARIANTS[name], n_layer=2)
    graph, (clean, other) = graph_of(model.config), _pair(model)
    theirs, positions = writes_of(model, other).writes, torch.tensor([[8], [5], [8]])

    def measure(logits: torch.Tensor) -> torch.Tensor:
        return logits[:, 0, 3] - logits[:, 0, 7]

    found = edge_effects(model, clean, theirs, positions, measure)
    on, expected = torch.ones(graph.exists.shape), []
    for edge in graph.edges:
        mask = on.clone()
        mask[graph.index(edge)] = 0
        logits = run_edges(model, clean, mask, theirs).logits
        expected.append(measure(logits.take_along_dim(positions[..., None], 1)))
    largest = run(model, clean).logits.abs().max()
    assert (found.values - torch.stack(expected)).abs().max() < 1e-5 * largest
    assert (found.values - found.base).abs().max() > 1e-3 * largest, "no edge makes a difference"


def test_all_edges_of_a_head_off_are_its_output_patched() -> None:
    model = random_model()
    graph, (clean, other) = graph_of(model.config), _pair(model)
    theirs, mask = writes_of(model, other).writes, torch.ones(graph.exists.shape)
    mask[graph.sources.index("L1H0")] = 0
    z = run(model, other, keep=["z"]).cache
    expected = run(model, clean, [patch(Site("z", 1, head=0), z)]).logits
    torch.testing.assert_close(run_edges(model, clean, mask, theirs).logits, expected, atol=1e-4, rtol=1e-4)


def test_a_mask_may_differ_by_example_and_position() -> None:
    """At positions before a switched-off read nothing changes; another example keeps its own mask."""
    model = random_model()
    graph, (clean, other) = graph_of(model.config), _pair(model)
    theirs = writes_of(model, other).writes
    plain, mask = run(model, clean).logits, torch.ones(3, 9, *graph.exists.shape)
    mask[1, 6] = 0
    logits = run_edges(model, clean, mask, theirs).logits
    torch.testing.assert_close(logits[[0, 2]], plain[[0, 2]], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(logits[1, :6], plain[1, :6], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(logits[1, 6], run(model, other).logits[1, 6], atol=1e-4, rtol=1e-4)


def test_gradients_of_the_mask_are_differences_of_runs() -> None:
    model = random_model().double()
    graph, (clean, other) = graph_of(model.config), _pair(model)
    theirs = writes_of(model, other).writes
    mask = torch.full(graph.exists.shape, 0.6, dtype=torch.float64, requires_grad=True)
    logit = run_edges(model, clean, mask, theirs).logits[:, -1, 5].sum()
    (slope,) = torch.autograd.grad(logit, mask)
    assert not slope[torch.from_numpy(~graph.exists)].any()
    for at in np.argwhere(graph.exists)[::17]:
        up, down = mask.detach().clone(), mask.detach().clone()
        up[tuple(at)] += 1e-5
        down[tuple(at)] -= 1e-5
        ends = [run_edges(model, clean, one, theirs).logits[:, -1, 5].sum() for one in (up, down)]
        torch.testing.assert_close(slope[tuple(at)], (ends[0] - ends[1]) / 2e-5, atol=1e-5, rtol=1e-4)


def test_a_scale_makes_another_model_that_stays_linear_in_its_writes() -> None:
    """With a scale of 2 on one edge, its reader sees twice the write."""
    model = random_model()
    graph, (clean, _) = graph_of(model.config), _pair(model)
    at, on = graph.index(graph.edges[-1]), torch.ones(graph.exists.shape)
    scale = torch.from_numpy(graph.exists).float()
    scale[at] = 2
    own = writes_of(model, clean)
    twice = run_edges(model, clean, on, torch.zeros_like(own.writes), scale).logits
    final = run(model, clean, keep=["resid_post"]).cache["resid_post", 2] + own.writes[at[0]]
    torch.testing.assert_close(twice, model.unembed(final), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("leading", "width", "says"),
    [((2, 1), 16, r"the mask has the shape \[2, 1, 10, 22\]"), ((), 8, "the other run's writes have the shape")],
)
def test_other_shapes_are_refused(leading: tuple[int, ...], width: int, says: str) -> None:
    model = random_model()
    shape = graph_of(model.config).exists.shape
    with pytest.raises(NanoscopeError, match=says):
        run_edges(model, random_tokens(model, 3, 9), torch.ones(*leading, *shape), torch.zeros(shape[0], 1, 9, width))


@pytest.mark.parametrize("name", SUMS)
def test_a_rerun_from_a_layer_is_the_whole_run(name: str) -> None:
    model = random_model(**VARIANTS[name])
    graph, (clean, other) = graph_of(model.config), _pair(model)
    theirs = writes_of(model, other).writes
    for layer in range(model.config.n_layer + 1):
        first = next((n for n, read in enumerate(graph.reads) if read.startswith(f"L{layer}")), len(graph.reads) - 1)
        before, after = torch.rand(graph.exists.shape), torch.rand(graph.exists.shape)
        after[:, :first] = before[:, :first]
        expected = run_edges(model, clean, after, theirs)
        found = rerun_edges(model, run_edges(model, clean, before, theirs), clean, after, theirs, layer)
        assert torch.equal(found.logits, expected.logits)
        assert torch.equal(found.writes, expected.writes)


def test_several_other_runs_share_a_read() -> None:
    """A third of each of three runs, where two are one and the same, is a mask of a third between the two texts; whole shares
    of single sources come from the run that has them."""
    model = random_model()
    graph, (clean, other) = graph_of(model.config), _pair(model)
    theirs, mine = writes_of(model, other).writes, writes_of(model, clean).writes
    third = torch.full(graph.exists.shape, 1 / 3)
    expected = run_edges(model, clean, third, theirs).logits
    torch.testing.assert_close(run_mixed(model, clean, third, [(third, theirs), (third, theirs)]).logits, expected)
    one = torch.zeros(graph.exists.shape)
    one[0] = 1
    found = run_mixed(model, clean, torch.zeros(graph.exists.shape), [(one, mine), (1 - one, theirs)])
    torch.testing.assert_close(found.logits, run_edges(model, clean, one, theirs).logits, atol=1e-4, rtol=1e-4)
