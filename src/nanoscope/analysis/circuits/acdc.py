"""ACDC: take edges away one after another, the last reader's first, as long as the prediction hardly changes.

    an edge is left out for good if    KL(clean || circuit without it) - KL(clean || circuit)  <  threshold

What an edge is worth depends on which were left out before, so the order is part of the result. Edges of a read are taken from
its last source to its first (`last first`), or the other way round, or in random order.

Since reads are visited from the last to the first, all layers below the one visited are still those of the clean run, and only
the layers from there on are computed.

Source: Conmy et al. 2023.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from nanoscope.analysis.circuits.circuit import Circuit
from nanoscope.analysis.circuits.scores import EdgeScores, whole_runs
from nanoscope.errors import NanoscopeError
from nanoscope.interventions.edges.graph import Edge, Graph, graph_of
from nanoscope.interventions.edges.run import rerun_edges, writes_of
from nanoscope.model.gpt import GPT
from nanoscope.seeds import seed_for
from nanoscope.tasks.metrics import Metric, kl, logit_diff
from nanoscope.tasks.task import Task

Order = Literal["last first", "first first", "random"]
ORDERS: tuple[Order, ...] = ("last first", "first first", "random")
Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class AcdcResult:
    """The circuit that is left, how far its predictions are from the model's (nats), and how it was found."""

    circuit: Circuit
    divergence: float
    threshold: float
    order: Order


def acdc(
    model: GPT,
    task: Task,
    threshold: float,
    order: Order = "last first",
    progress: Progress = lambda done, total: None,
) -> AcdcResult:
    """The circuit of a task at this threshold, in nats. An infinite threshold leaves nothing, minus infinity everything.

    NanoscopeError for a threshold that is no number.
    """
    if np.isnan(threshold):
        raise NanoscopeError("the threshold is no number; give nats, such as 0.01")
    graph = graph_of(model.config)
    edges, kept = _visited(graph, order), graph.exists.copy()
    with torch.inference_mode():
        clean, other = writes_of(model, task.clean), writes_of(model, task.corrupt).writes
        divergence = kl(clean.at(task.positions))

        def value(on: np.ndarray, layer: int) -> float:
            mask = torch.from_numpy(on).to(model.wte.weight)
            found = rerun_edges(model, clean, task.clean, mask, other, layer)
            return float(divergence(found.at(task.positions), task).mean())

        now = 0.0
        for done, edge in enumerate(edges):
            at = graph.index(edge)
            kept[at] = False
            without = value(kept, int(graph.read_layers[at[1]]))
            kept[at], now = (False, without) if without - now < threshold else (True, now)
            progress(done + 1, len(edges))
    return AcdcResult(Circuit(graph, kept), now, threshold, order)


def acdc_scores(
    model: GPT,
    task: Task,
    thresholds: Sequence[float],
    metric: Metric = logit_diff,
    order: Order = "last first",
    progress: Progress = lambda done, total: None,
) -> EdgeScores:
    """Each edge's score: the largest of these thresholds that keeps it, 0 if none does, with the sign of the whole change."""
    graph = graph_of(model.config)
    best = np.zeros(graph.exists.shape)
    for number, threshold in enumerate(sorted(thresholds)):
        show = lambda done, total, n=number: progress(n * total + done, len(thresholds) * total)  # noqa: E731
        best = np.where(acdc(model, task, threshold, order, show).circuit.on, threshold, best)
    clean, corrupt = whole_runs(model, task, metric)
    sign = np.sign((corrupt - clean).mean()) or 1.0
    return EdgeScores("acdc", graph, np.repeat(sign * best[..., None], len(task), axis=-1), clean, corrupt)


def _visited(graph: Graph, order: Order) -> list[Edge]:
    """All edges, from the last read to the first."""
    rng = np.random.default_rng(seed_for("acdc"))
    found = []
    for name in reversed(graph.reads):
        edges = [edge for edge in graph.edges if edge.read == name]
        if order == "random":
            edges = [edges[n] for n in rng.permutation(len(edges))]
        found += edges[::-1] if order == "last first" else edges
    return found
