"""Judging circuits: both ends, closed forms, slow twins, and the planted circuit beside wrong ones."""

from typing import get_args

import numpy as np
import pytest
import torch
from conftest import random_model, random_tokens

from nanoscope.analysis.circuits.circuit import Circuit
from nanoscope.analysis.circuits.faithfulness import (
    ABLATIONS,
    MIB_SHARES,
    Curve,
    Faithfulness,
    ablated_writes,
    curve,
    faithfulness,
    run_circuits,
)
from nanoscope.analysis.circuits.judgement import completeness, minimality, random_circuits, worst_case
from nanoscope.analysis.circuits.scores import EdgeScores, exact_scores
from nanoscope.analysis.circuits.search import Ranking, top
from nanoscope.analysis.circuits.stability import agreement, dissociation, inclusion, matched, overlaps, resampled
from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.errors import NanoscopeError
from nanoscope.interventions.edges.graph import Graph, graph_of
from nanoscope.interventions.edges.run import run_edges, writes_of
from nanoscope.model.gpt import GPT
from nanoscope.tasks import metrics, synthetic
from nanoscope.tasks.task import Task

PLANTED = ("embed->L0H0.v", "L0H0->L1H0.k", "embed->L1H0.v", "L1H0->logits")


def _task(model: GPT, examples: int = 4, seed: int = 0) -> Task:
    clean, other = random_tokens(model, examples, 9, seed + 1), random_tokens(model, examples, 9, seed + 2)
    columns = (torch.full((examples, 1), value) for value in (3, 7, 8))
    return Task(clean, other, *columns)


def _drawn(graph: Graph, share: float = 0.5, seed: int = 0) -> Circuit:
    return Circuit(graph, graph.exists & (np.random.default_rng(seed).random(graph.exists.shape) < share))


def _induction(small_planted: Checkpoint) -> Task:
    return synthetic.copy_task(torch.arange(26), 6, 3, "judge", start=small_planted.known_vocabulary.start)


# ---- faithfulness --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ablation", ABLATIONS)
def test_the_whole_model_is_faithful_and_nothing_is_not(ablation) -> None:
    model = random_model()
    task, graph = _task(model), graph_of(model.config)
    found = faithfulness(model, task, [Circuit.whole(graph), Circuit.of(graph, [])], ablation=ablation)
    np.testing.assert_allclose(found.share, [1, 0], atol=1e-12)
    np.testing.assert_allclose(found.model, metrics.logit_diff(metrics.read(model(task.clean), task), task), atol=1e-4)


