"""Groups of a graph's nodes by their role in this prediction: which heads look where, what features read and write.

Heads are named by where the frozen pattern puts at least half of their attention. A feature at the last position that moves
the top logit by its direct path writes for or against the prediction; any other is named by the kind of node that it reads
most from.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from nanoscope.analysis.features.graph import ERROR, FEATURE, HEAD, LOGIT, TOKEN, AttributionGraph
from nanoscope.analysis.features.influence import shares

MOST = 0.5
DIRECT = 0.02
"""A feature writes the prediction if it makes up so much of all that reaches the top logit directly."""
LOOKS = ("heads that look at their own position", "heads that look one back", "heads that look further back")
SPREAD = "heads that look at no position most of the time"
FOR, AGAINST = "features that write for the prediction", "features that write against it"
READS = {
    TOKEN: "features of the token itself",
    HEAD: "features that read heads",
    FEATURE: "features that read features",
    ERROR: "features that read errors",
}
OTHERS = {TOKEN: "tokens", ERROR: "errors", LOGIT: "logits"}


def roles(graph: AttributionGraph) -> tuple[str, ...]:
    """The role of every node of a graph with heads."""
    shared = shares(graph.A)
    by_kind = torch.stack([shared[:, graph.nodes.of(kind)].sum(1) for kind in READS], dim=1)
    reads, top = by_kind.argmax(1), int(graph.weights.argmax())
    found = []
    for node, kind in enumerate(graph.nodes.kind.tolist()):
        if kind == HEAD:
            found.append(_looks(_row(graph, node)))
        elif kind == FEATURE and shared[top, node] >= DIRECT:
            found.append(FOR if graph.A[top, node] > 0 else AGAINST)
        else:
            found.append(OTHERS.get(kind) or READS[list(READS)[int(reads[node])]])
    return tuple(found)


def _row(graph: AttributionGraph, node: int) -> Float[Tensor, "key"]:
    """The attention of a head at its position, to itself and what lies before it."""
    layer, pos, head = (int(x[node]) for x in (graph.nodes.layer, graph.nodes.pos, graph.nodes.index))
    return graph.local.cache["pattern", layer][0, head, pos, : pos + 1]


def _looks(row: Float[Tensor, "key"]) -> str:
    """Where a head looks, from its attention to every key up to its own position, the last."""
    most = int(row.argmax())
    if row[most] < MOST:
        return SPREAD
    return LOOKS[min(len(row) - 1 - most, 2)]
