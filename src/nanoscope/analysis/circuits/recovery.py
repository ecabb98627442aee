"""How well a method finds the true edges of a model whose circuit is known, and how well it agrees with the exact effects.

    auroc        the probability that a true edge's |mean score| is above another edge's, over all edges; ties count half
    precision    the share of true edges among the n edges of largest |mean score|, where n is how many are true; of edges that
                 tie at the cut, the expected share in a random order
    agreement    Spearman's rank correlation of the mean scores with the exact ones, for all edges into queries, keys, values,
                 MLPs, logits; NaN where either has only one value

A score that is 0 by construction comes out as a rounding error, and a rank would make much of it: scores within `floor` of 0
count as 0. Source: AUROC over edges as in Conmy et al. 2023 and Syed et al. 2023.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from nanoscope.analysis.circuits.circuit import Circuit
from nanoscope.analysis.circuits.scores import EdgeScores
from nanoscope.errors import NanoscopeError
from nanoscope.statistics import auroc as ranking
from nanoscope.statistics.ranks import spearman

KINDS = ("q", "k", "v", "MLP", "logits")
"""What an edge goes into."""


@dataclass(frozen=True)
class Recovery:
    """How one method does on a model whose circuit is known."""

    method: str
    auroc: float
    precision: float
    agreement: Mapping[str, float]
    """By kind of edge."""


def recovery(scores: EdgeScores, exact: EdgeScores, true: Collection[str], floor: float = 0.0) -> Recovery:
    """All three measures. NanoscopeError if `true` names an edge that the model has not, none, or all of them."""
    return Recovery(
        scores.method, edge_auroc(scores, true, floor), precision(scores, true, floor), agreement(scores, exact, floor)
    )


def edge_auroc(scores: EdgeScores, true: Collection[str], floor: float = 0.0) -> float:
    """The AUROC of |mean score| as a test of whether an edge is true. Raises what `recovery` does."""
    return ranking.auroc(np.abs(_means(scores, floor)), _labels(scores, true))


def precision(scores: EdgeScores, true: Collection[str], floor: float = 0.0) -> float:
    """The share of true edges among the first n, where n is their number. Raises what `recovery` does."""
    size, label = np.abs(_means(scores, floor)), _labels(scores, true)
    wanted = int(label.sum())
    cut = np.sort(size)[-wanted]
    above, tied = size > cut, size == cut
    places = wanted - above.sum()
    return float((label[above].sum() + places * label[tied].mean()) / wanted)


def agreement(scores: EdgeScores, exact: EdgeScores, floor: float = 0.0) -> dict[str, float]:
    """Spearman's rank correlation with the exact scores, by kind of edge."""
    kinds = np.array([kind_of(edge.read) for edge in scores.graph.edges])
    one, other = _means(scores, floor), _means(exact, floor)
    return {kind: spearman(one[kinds == kind], other[kinds == kind]) for kind in KINDS}


def kind_of(read: str) -> str:
    """Which of `KINDS` a read is: `k` for L1H2.k, `MLP` for MLP3."""
    return read.partition(".")[2] or read.rstrip("0123456789")


def _means(scores: EdgeScores, floor: float) -> Float[np.ndarray, "edge"]:
    """The mean score of each edge, read by read, and 0 for what is within `floor` of it."""
    means = scores.values.mean(-1).T[scores.graph.exists.T]
    return np.where(np.abs(means) <= floor, 0.0, means)


def _labels(scores: EdgeScores, true: Collection[str]) -> Bool[np.ndarray, "edge"]:
    """Which edges are true, read by read."""
    label = Circuit.of(scores.graph, true).on.T[scores.graph.exists.T]
    if label.all() or not label.any():
        raise NanoscopeError("some edges must be true and some not, or nothing can tell them apart")
    return label
