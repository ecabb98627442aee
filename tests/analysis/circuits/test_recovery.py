"""Recovery of a known circuit: values by hand, on a graph of one layer and one head (embed, L0H0; q, k, v, logits: 5 edges)."""

import math

import numpy as np
import pytest

from nanoscope.analysis.circuits import recovery
from nanoscope.analysis.circuits.recovery import agreement, edge_auroc, precision
from nanoscope.analysis.circuits.scores import EdgeScores
from nanoscope.errors import NanoscopeError
from nanoscope.interventions.edges.graph import graph_of
from nanoscope.model.config import GPTConfig

GRAPH = graph_of(GPTConfig(n_layer=1, n_head=1, n_embd=4, attention_only=True))
EDGES = [str(edge) for edge in GRAPH.edges]
TRUE = {"embed->L0H0.v", "L0H0->logits"}


def _scores(means: dict[str, float], graph=GRAPH) -> EdgeScores:
    """Scores of two examples, one above and one below these means; 0 for the other edges."""
    values = np.zeros((*graph.exists.shape, 2))
    for edge in graph.edges:
        values[graph.index(edge)] = np.array([-1.0, 1.0]) + means.get(str(edge), 0.0)
    return EdgeScores("by hand", graph, values, np.zeros(2), np.ones(2))


def test_the_graph_is_the_one_that_the_numbers_are_for() -> None:
    assert EDGES == ["embed->L0H0.q", "embed->L0H0.k", "embed->L0H0.v", "embed->logits", "L0H0->logits"]


@pytest.mark.parametrize(
    ("means", "auroc", "share"),
    [
        ([0, 0, -3, 1, 2], 1.0, 1.0),  # by size, whatever the sign
        ([3, 2, 0, 1, 0], 0.0, 0.0),
        ([0, 0, 0, 0, 0], 0.5, 0.4),  # all tie: two of five
        ([0, 4, -3, 1, 2], 4 / 6, 0.5),  # above both, between none and both
        ([0, 2, 3, 0, 2], 5.5 / 6, 0.75),  # the second place is a true and another edge's alike
        ([1, 1, 1, 1, 3], (3 + 1.5) / 6, 0.5 + 0.5 / 4),
    ],
)
def test_values_by_hand(means: list[float], auroc: float, share: float) -> None:
    scores = _scores(dict(zip(EDGES, means, strict=True)))
    assert edge_auroc(scores, TRUE) == pytest.approx(auroc)
    assert precision(scores, TRUE) == pytest.approx(share)


def test_what_is_within_the_floor_counts_as_zero() -> None:
    scores = _scores(dict(zip(EDGES, [1e-7, 3e-7, 0, -2e-7, 1], strict=True)))
    assert edge_auroc(scores, TRUE) == pytest.approx(3 / 6)
    assert edge_auroc(scores, TRUE, floor=1e-6) == pytest.approx((3 + 1.5) / 6)
    assert precision(scores, TRUE, floor=1e-6) == pytest.approx(0.5 + 0.5 / 4)


def test_agreement_is_within_a_kind_of_edge() -> None:
    """Two layers: six edges into queries. Ranks within each kind only, so scales of kinds do not matter."""
    graph = graph_of(GPTConfig(n_layer=2, n_head=1, n_embd=4))
    order = np.random.default_rng(0).permutation(len(graph)).tolist()
    exact = _scores({str(edge): n for edge, n in zip(graph.edges, order, strict=True)}, graph)
    scale = {"q": 1.0, "k": -5.0, "v": 100.0, "MLP": 0.0, "logits": 2.0}
    other = _scores(
        {str(e): scale[recovery.kind_of(e.read)] * n for e, n in zip(graph.edges, order, strict=True)}, graph
    )
    found = agreement(other, exact)
    assert {kind: found[kind] for kind in ("q", "k", "v", "logits")} == pytest.approx(
        {"q": 1.0, "k": -1.0, "v": 1.0, "logits": 1.0}
    )
    assert math.isnan(found["MLP"])


def test_agreement_by_hand() -> None:
    """Five edges into logits, two of which change places: 1 - 6 * 2 / (5 * 24) = 0.9."""
    graph = graph_of(GPTConfig(n_layer=2, n_head=1, n_embd=4))
    into = [str(edge) for edge in graph.edges if edge.read == "logits"]
    exact, other = (
        _scores(dict(zip(into, means, strict=True)), graph) for means in ([1, 2, 3, 4, 5], [2, 1, 3, 4, 50])
    )
    assert len(into) == 5
    assert agreement(other, exact)["logits"] == pytest.approx(0.9)


def test_all_three_at_once() -> None:
    exact, scores = (_scores(dict(zip(EDGES, means, strict=True))) for means in ([0, 0, -3, 0, 2], [0, 0, -1, 2, 1]))
    found = recovery.recovery(scores, exact, TRUE)
    assert (found.method, found.auroc, found.precision) == ("by hand", pytest.approx(4 / 6), pytest.approx(0.5))
    assert found.agreement["logits"] == pytest.approx(-1)


@pytest.mark.parametrize(
    ("true", "why"), [(set(), "some edges"), (set(EDGES), "some edges"), ({"embed->L7H0.q"}, "L7H0")]
)
def test_what_cannot_be_told_apart_is_refused(true: set[str], why: str) -> None:
    with pytest.raises(NanoscopeError, match=why):
        edge_auroc(_scores({}), true)
