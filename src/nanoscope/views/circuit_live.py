"""A circuit to be looked at and changed: where its nodes and edges stand, and what it does with some of them switched off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float

from nanoscope.analysis.circuits.circuit import Circuit
from nanoscope.errors import NanoscopeError
from nanoscope.interventions.edges.graph import LOGITS, Edge, Graph, graph_of
from nanoscope.interventions.edges.run import run_edges, writes_of
from nanoscope.model.gpt import GPT
from nanoscope.plots.circuit_layout import HALF_HEIGHT, HALF_WIDTH, live, places, routes
from nanoscope.tasks.metrics import read
from nanoscope.tasks.task import Task
from nanoscope.views.circuit import FoundCircuit
from nanoscope.views.patch_live import Expected, expected

Within = Literal["circuit", "model"]


@dataclass(frozen=True)
class Node:
    """A node's middle, in columns and in rows from the top; whether an edge of the circuit leaves or enters it."""

    name: str
    x: float
    y: float
    live: bool


@dataclass(frozen=True)
class Arrow:
    """An edge with its measured effect in logits, that effect as a share of the whole change, and its way: the control points
    of cubic curves, `x, y, x, y, ...`."""

    name: str
    source: str
    reader: str
    effect: float
    share: float
    way: tuple[float, ...]


@dataclass(frozen=True)
class Diagram:
    """Nodes and the strongest edges of a circuit, the strongest first."""

    nodes: tuple[Node, ...]
    arrows: tuple[Arrow, ...]
    width: float
    height: float
    half_width: float = HALF_WIDTH
    half_height: float = HALF_HEIGHT


def diagram(found: FoundCircuit) -> Diagram:
    """The diagram that `nanoscope circuit` draws."""
    return drawn(found.circuit.graph, found.drawn, found.change)


def drawn(graph: Graph, effects: Mapping[Edge, float], change: float) -> Diagram:
    """The diagram of some edges with their effects, where the whole change is so large."""
    at = places(graph)
    top, shown = max(y for _, y in at.values()), live(effects)
    nodes = tuple(Node(name, x, top - y, name in shown) for name, (x, y) in at.items())
    arrows = tuple(
        Arrow(
            str(route.edge),
            route.edge.source,
            route.edge.read.partition(".")[0],
            effects[route.edge],
            effects[route.edge] / change,
            tuple(value for x, y in _points(route.curves) for value in (x, top - y)),
        )
        for route in routes(list(effects), at)
    )
    return Diagram(nodes, arrows, max(x for x, _ in at.values()), top + 1)


def _points(curves: Float[np.ndarray, "curve 4 2"]) -> list[tuple[float, float]]:
    """The begin of the first curve, then three points of each."""
    points = [curves[0, 0], *(point for curve in curves for point in curve[1:])]
    return [(float(x), float(y)) for x, y in points]


@dataclass(frozen=True)
class Judged:
    """A circuit's share of the behaviour, and what is expected at the texts' end by it, by the model, and with no edge."""

    faithfulness: float
    edges: int
    connected: int
    circuit: Expected
    model: Expected
    nothing: Expected


@dataclass(frozen=True)
class Switches:
    """What is switched off of a circuit: edges by their names, and nodes with all edges into and out of them."""

    edges: Sequence[str] = ()
    nodes: Sequence[str] = ()

    def of(self, circuit: Circuit) -> Circuit:
        """What is left. NanoscopeError for an edge or node that the model has not."""
        left = circuit - Circuit.of(circuit.graph, self.edges)
        for name in self.nodes:
            if name not in (*circuit.graph.sources, LOGITS):
                raise NanoscopeError(f"the model has no node {name!r}; a node is a head such as L0H3, MLP2, embed")
            left = left - (into_logits(circuit.graph) if name == LOGITS else circuit.touching(name))
        return left


def into_logits(graph: Graph) -> Circuit:
    """All edges into the logits."""
    return Circuit.of(graph, [edge for edge in graph.edges if edge.read == LOGITS])


def chosen(model: GPT, edges: Sequence[str], within: Within) -> Circuit:
    """The circuit of these edges, or the whole model."""
    graph = graph_of(model.config)
    return Circuit.whole(graph) if within == "model" else Circuit.of(graph, edges)


def judged(model: GPT, task: Task, circuit: Circuit, names: tuple[str, ...]) -> Judged:
    """What a circuit does on the clean text while all other edges carry the corrupt text's values: with every edge that is the
    clean run, with none the corrupt run. NanoscopeError if these two favour the answer equally."""
    with torch.no_grad():
        clean, corrupt = model(task.clean.to(model.device)), writes_of(model, task.corrupt)
        left = run_edges(model, task.clean, circuit.mask(model), corrupt.writes)
    reads = [left.at(task.positions), read(clean, task), corrupt.at(task.positions)]
    own, whole, nothing = (expected(one[0, 0].float().cpu(), task, names) for one in reads)
    if whole.logit_difference == nothing.logit_difference:
        raise NanoscopeError("the logit difference is the same in both texts; choose texts that differ in it")
    share = (own.logit_difference - nothing.logit_difference) / (whole.logit_difference - nothing.logit_difference)
    return Judged(share, len(circuit), len(circuit.connected), own, whole, nothing)