def test_many_circuits_are_single_factored_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The slow twin, also where circuits are run a few at a time."""
    model = random_model()
    task, graph = _task(model), graph_of(model.config)
    circuits = [_drawn(graph, 0.5, seed) for seed in range(5)]
    expected = [
        metrics.logit_diff(
            metrics.read(c.run(model, task.clean, writes_of(model, task.corrupt).writes).logits, task), task
        )
        for c in circuits
    ]
    for tokens in (1, 80, 10_000):
        monkeypatch.setattr("nanoscope.analysis.circuits.faithfulness.TOKENS_AT_ONCE", tokens)
        np.testing.assert_allclose(run_circuits(model, task, circuits), torch.stack(expected), atol=1e-4)


def test_the_mean_is_over_examples_at_each_position_and_source() -> None:
    model = random_model()
    task = _task(model)
    found, each = ablated_writes(model, task, "mean"), writes_of(model, task.corrupt).writes
    expected = sum(each[:, n] for n in range(len(task))) / len(task)
    for n in range(len(task)):
        torch.testing.assert_close(found[:, n], expected)
    assert not ablated_writes(model, task, "zero").any()


def test_the_worst_examples_are_those_furthest_from_the_model_in_either_direction() -> None:
    values = np.zeros((1, 200))
    values[0, :4] = [-1, 3, -2, 0.5]
    found = Faithfulness(values, np.zeros(200), np.full(200, -10.0), np.array([1]), np.array([1]), "zero")
    assert found.worst(0.01)[0] == pytest.approx((3 + 2) / 2 / 10)
    assert found.worst(0.001)[0] == pytest.approx(0.3)


def test_texts_that_do_not_differ_in_the_metric_are_refused() -> None:
    model = random_model()
    task = _task(model)
    same = Task(task.clean, task.clean, task.answer, task.answer, task.positions)
    with pytest.raises(NanoscopeError, match="the metric is the same with all edges and with none"):
        faithfulness(model, same, [Circuit.whole(graph_of(model.config))])


# ---- curves --------------------------------------------------------------------------------------------------------


def _curve(shares: list[float], faithful: list[float]) -> Curve:
    values = np.array(faithful)[:, None]
    edges = np.array([round(100 * share) for share in shares])
    at = Faithfulness(values, np.ones(1), np.zeros(1), edges, edges, "resample")
    return Curve("drawn", "signed", np.array(shares), at)


def test_areas_of_a_curve_in_closed_form() -> None:
    found = _curve([0.01, 0.1, 1.0], [0.0, 1.0, 1.0])
    assert found.cpr == pytest.approx(0.09 * 0.5 + 0.9)
    assert found.cmd == pytest.approx(0.09 * 0.5)
    assert found.log_cpr == pytest.approx(0.75)
    assert found.log_cmd == pytest.approx(0.25)
    assert found.edges_for(0.9) == 10
    assert _curve([0.01, 0.1, 1.0], [2.0, 0.5, 1.0]).edges_for(0.9) == 100, (
        "a circuit that is faithful by chance is none"
    )
    assert _curve([0.01, 1.0], [0.1, 0.2]).edges_for(0.9) is None
    perfect = _curve(list(MIB_SHARES), [1.0] * 10)
    assert (perfect.cpr, perfect.cmd) == (pytest.approx(0.999), pytest.approx(0))


def test_on_one_curve_both_areas_sum_to_at_least_one() -> None:
    """f + |1 - f| is never below 1. And CMD is never below |CPR - 0.999|: so a CPR far from 1 beside a small CMD is of two
    rankings."""
    model = random_model()
    task = _task(model)
    for ranking in get_args(Ranking):
        found = curve(model, task, exact_scores(model, task), ranking=ranking)
        assert found.cpr + found.cmd >= 0.999 - 1e-9
        assert found.cmd >= abs(found.cpr - 0.999) - 1e-9
        assert found.at.share[-1] == pytest.approx(1)
        assert list(found.at.edges) == [1, 1, 1, 1, 2, 5, 10, 20, 50, 100]


# ---- judgements ----------------------------------------------------------------------------------------------------


def test_the_planted_circuit_passes_every_test_and_circuits_without_a_part_do_not(small_planted: Checkpoint) -> None:
    model, task = small_planted.model, _induction(small_planted)
    graph = graph_of(model.config)
    true, partial = Circuit.of(graph, PLANTED), Circuit.of(graph, PLANTED[:3])
    shares = faithfulness(model, task, [true, partial, *random_circuits(true, 20)]).share
    assert shares[0] == pytest.approx(1, abs=1e-3)
    assert shares[1] == pytest.approx(0, abs=1e-3)
    assert max(shares[2:]) < 0.1
    np.testing.assert_allclose(minimality(model, task, true), 1, atol=1e-3)
    assert completeness(model, task, true, halves=3).gaps.max() < 1e-3
    assert np.abs(worst_case(model, task, true, steps=4).missing).max() < 1e-3


def test_random_circuits_have_as_many_edges_into_each_layer() -> None:
    graph = graph_of(random_model().config)
    circuit = _drawn(graph, 0.4, 3)
    found = random_circuits(circuit, 100)
    for layer in range(4):
        into = graph.read_layers == layer
        assert {int(one.on[:, into].sum()) for one in found} == {int(circuit.on[:, into].sum())}
    assert len(set(found)) == 100
    assert inclusion(found)[graph.exists].min() > 0, "every edge can be drawn"


def test_completeness_removes_each_node_from_both() -> None:
    """Restated for one node: what is left of the circuit and of the model without it."""
    model = random_model()
    task = _task(model)
    circuit = _drawn(graph_of(model.config), 0.6, 2)
    found = completeness(model, task, circuit, halves=2)
    at = found.removed.index("L1H1")
    other, mask = writes_of(model, task.corrupt).writes, torch.from_numpy(circuit.graph.exists).float()
    node = circuit.mask(model)  # the circuit's edges at the node: the same are taken from both
    node[[n for n, name in enumerate(circuit.graph.sources) if name != "L1H1"]] *= torch.tensor(
        [float(r.startswith("L1H1.")) for r in circuit.graph.reads]
    )
    for whole, expected in ((mask, found.model), (circuit.mask(model), found.circuit)):
        without = whole - node
        values = [
            metrics.logit_diff(metrics.read(run_edges(model, task.clean, m, other).logits, task), task).mean()
            for m in (without, mask, 0 * mask)
        ]
        assert float((values[0] - values[2]) / (values[1] - values[2])) == pytest.approx(float(expected[at]), abs=1e-4)
    assert found.removed[-2:] == ("half 1", "half 2")


def test_the_worst_setting_is_worse_than_any_of_many_random_ones() -> None:
    """And it is a setting of the edges outside the circuit: with everything in the circuit there is nothing to set."""
    model = random_model()
    task, graph = _task(model), graph_of(model.config)
    circuit = top(exact_scores(model, task), 30, "absolute")
    found = worst_case(model, task, circuit)
    plain = faithfulness(model, task, [circuit, *(circuit | _drawn(graph, 0.5, seed) for seed in range(50))])
    assert (found.missing >= plain.missing[0] - 1e-9).all()
    assert found.missing.mean() > plain.missing.max(0).mean()
    assert np.abs(worst_case(model, task, Circuit.whole(graph), steps=2).missing).max() < 1e-4


# ---- stability -----------------------------------------------------------------------------------------------------


def _noisy(graph: Graph, noise: float, examples: int = 40) -> EdgeScores:
    rng = np.random.default_rng(0)
    truth = np.zeros(graph.exists.shape)
    truth[0, :6] = -1
    values = (truth[..., None] + noise * rng.standard_normal((*truth.shape, examples))) * graph.exists[..., None]
    return EdgeScores("drawn", graph, values, np.full(examples, 6.0), np.zeros(examples))


def test_clear_edges_come_back_in_every_resampling_and_noise_does_not() -> None:
    graph = graph_of(random_model().config)
    clear = resampled(_noisy(graph, 0.5), 6, draws=30)
    assert agreement(clear) == 1
    assert set(inclusion(clear)[0, :6]) == {1.0}
    assert agreement(resampled(_noisy(graph, 100.0), 6, draws=30)) < 0.7
    assert np.array_equal(overlaps(clear[:3]), np.ones((3, 3)))


def test_a_circuit_under_the_names_of_another_training() -> None:
    graph = graph_of(random_model().config)
    circuit = Circuit.of(graph, ["embed->L0H0.v", "L0H0->L1H1.k", "L1H1->logits", "MLP0->L1H0.q"])
    found = matched(circuit, {"L0H0": "L0H1", "L0H1": "L0H0", "L1H1": "L1H0", "L1H0": "L1H1"})
    assert {str(edge) for edge in found.edges} == {"embed->L0H1.v", "L0H1->L1H0.k", "L1H0->logits", "MLP0->L1H1.q"}


def test_a_task_loses_everything_with_its_own_circuit_and_nothing_with_another_s(small_planted: Checkpoint) -> None:
    """Copying after a match, and predicting from the embedding alone at the first position of all."""
    model, copy = small_planted.model, _induction(small_planted)
    start, graph = small_planted.known_vocabulary.start, graph_of(model.config)
    assert start is not None
    texts = [torch.tensor([[start, n] for n in range(first, first + 3)]) for first in (10, 20)]
    own = Task(texts[0], texts[1], texts[0][:, 1:], texts[1][:, 1:], torch.ones(3, 1, dtype=torch.long))
    circuits = {"copy": Circuit.of(graph, PLANTED), "own": Circuit.of(graph, ["embed->logits"])}
    found = dissociation(model, {"copy": copy, "own": own}, circuits)
    np.testing.assert_allclose(found.diagonal(), 1, atol=0.01)
    assert abs(found[1, 0]) < 0.05
    assert found[0, 1] < 0.5
