"""An attribution graph by names: the nodes and edges that are worth showing, its scores, and what each role carries.

Scores are those of the graph without heads, where attention belongs to the edges, so that they compare with circuit-tracer's;
nodes and edges are those of the graph with heads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from jaxtyping import Float
from torch import Tensor

from nanoscope.analysis.features.graph import (
    ERROR,
    FEATURE,
    HEAD,
    KINDS,
    LOGIT,
    TOKEN,
    AttributionGraph,
    through_attention,
)
from nanoscope.analysis.features.head_graph import with_heads
from nanoscope.analysis.features.influence import Kept, Scores, influence, scores, shares, strongest
from nanoscope.analysis.features.local_model import Local
from nanoscope.analysis.features.roles import roles
from nanoscope.model.names import head_name

SHOWN = 40
"""Nodes that are shown, beside the logits."""


@dataclass(frozen=True)
class NamedNode:
    """A shown node: its name, such as `L2F417@5`, and the share of what reaches the logits that passes through it."""

    name: str
    kind: str
    layer: int
    pos: int
    index: int
    value: float
    influence: float
    role: str


@dataclass(frozen=True)
class NamedEdge:
    """A shown contribution, from the node `source` to the node `target`, by their numbers among the shown ones."""

    source: int
    target: int
    weight: float
    share: float
    """Of what reaches the logits."""


@dataclass(frozen=True)
class Summary:
    """What is shown of a graph."""

    symbols: tuple[str, ...]
    answers: tuple[tuple[str, float], ...]
    """The logits' symbols with their probabilities."""
    nodes: tuple[NamedNode, ...] = field(repr=False)
    edges: tuple[NamedEdge, ...] = field(repr=False)
    scores: Scores
    groups: Mapping[str, float]
    """By role: the share of the influence of all nodes, shown or not."""


@dataclass(frozen=True)
class BothGraphs:
    """The two graphs of a text, and what is kept of the one with heads."""

    heads: AttributionGraph
    routed: AttributionGraph

    @staticmethod
    def of(local: Local) -> BothGraphs:
        return BothGraphs(with_heads(local), through_attention(local))

    @cached_property
    def reached(self) -> Float[Tensor, "node"]:
        """The influence of every node, of the logits their probability."""
        return influence(shares(self.heads.A), self.heads.weights) + self.heads.weights

    @cached_property
    def kept(self) -> Kept:
        nodes = self.heads.nodes
        return strongest(self.heads.A, self.heads.weights, nodes.of(LOGIT), nodes.of(FEATURE, HEAD), SHOWN)

    @cached_property
    def shown(self) -> list[int]:
        """The kept nodes that an edge touches, and the logits."""
        edges = self.kept.edges
        return (edges.any(0) | edges.any(1) | self.heads.nodes.of(LOGIT)).nonzero().flatten().tolist()

    def strongest_heads(self, count: int) -> list[tuple[int, int, int]]:
        """Layer, head and position of the heads with most influence that see more than themselves."""
        nodes = self.heads.nodes
        heads = (nodes.of(HEAD) & (nodes.pos > 0)).nonzero().flatten()
        best = heads[self.reached[heads].argsort(descending=True)][:count].tolist()
        return [(int(nodes.layer[n]), int(nodes.index[n]), int(nodes.pos[n])) for n in best]


def summary(built: BothGraphs, names: Sequence[str]) -> Summary:
    """The graph with names instead of numbers; `names` are those of the vocabulary."""
    graph, routed, role = built.heads, built.routed, roles(built.heads)
    number = {node: at for at, node in enumerate(built.shown)}
    flow = shares(graph.A) * built.reached[:, None]
    edges = tuple(
        NamedEdge(number[source], number[target], float(graph.A[target, source]), float(flow[target, source]))
        for target, source in built.kept.edges.nonzero().tolist()
    )
    logits = graph.nodes.of(LOGIT)
    answers = zip(graph.nodes.index[logits], graph.weights[logits], strict=True)
    return Summary(
        tuple(names[int(token)] for token in graph.local.tokens),
        tuple((names[int(symbol)], float(p)) for symbol, p in answers),
        tuple(_node(built, node, names, role[node]) for node in built.shown),
        edges,
        scores(routed.A, routed.weights, routed.nodes.of(TOKEN), routed.nodes.of(ERROR)),
        _groups(built, role),
    )


def _node(built: BothGraphs, node: int, names: Sequence[str], role: str) -> NamedNode:
    nodes = built.heads.nodes
    kind, layer, pos, index = (int(x[node]) for x in (nodes.kind, nodes.layer, nodes.pos, nodes.index))
    value, reached = float(nodes.value[node]), float(built.reached[node])
    return NamedNode(_name(kind, layer, pos, index, names), KINDS[kind], layer, pos, index, value, reached, role)


def _name(kind: int, layer: int, pos: int, index: int, names: Sequence[str]) -> str:
    """`L2F417@5`, `error2@5`, `L1H3@7`, `'R'@0`; a logit is its symbol."""
    if kind == FEATURE:
        return f"L{layer}F{index}@{pos}"
    if kind == ERROR:
        return f"error{layer}@{pos}"
    if kind == HEAD:
        return f"{head_name(layer, index)}@{pos}"
    return names[index] if kind == LOGIT else f"{names[index]!r}@{pos}"


def _groups(built: BothGraphs, role: Sequence[str]) -> dict[str, float]:
    """The share of all influence that passes through the nodes of each role, without the logits, the largest first."""
    found: dict[str, float] = {}
    inner = ~built.heads.nodes.of(LOGIT)
    total = float(built.reached[inner].sum())
    for node in map(int, inner.nonzero().flatten()):
        found[role[node]] = found.get(role[node], 0.0) + float(built.reached[node]) / total
    return dict(sorted(found.items(), key=lambda one: -one[1]))
