"""Influence in an attribution graph, pruning by it, and how much of it the features explain.

    N = |A| with rows that sum to 1         A [target, source]: what each source contributes to each target
    influence = w N + w N^2 + ...           w: the probabilities of the logits; a sum without loops, so it ends

    replacement score  = token influence / (token influence + error influence)
    completeness score = mean over nodes, weighted by w + influence, of the share of inputs that are no errors

Definitions and names as in circuit-tracer (Ameisen et al. 2025), so that numbers compare.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

NODES, EDGES = 0.8, 0.98
"""Shares of all influence that pruning keeps: of nodes, then of the edges among them."""


class Scores(NamedTuple):
    """How much of what reaches the logits passes through features rather than errors: 1 is all."""

    replacement: float
    completeness: float


class Kept(NamedTuple):
    """What pruning keeps."""

    nodes: Bool[Tensor, "node"]
    edges: Bool[Tensor, "target source"]


def shares(A: Float[Tensor, "target source"]) -> Float[Tensor, "target source"]:
    """Sizes of contributions as shares of each target's; a target without inputs stays 0."""
    size = A.abs()
    return size / size.sum(1, keepdim=True).clamp(min=1e-10)


def influence(shared: Float[Tensor, "target source"], weights: Float[Tensor, "node"]) -> Float[Tensor, "node"]:
    """What flows from the weighted nodes into every node, over all paths."""
    flow, total = weights, torch.zeros_like(weights)
    for _ in range(len(weights)):
        flow = flow @ shared
        total = total + flow
        if not flow.any():
            break
    return total


def scores(
    A: Float[Tensor, "target source"],
    weights: Float[Tensor, "node"],
    tokens: Bool[Tensor, "node"],
    errors: Bool[Tensor, "node"],
) -> Scores:
    """Replacement and completeness score of a graph."""
    shared = shares(A)
    reached = influence(shared, weights)
    token, error = float(reached[tokens].sum()), float(reached[errors].sum())
    passing = reached + weights
    explained = 1 - shared[:, errors].sum(1)
    return Scores(token / max(token + error, 1e-10), float((explained * passing).sum() / passing.sum()))


def covering(values: Float[Tensor, "*any"], share: float) -> Bool[Tensor, "*any"]:
    """The largest values that together make up this share of the sum, and none that is 0."""
    ordered = values.flatten().sort(descending=True).values
    below = ordered.cumsum(0) < share * ordered.sum()
    least = ordered[min(int(below.sum()), len(ordered) - 1)]
    return (values >= least) & (values > 0)


def pruned(
    A: Float[Tensor, "target source"],
    weights: Float[Tensor, "node"],
    fixed: Bool[Tensor, "node"],
    inner: Bool[Tensor, "node"],
    nodes: float = NODES,
    edges: float = EDGES,
) -> Kept:
    """Keep the nodes, then the edges, that carry these shares of the influence, and no dead ends.

    `fixed` nodes (tokens, logits) always stay. All others must be read by a kept node, and `inner` ones (features, heads) must
    read one too.
    """
    kept = covering(influence(shares(A), weights), nodes) | fixed
    among = A * kept[:, None] * kept[None]
    shared = shares(among)
    strong = covering(shared * (influence(shared, weights) + weights)[:, None], edges)
    while True:
        strong = strong & kept[:, None] & kept[None]
        alive = kept & (fixed | (strong.any(0) & (strong.any(1) | ~inner)))
        if bool((alive == kept).all()):
            return Kept(kept, strong)
        kept = alive


def strongest(
    A: Float[Tensor, "target source"],
    weights: Float[Tensor, "node"],
    fixed: Bool[Tensor, "node"],
    inner: Bool[Tensor, "node"],
    most: int,
) -> Kept:
    """Prune, with at most `most` nodes beside the fixed ones, those with the largest influence: for a picture."""
    reached = influence(shares(A), weights).masked_fill(fixed, 0)
    few = torch.zeros_like(fixed).index_fill(0, reached.argsort(descending=True)[:most], True) & covering(
        reached, NODES
    )
    among = A * (few | fixed)[:, None] * (few | fixed)[None]
    return pruned(among, weights, fixed, inner, nodes=1.0)
