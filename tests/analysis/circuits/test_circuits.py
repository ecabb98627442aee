"""A circuit as a value: what combining, pruning and keeping it must leave as it is."""

import numpy as np
import pytest
import torch
from conftest import VARIANTS, random_model, random_tokens

from nanoscope.analysis.circuits.circuit import Circuit
from nanoscope.errors import NanoscopeError
from nanoscope.interventions.edges.graph import Edge, Graph, graph_of
from nanoscope.interventions.edges.run import writes_of
from nanoscope.model.config import GPTConfig

SUMS = [name for name in VARIANTS if GPTConfig(**VARIANTS[name]).norm_position == "pre"]


def _drawn(graph: Graph, share: float, seed: int) -> Circuit:
    return Circuit(graph, graph.exists & (np.random.default_rng(seed).random(graph.exists.shape) < share))


@pytest.mark.parametrize("name", SUMS)
def test_dead_ends_change_no_output(name: str) -> None:
    """Edges from what nothing feeds, and into what nothing reads."""
    model = random_model(**VARIANTS[name])
    clean, other = random_tokens(model, 3, 9, 1), random_tokens(model, 3, 9, 2)
    theirs, pruned = writes_of(model, other).writes, 0
    for seed in range(6):
        circuit = _drawn(graph_of(model.config), 0.1, seed)
        pruned += len(circuit) - len(circuit.connected)
        logits = (one.run(model, clean, theirs).logits for one in (circuit, circuit.connected))
        torch.testing.assert_close(*logits, atol=1e-4, rtol=1e-4)
    assert pruned > 10


def test_what_is_connected_is_on_a_path_from_the_embedding_to_the_logits() -> None:
    """The slow twin: all paths through random circuits, walked one by one."""
    graph = graph_of(random_model(n_layer=2).config)
    for seed in range(20):
        circuit = _drawn(graph, 0.2, seed)
        reads = {name: [e for e in circuit.edges if e.source == name] for name in graph.sources}

        def walk(node: str, reads: dict[str, list[Edge]] = reads) -> set[Edge]:
            found: set[Edge] = set()
            for edge in reads[node]:
                reader = edge.read.partition(".")[0]
                further = walk(reader) if reader != "logits" else set()
                found |= further | ({edge} if further or reader == "logits" else set())
            return found

        # a head's write is fed if any of its reads is, so paths are of nodes
        assert set(circuit.connected.edges) == walk("embed")


def test_circuits_combine_as_sets_of_edges() -> None:
    graph = graph_of(random_model().config)
    a, b = _drawn(graph, 0.4, 1), _drawn(graph, 0.4, 2)
    first, second, everything = set(a.edges), set(b.edges), set(graph.edges)
    assert set((a | b).edges) == first | second
    assert set((a & b).edges) == first & second
    assert set((a - b).edges) == first - second
    assert set((~a).edges) == everything - first
    assert set(a.without(a.edges[3]).edges) == first - {a.edges[3]}
    assert a.overlap(b) == len(first & second) / len(first | second)
    assert Circuit.of(graph, []).overlap(Circuit.of(graph, [])) == 1
    assert {str(e) for e in a.touching("L1H0").edges} == {str(e) for e in first if "L1H0" in str(e)}


def test_a_circuit_comes_back_from_its_file_into_the_same_shape_of_model_only() -> None:
    graph = graph_of(random_model().config)
    circuit = _drawn(graph, 0.3, 5)
    assert Circuit.from_json(circuit.to_json(), graph) == circuit
    with pytest.raises(NanoscopeError, match="a model with other layers or heads"):
        Circuit.from_json(circuit.to_json(), graph_of(random_model(n_layer=2).config))
    for text in ("", "[]", "{}", '{"sources": 1, "reads": [], "edges": []}'):
        with pytest.raises(NanoscopeError, match="this is no circuit"):
            Circuit.from_json(text, graph)


def test_all_edges_are_the_model_and_none_is_the_other_text() -> None:
    model = random_model()
    graph, clean, other = graph_of(model.config), random_tokens(model, 3, 9, 1), random_tokens(model, 3, 9, 2)
    theirs = writes_of(model, other)
    assert torch.equal(Circuit.of(graph, []).run(model, clean, theirs.writes).logits, theirs.logits)
    whole = Circuit.whole(graph)
    torch.testing.assert_close(whole.run(model, clean, theirs.writes).logits, model(clean), atol=1e-4, rtol=1e-4)
    assert (len(whole), len(whole.connected), len(~whole)) == (len(graph), len(graph), 0)
