"""Does a circuit do what the model does? Its metric with all other edges ablated, beside the whole model's and no edge's.

    f(C) = (m(C) - m(nothing)) / (m(model) - m(nothing))        means over examples; 1: as the model, 0: as with no edge

What an ablated edge carries is a choice that changes the result (Miller et al. 2024), so it is kept with it: `resample`, the
corrupt text's write; `mean`, the mean write of all corrupt texts at that position; `zero`, nothing.

A faithfulness curve is f over the number of edges. CPR is its area and CMD the area of |1 - f| over the share of edges, by
trapezoids on a linear axis (Mueller et al. 2025, MIB); half of both is decided beyond 50 % of all edges, so areas over the
logarithm stand beside them.

Source: Wang et al. 2023 for the normalised metric; Hanna et al. 2024 and MIB for curves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from nanoscope.analysis.circuits.circuit import Circuit
from nanoscope.analysis.circuits.scores import EdgeScores
from nanoscope.analysis.circuits.search import Ranking, top
from nanoscope.errors import NanoscopeError
from nanoscope.interventions.edges.graph import graph_of
from nanoscope.interventions.edges.run import Writes, run_edges, writes_of
from nanoscope.model.gpt import GPT
from nanoscope.tasks.metrics import Metric, logit_diff
from nanoscope.tasks.task import Task

Ablation = Literal["resample", "mean", "zero"]
ABLATIONS: tuple[Ablation, ...] = ("resample", "mean", "zero")
MIB_SHARES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""The shares of all edges at which the MIB benchmark measures a circuit."""
FAITHFUL = 0.9
"""What a circuit must keep of the behaviour to be called one."""
TOKENS_AT_ONCE = 1024
Progress = Callable[[int, int], None]


def ablated_writes(model: GPT, task: Task, ablation: Ablation = "resample") -> Writes:
    """What edges outside a circuit carry, for every example."""
    with torch.no_grad():
        other = writes_of(model, task.corrupt).writes
    if ablation == "resample":
        return other
    return other.mean(1, keepdim=True).expand_as(other) if ablation == "mean" else torch.zeros_like(other)


