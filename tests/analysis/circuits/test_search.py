"""Searches for circuits: definitions restated, both ends, and a planted circuit found."""

import numpy as np
import pytest
import torch
from conftest import random_model, random_tokens

from nanoscope.analysis.circuits.acdc import ORDERS, acdc, acdc_scores
from nanoscope.analysis.circuits.baselines import random_scores
from nanoscope.analysis.circuits.circuit import Circuit
from nanoscope.analysis.circuits.faithfulness import ablated_writes, run_masks
from nanoscope.analysis.circuits.learned import learned
from nanoscope.analysis.circuits.scores import EdgeScores
from nanoscope.analysis.circuits.search import greedy, ranked, top
from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.errors import NanoscopeError
from nanoscope.interventions.edges.graph import graph_of
from nanoscope.interventions.edges.run import run_edges, writes_of
from nanoscope.tasks import metrics, synthetic
from nanoscope.tasks.task import Task

PLANTED = {"embed->L0H0.v", "L0H0->L1H0.k", "embed->L1H0.v", "L1H0->logits"}


def _task(model, examples: int = 3) -> Task:
    clean, other = random_tokens(model, examples, 9, 1), random_tokens(model, examples, 9, 2)
    columns = (torch.full((examples, 1), value) for value in (3, 7, 8))
    return Task(clean, other, *columns)


def _scores(graph, seed: int = 0) -> EdgeScores:
    values = np.random.default_rng(seed).standard_normal((*graph.exists.shape, 1)) * graph.exists[..., None]
    return EdgeScores("drawn", graph, values, np.array([2.0]), np.array([1.0]))


def _induction(small_planted: Checkpoint) -> Task:
    return synthetic.copy_task(torch.arange(26), 6, 3, "search", start=small_planted.known_vocabulary.start)


def test_the_best_edges_are_those_that_help_most_or_change_most() -> None:
    graph = graph_of(random_model().config)
    scores = _scores(graph)
    effects = {str(edge): float(scores.of(edge)[0]) for edge in graph.edges}
    helping, changing = sorted(effects, key=lambda e: effects[e]), sorted(effects, key=lambda e: -abs(effects[e]))
    assert [str(edge) for edge in ranked(scores)] == helping, (
        "the metric falls from clean to corrupt, and with what helps"
    )
    assert [str(edge) for edge in ranked(scores, "absolute")] == changing
    assert {str(edge) for edge in top(scores, 7).edges} == set(helping[:7])


def test_a_greedy_circuit_is_grown_by_the_best_edge_that_reaches_the_logits() -> None:
    graph = graph_of(random_model().config)
    scores = _scores(graph, 3)
    worth = {edge: -float(scores.of(edge)[0]) for edge in graph.edges}
    chosen, reached = [], {"logits"}
    while len(chosen) < 25:  # the slow twin
        best = max(
            (e for e in graph.edges if e.read.partition(".")[0] in reached and e not in chosen), key=lambda e: worth[e]
        )
        chosen.append(best)
        reached.add(best.source)
    for edges in (1, 5, 25):
        assert set(greedy(scores, edges).edges) == set(chosen[:edges])
    assert greedy(scores, len(graph)) == top(scores, len(graph)) == Circuit.whole(graph)


@pytest.mark.parametrize("edges", [0, 101])
def test_more_edges_than_there_are_are_refused(edges: int) -> None:
    scores = _scores(graph_of(random_model().config))
    for search in (top, greedy):
        with pytest.raises(NanoscopeError, match=f"a circuit of {edges} edges is asked for; the model has 1 to 100"):
            search(scores, edges)


def test_acdc_at_both_ends_and_its_definition_restated() -> None:
    model = random_model(n_layer=2)
    task, graph = _task(model), graph_of(model.config)
    assert len(acdc(model, task, -np.inf).circuit) == len(graph)
    nothing = acdc(model, task, np.inf)
    assert len(nothing.circuit) == 0
    clean, other = writes_of(model, task.clean), writes_of(model, task.corrupt)
    divergence = metrics.kl(metrics.read(clean.logits, task))
    assert abs(nothing.divergence - float(divergence(metrics.read(other.logits, task), task).mean())) < 1e-4

    on, now, threshold = torch.ones(graph.exists.shape), 0.0, 0.01
    for name in reversed(graph.reads):
        for source in reversed(graph.sources):
            if graph.exists[graph.sources.index(source), graph.reads.index(name)]:
                trial = on.clone()
                trial[graph.sources.index(source), graph.reads.index(name)] = 0
                logits = run_edges(model, task.clean, trial, other.writes).logits
                new = float(divergence(metrics.read(logits, task), task).mean())
                on, now = (trial, new) if new - now < threshold else (on, now)
    found = acdc(model, task, threshold)
    assert np.array_equal(found.circuit.on, on.numpy().astype(bool) & graph.exists)
    assert 5 < len(found.circuit) < len(graph) - 5
    assert abs(found.divergence - now) < 1e-4


def test_acdc_finds_the_planted_circuit_in_any_order(small_planted: Checkpoint) -> None:
    task = _induction(small_planted)
    for order in ORDERS:
        found = acdc(small_planted.model, task, 0.01, order)
        assert {str(edge) for edge in found.circuit.edges} == PLANTED, order
        assert abs(found.divergence) < 1e-3
    scores = acdc_scores(small_planted.model, task, [1e-4, 0.01, 1.0])
    assert {str(edge) for edge in top(scores, 4).edges} == PLANTED


def test_a_threshold_must_be_a_number() -> None:
    model = random_model(n_layer=1)
    with pytest.raises(NanoscopeError, match="the threshold is no number"):
        acdc(model, _task(model), np.nan)


def test_a_learned_mask_finds_the_planted_circuit_from_random_scores(gentle_planted: Checkpoint) -> None:
    """Eight edges are asked for, of which random scores have not all four."""
    task = _induction(gentle_planted)
    graph = graph_of(gentle_planted.model.config)
    start = _scores(graph, 1)
    before = {str(edge) for edge in top(start, 8, "absolute").edges}
    assert not before >= PLANTED
    found = learned(gentle_planted.model, task, start, 8)
    assert {str(edge) for edge in found.edges} >= PLANTED


def test_a_learned_mask_is_never_further_from_the_model_than_its_start() -> None:
    model = random_model(n_layer=2)
    task = _task(model)
    start, other = random_scores(model, task), ablated_writes(model, task)
    divergence = metrics.kl(metrics.read(model(task.clean), task))
    circuits = top(start, 12, "absolute"), learned(model, task, start, 12, steps=30)
    before, after = (
        run_masks(model, task, circuit.mask(model).repeat(len(task), 1, 1), other, divergence).mean()
        for circuit in circuits
    )
    assert len(circuits[1]) == 12
    assert after < 0.8 * before
