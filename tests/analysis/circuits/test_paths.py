"""Path patching: its identities in both meanings of direct, and Wang's algorithm told again with edits."""

from typing import get_args

import numpy as np
import pytest
import torch
from conftest import VARIANTS, random_model, random_tokens

from nanoscope.analysis.circuits.paths import Direct, path_patch
from nanoscope.analysis.circuits.scores import exact_scores
from nanoscope.errors import NanoscopeError
from nanoscope.interventions.edges.graph import graph_of
from nanoscope.interventions.edits import Edit, patch
from nanoscope.interventions.run import Cache, run
from nanoscope.model.gpt import GPT
from nanoscope.model.sites import AXES, Site, sites_of
from nanoscope.tasks.metrics import logit_diff, read
from nanoscope.tasks.task import Task

KINDS = ("gpt2", "attention_only", "bare", "llama", "wide_heads", "pythia")
BOTH = get_args(Direct)


def _task(model: GPT) -> Task:
    clean, other = random_tokens(model, 3, 9, 1), random_tokens(model, 3, 9, 2)
    other[:, :4] = clean[:, :4]
    return Task(clean, other, torch.full((3, 1), 3), torch.full((3, 1), 7), torch.full((3, 1), 8))


def _close(found: np.ndarray, expected: np.ndarray, size: float) -> None:
    np.testing.assert_allclose(found, expected, atol=2e-5 * size, rtol=0)


@pytest.mark.parametrize("direct", BOTH)
@pytest.mark.parametrize("name", KINDS)
def test_all_paths_are_the_corrupt_run_and_no_path_is_the_clean_run(name: str, direct: Direct) -> None:
    model = random_model(**VARIANTS[name])
    graph, task = graph_of(model.config), _task(model)
    size = float(run(model, task.clean).logits.abs().max())
    found = path_patch(model, task, graph.sources, graph.reads, direct)
    _close(found.patched, found.corrupt, size)
    assert found.share == pytest.approx(1, abs=1e-3)
    assert np.abs(found.effect).max() > 1e-2 * size
    for ends in (((), graph.reads), (graph.sources, ())):
        _close(path_patch(model, task, *ends, direct).effect, np.zeros(3), size)


def test_one_edge_is_its_exact_effect() -> None:
    model = random_model()
    task = _task(model)
    edges = graph_of(model.config).edges[::9]
    exact = exact_scores(model, task, edges=edges)
    for edge in edges:
        _close(path_patch(model, task, [edge.source], [edge.read]).effect, exact.of(edge), 1.0)


@pytest.mark.parametrize("direct", BOTH)
def test_a_head_into_all_its_readers_is_its_output_patched(direct: Direct) -> None:
    """Through MLPs: of a head of the last layer, into the logits, which is all that it can reach."""
    model = random_model()
    task = _task(model)
    graph = graph_of(model.config)
    corrupt = run(model, task.corrupt, keep=["z"]).cache
    for layer in (1, 2) if direct == "edges" else (2,):
        name = f"L{layer}H1"
        readers = [graph.reads[n] for n in graph.readers(name)] if direct == "edges" else ["logits"]
        logits = run(model, task.clean, [patch(Site("z", layer, head=1), corrupt)]).logits
        expected = logit_diff(read(logits, task), task).numpy()
        _close(path_patch(model, task, [name], readers, direct).patched, expected, 1.0)


def test_without_mlps_both_meanings_agree() -> None:
    """For receivers none of which follows another; else the later one sees the earlier one's change only along edges."""
    model = random_model(**VARIANTS["attention_only"])
    task, senders = _task(model), ["embed", "L0H1"]
    edges, through = (path_patch(model, task, senders, ["L1H0.k", "L1H1.q"], direct) for direct in BOTH)
    _close(edges.patched, through.patched, 1.0)
    assert np.abs(edges.effect).max() > 0.01
    edges, through = (path_patch(model, task, senders, ["L1H0.k", "logits"], direct) for direct in BOTH)
    assert np.abs(edges.patched - through.patched).max() > 0.01


def test_with_mlps_a_path_through_them_counts_only_where_it_is_called_direct() -> None:
    model = random_model()
    task = _task(model)
    edges, through = (path_patch(model, task, ["L0H0"], ["logits"], direct) for direct in BOTH)
    assert np.abs(edges.effect - through.effect).max() > 0.01


# ---- Wang et al. 2022, appendix B, step by step ----------------------------------------------------------------------


@pytest.mark.parametrize("name", KINDS)
def test_through_mlps_is_the_published_algorithm(name: str) -> None:
    model = random_model(**VARIANTS[name])
    task = _task(model)
    size = float(run(model, task.clean).logits.abs().max())
    mlps = [] if model.config.attention_only else ["MLP0"]
    for senders, receivers in (
        (["L0H1"], ["L2H0.k", "L2H1.v"]),
        (["L0H0", "L1H1"], ["logits"]),
        (["L0H0", *mlps], ["L1H0.q", *(["MLP2"] if mlps else []), "logits"]),
    ):
        found = path_patch(model, task, senders, receivers, "through MLPs")
        _close(found.patched, _wang(model, task, senders, receivers), size)
        assert np.abs(found.effect).max() > 1e-3 * size


def _wang(model: GPT, task: Task, senders: list[str], receivers: list[str]) -> np.ndarray:
    layers, heads = range(model.config.n_layer), range(model.config.n_head)
    names = set(sites_of(model.config)) & set(AXES)
    clean, corrupt = (run(model, text, keep=names).cache for text in (task.clean, task.corrupt))
    frozen = [
        patch(Site("z", layer, head=head), corrupt if f"L{layer}H{head}" in senders else clean)
        for layer in layers for head in heads
    ]  # fmt: skip
    frozen += [patch(Site("mlp_out", layer), corrupt) for layer in layers if f"MLP{layer}" in senders]
    seen = run(model, task.clean, frozen, keep=names).cache
    logits = run(model, task.clean, [edit for name in receivers for edit in _received(model, name, seen)]).logits
    return logit_diff(read(logits, task), task).numpy()


def _received(model: GPT, name: str, seen: Cache) -> list[Edit]:
    if name == "logits":
        return [patch(Site("resid_post", model.config.n_layer - 1), seen)]
    if name.startswith("MLP"):
        sites = ("pre", "pre_linear") if model.config.gated_mlp else ("pre",)
        return [patch(Site(site, int(name[3:])), seen) for site in sites]
    return [patch(Site(name[-1], int(name[1]), head=int(name[3])), seen)]


# ---- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("senders", "receivers", "says"),
    [
        (["L9H0"], ["logits"], "'L9H0' is none of the model's sources: embed, L0H0"),
        (["L0H0"], ["L1H0"], "'L1H0' is none of the model's reads: L0H0.q"),
        (["L1H0"], ["L0H0.k", "L1H1.q"], "no receiver can see any of the senders"),
    ],
)
def test_names_that_the_model_has_not_are_refused(senders: list[str], receivers: list[str], says: str) -> None:
    model = random_model()
    with pytest.raises(NanoscopeError, match=says):
        path_patch(model, _task(model), senders, receivers)