def run_circuits(
    model: GPT,
    task: Task,
    circuits: Sequence[Circuit],
    metric: Metric = logit_diff,
    ablation: Ablation = "resample",
    progress: Progress = lambda done, total: None,
) -> Float[np.ndarray, "circuit example"]:
    """The metric of each circuit and example, with all other edges ablated."""
    other, found = ablated_writes(model, task, ablation), []
    at_once = max(1, TOKENS_AT_ONCE // task.clean.numel())
    for begin in range(0, len(circuits), at_once):
        some = circuits[begin : begin + at_once]
        masks = torch.stack([circuit.mask(model) for circuit in some])
        rows = masks if len(some) == 1 else masks.repeat_interleave(len(task), 0)  # one mask for all rows is faster
        found.append(run_masks(model, task, rows, other, metric))
        progress(begin + len(some), len(circuits))
    return np.concatenate(found).reshape(len(circuits), len(task))


def run_masks(
    model: GPT, task: Task, masks: Float[Tensor, "#row source read"], other: Writes, metric: Metric
) -> Float[np.ndarray, "row"]:
    """The metric under each row's mask, or one mask for all; rows are all examples once, or several times in a row."""
    times = max(1, len(masks) // len(task))
    tiled = task.tiled(times)
    with torch.no_grad():
        found = run_edges(model, tiled.clean, masks[:, None], other.repeat(1, times, 1, 1))
        return metric(found.at(tiled.positions), tiled).double().cpu().numpy()


@dataclass(frozen=True, eq=False)
class Faithfulness:
    """The metric of some circuits, `[circuit, example]`, of the whole model and of no edge at all, `[example]`."""

    values: Float[np.ndarray, "circuit example"]
    model: Float[np.ndarray, "example"]
    nothing: Float[np.ndarray, "example"]
    edges: Int[np.ndarray, "circuit"]
    """How many edges were asked for, and how many are left without dead ends."""
    connected: Int[np.ndarray, "circuit"]
    ablation: Ablation

    @property
    def whole(self) -> float:
        """The mean difference that faithfulness is a share of."""
        return float((self.model - self.nothing).mean())

    @property
    def share(self) -> Float[np.ndarray, "circuit"]:
        """f of each circuit."""
        return (self.values - self.nothing).mean(-1) / self.whole

    @property
    def missing(self) -> Float[np.ndarray, "circuit example"]:
        """By how much each example falls short of the model, as a share of the mean difference: 0 is as the model."""
        return (self.model - self.values) / self.whole

    def worst(self, share: float = 0.01) -> Float[np.ndarray, "circuit"]:
        """The mean size of what is missing in the worst examples: so large a share of them, at least one."""
        count = max(1, round(share * self.values.shape[1]))
        return np.sort(np.abs(self.missing), axis=-1)[:, -count:].mean(-1)


def faithfulness(
    model: GPT,
    task: Task,
    circuits: Sequence[Circuit],
    metric: Metric = logit_diff,
    ablation: Ablation = "resample",
    progress: Progress = lambda done, total: None,
) -> Faithfulness:
    """How faithful each circuit is. NanoscopeError if the metric is the same with all edges and with none."""
    graph = graph_of(model.config)
    ends = [Circuit.whole(graph), Circuit.of(graph, [])]
    found = run_circuits(model, task, [*ends, *circuits], metric, ablation, progress)
    if found[0].mean() == found[1].mean():
        raise NanoscopeError("the metric is the same with all edges and with none; choose texts that differ in it")
    asked, left = (np.array([len(one) for one in some]) for some in (circuits, [c.connected for c in circuits]))
    return Faithfulness(found[2:], found[0], found[1], asked, left, ablation)


# ---- curves --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Curve:
    """The faithfulness of the best 1, 2, 5, ... edges of some scores, under one ranking."""

    method: str
    ranking: Ranking
    shares: Float[np.ndarray, "size"]
    """The share of all edges at each size."""
    at: Faithfulness

    @property
    def cpr(self) -> float:
        """The area of f over the share of edges: how much of the behaviour small circuits have."""
        return float(np.trapezoid(self.at.share, self.shares))

    @property
    def cmd(self) -> float:
        """The area of |1 - f|: how far small circuits are from the model, in either direction."""
        return float(np.trapezoid(np.abs(1 - self.at.share), self.shares))

    @property
    def log_cpr(self) -> float:
        """As `cpr`, over the logarithm of the share, divided by its length: each factor of two counts the same."""
        return self._over_log(self.at.share)

    @property
    def log_cmd(self) -> float:
        return self._over_log(np.abs(1 - self.at.share))

    def edges_for(self, faithful: float = FAITHFUL) -> int | None:
        """The smallest measured number of edges from which on f is never below; None if there is none."""
        below = np.flatnonzero(self.at.share < faithful)
        first = below[-1] + 1 if len(below) else 0
        return int(self.at.edges[first]) if first < len(self.at.edges) else None

    def _over_log(self, values: np.ndarray) -> float:
        where = np.log(self.shares)
        return float(np.trapezoid(values, where) / (where[-1] - where[0]))


def curve(
    model: GPT,
    task: Task,
    scores: EdgeScores,
    metric: Metric = logit_diff,
    ranking: Ranking = "signed",
    ablation: Ablation = "resample",
    shares: Sequence[float] = MIB_SHARES,
    progress: Progress = lambda done, total: None,
) -> Curve:
    """The faithfulness curve of some scores. Circuits are of at least one edge."""
    total = len(scores.graph)
    circuits = [top(scores, max(1, round(share * total)), ranking) for share in shares]
    found = faithfulness(model, task, circuits, metric, ablation, progress)
    return Curve(scores.method, ranking, np.array(shares), found)
