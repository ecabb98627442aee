"""First-order scores of all edges at once, from a few forward and backward passes of the factored forward.

    gradient      EAP (Syed et al. 2023): the sum over positions of (corrupt_u - clean_u) . d metric / d read_r, clean run
    by rules      the same with derivatives by other rules (`model.rules`: RELP, GIM)
    integrated    EAP-IG-inputs (Hanna et al. 2024): with the mean gradient over runs whose embeddings go from the corrupt
                  run's, included, to the clean run's, left out, in `steps` equal steps
    mask          integrated gradients (Sundararajan et al. 2017) over the mask: minus the derivative with respect to the
                  edge's mask, averaged over masks that go from all on to all off together, at the middle of each step
    QK fix        as EAP, but what an edge changes in its reader is computed exactly, and for queries and keys carried to the
                  attention pattern: (new pattern - pattern) . d metric / d pattern (AtP*; Kramar et al. 2024)

The mask's scores sum to the whole change of the metric as the steps grow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from nanoscope.analysis.circuits.scores import EdgeScores, whole_runs
from nanoscope.errors import NanoscopeError
from nanoscope.interventions.edges.effects import edge_cells
from nanoscope.interventions.edges.graph import WAYS, graph_of
from nanoscope.interventions.edges.run import EdgeRun, Writes, run_edges, run_from, writes_of
from nanoscope.interventions.edits import Edit
from nanoscope.interventions.run import Cache
from nanoscope.model import arithmetic
from nanoscope.model.gpt import GPT
from nanoscope.model.rules import EXACT, GIM, HELD, RELP, Rules
from nanoscope.tasks.metrics import Metric, logit_diff
from nanoscope.tasks.task import Task

NAMES = {EXACT: "eap", HELD: "held", RELP: "relp", GIM: "gim"}
STEPS = 5
"""As in the published code of EAP-IG and in the MIB benchmark."""


def gradient_scores(model: GPT, task: Task, metric: Metric = logit_diff, rules: Rules = EXACT) -> EdgeScores:
    """Edge attribution patching (EAP): one forward and one backward pass of the clean run, with derivatives by these rules."""
    return _averaged(NAMES.get(rules, str(rules)), model, task, metric, [1.0], rules)


def integrated_scores(model: GPT, task: Task, metric: Metric = logit_diff, steps: int = STEPS) -> EdgeScores:
    """EAP-IG-inputs: gradients at corrupt + (k / steps) (clean - corrupt) of the embeddings, k = 0 to steps - 1.

    NanoscopeError for fewer than one step.
    """
    _require_steps(steps)
    return _averaged("eap-ig", model, task, metric, [k / steps for k in range(steps)], EXACT)


def mask_scores(model: GPT, task: Task, metric: Metric = logit_diff, steps: int = STEPS) -> EdgeScores:
    """Integrated gradients over the mask, by the midpoint rule. NanoscopeError for fewer than one step."""
    _require_steps(steps)
    with torch.no_grad():
        other = writes_of(model, task.corrupt).writes
    on = model.wte.weight.new_ones(len(task), 1, *graph_of(model.config).exists.shape)
    total = torch.zeros_like(on)
    for k in range(steps):
        mask = (on * (1 - (k + 0.5) / steps)).requires_grad_()
        with torch.enable_grad():
            value = metric(run_edges(model, task.clean, mask, other).at(task.positions), task).sum()
        total -= torch.autograd.grad(value, mask)[0] / steps
    return _scores("mask-ig", model, task, metric, total[:, 0].movedim(0, -1))


def qk_fixed_scores(model: GPT, task: Task, metric: Metric = logit_diff, rules: Rules = EXACT) -> EdgeScores:
    """EAP with the QK fix for the edges into queries and keys; the others are EAP's, with derivatives by these rules."""
    plain = gradient_scores(model, task, metric, rules)
    graph, values = plain.graph, plain.values.copy()
    with torch.no_grad():
        other, embed = writes_of(model, task.corrupt).writes, model.embed(task.clean.to(model.device))
    slopes = read_gradients(model, embed, lambda run: metric(run.at(task.positions), task), rules)
    for name in graph.reads:
        if name.partition(".")[2] in WAYS[:2]:
            edges = [edge for edge in graph.edges if edge.read == name]
            cells, base = edge_cells(model, task.clean, other, edges)
            edits = [cell.make()[0] for cell in cells]
            found = _through_the_pattern(model, base.cache, edits, slopes[graph.readers(name.partition(".")[0])].sum(0))
            for edge, change in zip(edges, found, strict=True):
                values[graph.index(edge)] = change
    return EdgeScores(f"{plain.method}-qk", graph, values, plain.clean, plain.corrupt)


