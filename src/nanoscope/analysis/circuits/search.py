"""Circuits from scores: the best edges, or the best that hang together.

    top      the n edges with the largest scores (Syed et al. 2023)
    greedy   grown from the logits: always the best edge whose reader already reaches the logits (Hanna et al. 2024)

Edges are ranked by what they do *for* the task (`signed`: the share of the whole change) or by size alone (`absolute`). The two
find different circuits, so a result must say which was used.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import Literal

import numpy as np
from jaxtyping import Float

from nanoscope.analysis.circuits.circuit import Circuit
from nanoscope.analysis.circuits.scores import EdgeScores
from nanoscope.errors import NanoscopeError
from nanoscope.interventions.edges.graph import EMBED, LOGITS, Edge, Graph

Ranking = Literal["signed", "absolute"]
RANKINGS: tuple[Ranking, ...] = ("signed", "absolute")


def ranked(scores: EdgeScores, ranking: Ranking = "signed") -> tuple[Edge, ...]:
    """All edges, the best first; equal ones in the graph's order."""
    worth = worth_of(scores, ranking)
    return tuple(sorted(scores.graph.edges, key=lambda edge: -worth[scores.graph.index(edge)]))


def worth_of(scores: EdgeScores, ranking: Ranking) -> Float[np.ndarray, "source read"]:
    """What edges are ranked by."""
    return scores.share if ranking == "signed" else np.abs(scores.share)


def top(scores: EdgeScores, edges: int, ranking: Ranking = "signed") -> Circuit:
    """The circuit of the best edges. NanoscopeError unless the graph has so many."""
    _require(edges, scores.graph)
    return Circuit.of(scores.graph, ranked(scores, ranking)[:edges])


def greedy(scores: EdgeScores, edges: int, ranking: Ranking = "signed") -> Circuit:
    """The circuit grown from the logits, so that every edge leads there. It ends early when nothing more is to be reached, and
    may have sources that nothing feeds. NanoscopeError unless the graph has so many edges."""
    _require(edges, scores.graph)
    grown = _grown(scores.graph, worth_of(scores, ranking))
    return Circuit.of(scores.graph, [edge for edge, _ in zip(grown, range(edges), strict=False)])


def _grown(graph: Graph, worth: Float[np.ndarray, "source read"]) -> Iterator[Edge]:
    """All edges in the order in which they join the circuit."""
    waiting: list[tuple[float, int, int]] = []
    reached, new = {EMBED}, [LOGITS]
    while new or waiting:
        for read in (n for n, name in enumerate(graph.reads) if name.partition(".")[0] in new):
            for source in np.flatnonzero(graph.exists[:, read]):
                heapq.heappush(waiting, (-worth[source, read], read, int(source)))
        _, read, source = heapq.heappop(waiting)
        name = graph.sources[source]
        new = [] if name in reached else [name]
        reached.add(name)
        yield Edge(name, graph.reads[read])


def _require(edges: int, graph: Graph) -> None:
    if not 1 <= edges <= len(graph):
        raise NanoscopeError(f"a circuit of {edges} edges is asked for; the model has 1 to {len(graph)}")
