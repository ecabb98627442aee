"""The graph of a model: counts that others have published, names, and what may read what."""

import pytest
from conftest import random_model

from nanoscope.errors import NanoscopeError
from nanoscope.interventions.edges.graph import Edge, Graph, graph_of
from nanoscope.model.config import GPTConfig


def test_the_canonical_model_and_gpt2_have_as_many_edges_as_others_count() -> None:
    assert len(graph_of(GPTConfig())) == len(graph_of(GPTConfig()).edges) == 2188
    assert len(graph_of(GPTConfig(n_layer=12, n_head=12, n_embd=768))) == 32_491


def test_an_edge_is_named_and_found_by_its_name() -> None:
    graph = graph_of(GPTConfig(n_layer=2, n_head=4, n_embd=16))
    edge = Edge.named("L0H3->L1H2.k")
    assert str(edge) == "L0H3->L1H2.k"
    source, read = graph.index(edge)
    assert (graph.sources[source], graph.reads[read]) == ("L0H3", "L1H2.k")
    assert all(Edge.named(str(one)) == one and graph.exists[graph.index(one)] for one in graph.edges)


def test_the_names_of_all_edges_are_the_graph() -> None:
    for changes in ({}, {"parallel": True}, {"attention_only": True}, {"n_layer": 12}):
        graph = graph_of(random_model(**changes).config)
        again = Graph.named(map(str, graph.edges))
        assert (again.sources, again.reads) == (graph.sources, graph.reads)
        assert (again.exists == graph.exists).all()
        assert again.read_layers[-1] == random_model(**changes).config.n_layer


@pytest.mark.parametrize("name", ["L1H2->L1H3.k", "L1H0->L0H0.q", "MLP1->MLP0", "L0H9->logits", "nothing->logits"])
def test_there_is_no_edge_to_what_was_computed_before(name: str) -> None:
    with pytest.raises(NanoscopeError, match="the model has no edge"):
        graph_of(GPTConfig(n_layer=2, n_head=4, n_embd=16)).index(Edge.named(name))


@pytest.mark.parametrize("name", ["L0H3", "->logits", "embed->"])
def test_other_names_are_no_edges(name: str) -> None:
    with pytest.raises(NanoscopeError, match="names no edge; write one as"):
        Edge.named(name)


def test_a_parallel_mlp_reads_no_head_of_its_layer() -> None:
    edges = {str(edge) for edge in graph_of(random_model(parallel=True).config).edges}
    assert "L0H0->MLP0" not in edges
    assert {"L0H0->MLP1", "MLP0->L1H0.q", "embed->MLP0", "MLP2->logits"} <= edges


def test_without_mlps_there_are_heads_alone() -> None:
    graph = graph_of(random_model(attention_only=True, n_layer=2).config)
    assert graph.sources == ("embed", "L0H0", "L0H1", "L1H0", "L1H1")
    assert len(graph) == 6 + 6 * 3 + 5


def test_a_model_whose_stream_is_no_sum_has_no_edges() -> None:
    with pytest.raises(NanoscopeError, match="its residual stream is no sum"):
        graph_of(random_model(norm_position="post").config)
