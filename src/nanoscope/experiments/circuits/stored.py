"""What a result of `circuits` holds, as the values that analyses take: the main task, edge scores, the size of a circuit."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from nanoscope.analysis.circuits.circuit import Circuit
from nanoscope.analysis.circuits.faithfulness import FAITHFUL
from nanoscope.analysis.circuits.scores import EdgeScores
from nanoscope.analysis.circuits.search import top
from nanoscope.evidence.sweep import Sweep
from nanoscope.interventions.edges.graph import Graph

Sweeps = Mapping[str, Sweep]


def labels(sweep: Sweep, dim: str) -> tuple[str, ...]:
    """The names along an axis."""
    return tuple(map(str, sweep.labels(dim)))


def main_task(sweeps: Sweeps) -> str:
    """The task that is studied in full."""
    return str(sweeps["main"].labels("task")[0])


def is_done(sweeps: Sweeps, name: str) -> bool:
    """Whether the model does a task clearly."""
    return bool(sweeps["clear"].sel(task=name).values)


def size(sweeps: Sweeps, name: str) -> int:
    """How many edges the circuit of a task has."""
    return int(sweeps["size"].sel(task=name, count="asked").values)


def first_faithful(shares: Float[np.ndarray, "size"], sizes: Float[np.ndarray, "size"]) -> float:
    """The smallest size from which on the share is never below `FAITHFUL`; the largest if there is none."""
    below = np.flatnonzero(shares < FAITHFUL)
    return float(sizes[min(below[-1] + 1 if len(below) else 0, len(sizes) - 1)])


def exact(sweeps: Sweeps, name: str) -> EdgeScores:
    """The exact scores of a task, on the text that circuits are chosen on: of every example of the main task, as of a single
    one for the others, whose means alone are stored."""
    ends = sweeps["metric"].sel(task=name, split="select").values
    every = next(sweeps[key] for key in ("effects_by_example", "effects") if name in labels(sweeps[key], "task"))
    effects = every.sel(task=name)
    if "example" in effects.dims:
        return _scores("exact", effects, effects.values, *ends)
    return _scores("exact", effects, effects.values[:, None], *ends.mean(-1, keepdims=True))


def estimate(sweeps: Sweeps, method: str) -> EdgeScores:
    """A method's mean scores on the main task, as of a single example."""
    means = sweeps["estimates"].sel(method=method)
    clean, corrupt = sweeps["metric"].sel(task=main_task(sweeps), split="select").values.mean(-1, keepdims=True)
    return _scores(method, means, means.values[:, None], clean, corrupt)


def circuit(sweeps: Sweeps, name: str) -> Circuit:
    """The circuit of a task: its best edges, as many as are faithful."""
    return top(exact(sweeps, name), size(sweeps, name))


def mean_shares(sweeps: Sweeps, name: str) -> dict[str, float]:
    """The mean effect of every edge, as a share of the whole change."""
    scores = exact(sweeps, name)
    return {str(edge): float(scores.share[scores.graph.index(edge)]) for edge in scores.graph.edges}


def _scores(
    method: str, named: Sweep, values: Float[np.ndarray, "edge example"], clean: np.ndarray, corrupt: np.ndarray
) -> EdgeScores:
    graph = Graph.named(map(str, named.labels("edge")))
    whole = np.zeros((*graph.exists.shape, values.shape[-1]))
    whole.transpose(1, 0, 2)[graph.exists.T] = values
    return EdgeScores(method, graph, whole, clean, corrupt)