def _through_the_pattern(
    model: GPT, cache: Cache, edits: Sequence[Edit], slope: Float[Tensor, "example pos d_model"]
) -> Float[np.ndarray, "edge example"]:
    """The change of one head's pattern under each edit of its queries (or keys), times the metric's derivative by the pattern;
    `slope` is the derivative by what the head writes."""
    site = edits[0].site
    assert site.layer is not None
    assert isinstance(site.head, int)
    attn = model.blocks[site.layer].attn
    q, k, v = (cache[name, site.layer][:, :, [site.head]] for name in "qkv")
    by_pattern = torch.einsum("bqd,cd,bkc->bqk", slope, attn.W_O[site.head], v[:, :, 0])
    visible = arithmetic.visible_causally(q.shape[1], k.shape[1], q.device)
    with torch.no_grad():
        before = arithmetic.pattern(arithmetic.scores(q, k, attn), visible)[:, 0]
        found = []
        for edit in edits:
            assert isinstance(edit.to, Tensor)
            new = edit.to[:, :, None]
            scores = arithmetic.scores(new, k, attn) if site.name == "q" else arithmetic.scores(q, new, attn)
            found.append(((arithmetic.pattern(scores, visible)[:, 0] - before) * by_pattern).sum((1, 2)))
    return torch.stack(found).double().cpu().numpy()


def _averaged(name: str, model: GPT, task: Task, metric: Metric, shares: list[float], rules: Rules) -> EdgeScores:
    """The products of each write's change with the mean gradient at each read, summed over positions; the gradients are taken
    at embeddings that are so far from the corrupt run's to the clean run's."""
    with torch.no_grad():
        clean, corrupt = (writes_of(model, text).writes for text in (task.clean, task.corrupt))
    measure = lambda run: metric(run.at(task.positions), task)  # noqa: E731
    ends = corrupt[0], clean[0]
    slope = torch.stack([read_gradients(model, torch.lerp(*ends, share), measure, rules) for share in shares]).mean(0)
    return _scores(name, model, task, metric, _products(corrupt - clean, slope))


def _products(change: Writes, slope: Tensor) -> Float[Tensor, "source read example"]:
    return torch.einsum("sbpd,rbpd->srb", change, slope)


def _scores(name: str, model: GPT, task: Task, metric: Metric, values: Tensor) -> EdgeScores:
    graph = graph_of(model.config)
    kept = values.detach().double().cpu().numpy() * graph.exists[..., None]
    return EdgeScores(name, graph, kept, *whole_runs(model, task, metric))


def _require_steps(steps: int) -> None:
    if steps < 1:
        raise NanoscopeError(f"steps must be at least 1, not {steps}")


def read_gradients(
    model: GPT,
    embed: Float[Tensor, "example pos d_model"],
    measure: Callable[[EdgeRun], Float[Tensor, "example"]],
    rules: Rules = EXACT,
) -> Float[Tensor, "read example pos d_model"]:
    """The gradient of the summed metric with respect to what each read sees, in a run from these embeddings."""
    reads = len(graph_of(model.config).reads)
    added = torch.zeros(reads, *embed.shape, dtype=embed.dtype, device=embed.device, requires_grad=True)
    with torch.enable_grad():
        value = measure(run_from(model, embed.detach(), added, rules)).sum()
    return torch.autograd.grad(value, added)[0]
