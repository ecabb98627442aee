"""A circuit: some of a model's edges, as a value that can be run, combined, and kept in a file.

    found = top(scores, 40)                       # search.py
    found.run(model, clean, other)                # its edges see this run, all others see the other run's writes
    found & other, found | other, found - other, ~found, found.without(edge)

Running a circuit is `run_edges` with its edges on and all others off (Conmy et al. 2023).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from nanoscope.errors import NanoscopeError
from nanoscope.interventions.edges.graph import EMBED, LOGITS, Edge, Graph
from nanoscope.interventions.edges.run import EdgeRun, Writes, run_edges
from nanoscope.model.gpt import GPT


@dataclass(frozen=True, eq=False)
class Circuit:
    """Which edges of a graph are in the circuit."""

    graph: Graph
    on: Bool[np.ndarray, "source read"]

    def __post_init__(self) -> None:
        if self.on.shape != self.graph.exists.shape or (self.on & ~self.graph.exists).any():
            raise NanoscopeError("a circuit has a truth value for each pair of source and read, true at edges only")

    @staticmethod
    def of(graph: Graph, edges: Iterable[Edge | str]) -> Circuit:
        """The circuit of these edges. NanoscopeError for one that the model has not."""
        on = np.zeros_like(graph.exists)
        for edge in edges:
            on[graph.index(Edge.named(edge) if isinstance(edge, str) else edge)] = True
        return Circuit(graph, on)

    @staticmethod
    def whole(graph: Graph) -> Circuit:
        """All edges."""
        return Circuit(graph, graph.exists.copy())

    @cached_property
    def edges(self) -> tuple[Edge, ...]:
        """Its edges, read by read."""
        return tuple(edge for edge in self.graph.edges if edge in self)

    @cached_property
    def connected(self) -> Circuit:
        """Without dead ends: edges whose source nothing in the circuit feeds, or whose reader nothing in it reads.

        In a run against another text they change nothing: what reads only the other run writes what it wrote.
        """
        graph, on, before = self.graph, self.on, None
        while before is None or (on != before).any():
            before = on
            fed = np.array([name == EMBED or on[:, graph.reads_of(name)].any() for name in graph.sources])
            heard = np.array([name == LOGITS or on[graph.source_of(name)].any() for name in graph.reads])
            on = on & fed[:, None] & heard[None]
        return Circuit(self.graph, on)

    def run(self, model: GPT, tokens: Int[Tensor, "example pos"], other: Writes) -> EdgeRun:
        """Run the circuit: all edges outside it see the other run's writes. Raises what `run_edges` does."""
        return run_edges(model, tokens, self.mask(model), other)

    def mask(self, model: GPT) -> Float[Tensor, "source read"]:
        """1 for its edges, on the model's device."""
        return torch.from_numpy(self.on).to(model.wte.weight)

    def without(self, *edges: Edge | str) -> Circuit:
        """The circuit without some of its edges."""
        return self - Circuit.of(self.graph, edges)

    def touching(self, node: str) -> Circuit:
        """Its edges into and out of one node: a source such as `L0H3`, `MLP2` or `embed`."""
        on = np.zeros_like(self.on)
        on[self.graph.sources.index(node)] = True
        on[:, self.graph.reads_of(node)] = True
        return Circuit(self.graph, on & self.on)

    @property
    def nodes(self) -> tuple[str, ...]:
        """The sources that take part."""
        return tuple(name for name in self.graph.sources if self.touching(name).on.any())

    def overlap(self, other: Circuit) -> float:
        """The Jaccard index: edges in both over edges in either; 1 for two empty circuits."""
        either = int((self.on | other.on).sum())
        return int((self.on & other.on).sum()) / either if either else 1.0

    def to_json(self) -> str:
        """The edges' names, and the model's sources and reads that they are from."""
        return json.dumps(
            {"sources": self.graph.sources, "reads": self.graph.reads, "edges": [str(e) for e in self.edges]}
        )

    @staticmethod
    def from_json(text: str, graph: Graph) -> Circuit:
        """A circuit of this graph from `to_json`. NanoscopeError for other text, or a circuit of another shape of model."""
        try:
            kept = json.loads(text)
            shape, edges = (tuple(kept["sources"]), tuple(kept["reads"])), [str(name) for name in kept["edges"]]
        except (ValueError, TypeError, KeyError) as error:
            raise NanoscopeError("this is no circuit; give a file that nanoscope has written") from error
        if shape != (graph.sources, graph.reads):
            raise NanoscopeError("the circuit is of a model with other layers or heads; open the model it was found in")
        return Circuit.of(graph, edges)

    def __contains__(self, edge: Edge) -> bool:
        return bool(self.on[self.graph.index(edge)])

    def __len__(self) -> int:
        return int(self.on.sum())

    def __or__(self, other: Circuit) -> Circuit:
        return Circuit(self.graph, self.on | other.on)

    def __and__(self, other: Circuit) -> Circuit:
        return Circuit(self.graph, self.on & other.on)

    def __sub__(self, other: Circuit) -> Circuit:
        return Circuit(self.graph, self.on & ~other.on)

    def __invert__(self) -> Circuit:
        return Circuit(self.graph, self.graph.exists & ~self.on)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Circuit) and bool((self.on == other.on).all())

    def __hash__(self) -> int:
        return hash(self.on.tobytes())

    def __repr__(self) -> str:
        return f"Circuit({len(self)} of {len(self.graph)} edges, {len(self.connected)} of them connected)"
