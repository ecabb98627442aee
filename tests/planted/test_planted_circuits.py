"""Models whose circuits are known: each does its task by exactly the edges that its construction names."""

import math
from functools import cache

import numpy as np
import pytest
import torch

from nanoscope.analysis.circuits.circuit import Circuit
from nanoscope.analysis.circuits.recovery import edge_auroc
from nanoscope.analysis.circuits.scores import EdgeScores, exact_scores
from nanoscope.interventions.edges.graph import Edge, graph_of
from nanoscope.interventions.edges.run import writes_of
from nanoscope.interventions.run import run
from nanoscope.planted import basis, deep
from nanoscope.planted.circuits import CIRCUITS, GENTLE, PlantedCircuit
from nanoscope.tasks.metrics import accuracy, logit_diff, read
from nanoscope.tasks.task import Task

ROUNDING = 1e-5
"""Logits are about 10; single precision has 7 digits."""
EACH = pytest.mark.parametrize("name", CIRCUITS)


@cache
def planted_circuit(name: str, sharpness: float = GENTLE) -> PlantedCircuit:
    return CIRCUITS[name](sharpness)


@cache
def exact(name: str, step: int = 1) -> EdgeScores:
    """The exact effects of all true edges and of one in `step` of the others."""
    known = planted_circuit(name)
    edges = graph_of(known.model.config).edges
    some = [edge for n, edge in enumerate(edges) if str(edge) in known.edges or n % step == 0]
    return exact_scores(known.model, known.task[:8], edges=some)


def _score(known: PlantedCircuit, text: torch.Tensor, metric=logit_diff) -> np.ndarray:
    return metric(read(known.model(text), known.task), known.task).numpy()


def _kept(known: PlantedCircuit, edges: frozenset[str], task: Task) -> np.ndarray:
    """The logit difference with these edges from the clean run, and all others from the corrupt one."""
    circuit = Circuit.of(graph_of(known.model.config), edges)
    logits = circuit.run(known.model, task.clean, writes_of(known.model, task.corrupt).writes).logits
    return logit_diff(read(logits, task), task).numpy()


@EACH
@pytest.mark.parametrize("sharpness", [4.0, GENTLE, 60.0])
def test_it_does_its_task_and_only_with_a_copy(name: str, sharpness: float) -> None:
    known = planted_circuit(name, sharpness)
    assert len(known.task) >= 8
    assert _score(known, known.task.clean, accuracy).min() == 1.0
    assert _score(known, known.task.corrupt, accuracy).max() == 0.0


@pytest.mark.parametrize(
    ("name", "step"),
    [(name, 8 if name == "deep" else 1) for name in CIRCUITS] + [pytest.param("deep", 1, marks=pytest.mark.slow)],
)
def test_exact_effects_are_the_true_edges_and_nothing_else(name: str, step: int) -> None:
    """Of the 1,108 edges of the deep model, only the slow test measures every single one."""
    known, scores = planted_circuit(name), exact(name, step)
    true = Circuit.of(scores.graph, known.edges).on
    assert np.abs(scores.values[~true]).max() < ROUNDING
    assert scores.share[true].min() > 0.02
    assert edge_auroc(scores, known.edges) == 1.0


@EACH
@pytest.mark.parametrize("sharpness", [GENTLE, 60.0])
def test_the_true_edges_together_are_the_whole_behaviour(name: str, sharpness: float) -> None:
    """Effects of single edges leave open whether others matter together: they do not, and the true ones alone do it all."""
    known = planted_circuit(name, sharpness)
    task = known.task
    others = frozenset(map(str, graph_of(known.model.config).edges)) - known.edges
    assert _kept(known, known.edges, task) == pytest.approx(_score(known, task.clean), abs=ROUNDING)
    assert _kept(known, others, task) == pytest.approx(_score(known, task.corrupt), abs=ROUNDING)


def test_single_edges_of_saturated_heads_have_their_closed_form() -> None:
    """Saturated, the plain model adds 8 to the answer in a stream with three ones, and rests at the start without a match; two
    heads add 16."""
    known, twice = planted_circuit("plain", 60.0), planted_circuit("redundant", 60.0)
    width = known.model.config.n_embd
    logit = {write: 2 * write / math.sqrt(2 * (3 + write**2) / width) for write in (8, 16)}
    assert _score(known, known.task.clean) == pytest.approx(logit[8], abs=1e-3)
    assert _score(twice, twice.task.clean) == pytest.approx(logit[16], abs=1e-3)
    for edge in known.edges:
        assert _kept(known, frozenset(map(str, graph_of(known.model.config).edges)) - {edge}, known.task) == (
            pytest.approx(0, abs=1e-3)
        )
    effect = exact_scores(twice.model, twice.task).of("L1H0->logits")
    assert effect == pytest.approx(logit[8] - logit[16], abs=1e-3)


def test_of_two_heads_either_is_enough_and_one_edge_shows_little() -> None:
    """Taking away: less than 5 % for what one head looks for or writes, all of it for both. Giving back: one head is enough.
    (Values from the other text are worse than none: the head then writes a wrong token.)"""
    known, scores = planted_circuit("redundant"), exact("redundant")
    for edge in ("L0H0->L1H0.k", "L0H0->L1H1.k", "L1H0->logits", "L1H1->logits"):
        assert 0.02 < scores.share[scores.graph.index(Edge.named(edge))] < 0.05
    whole, clean = frozenset(map(str, scores.graph.edges)), _score(known, known.task.clean)
    for pair in ({"L0H0->L1H0.k", "L0H0->L1H1.k"}, {"L1H0->logits", "L1H1->logits"}):
        assert (_kept(known, whole - pair, known.task) / clean).max() < 0.2
    for head in ("L1H0", "L1H1"):
        alone = {edge for edge in known.edges if head not in edge}
        assert (_kept(known, frozenset(alone), known.task) / clean).min() > 0.95


def test_a_rotation_changes_no_logit_and_aligns_with_no_axis() -> None:
    known, turned = planted_circuit("plain"), planted_circuit("rotated")
    logits = [circuit.model(known.task.clean) for circuit in (known, turned)]
    assert (logits[0] - logits[1]).abs().max() < 1e-4
    assert (known.model.wte.weight != 0).sum(-1).max() == 2
    assert (turned.model.wte.weight.abs() > 1e-3).float().mean() > 0.95
    assert turned.model.wte.weight.mean(-1).abs().max() < 1e-6


def test_bases_are_orthogonal_and_keep_the_mean() -> None:
    size, generator = 12, torch.Generator().manual_seed(0)
    one, eye = torch.ones(size, dtype=torch.float64), torch.eye(size, dtype=torch.float64)
    turn, last = basis.rotation_about_the_mean(size, generator), basis.with_mean_last(size, generator)
    for matrix in (turn, last):
        assert torch.allclose(matrix @ matrix.T, eye, atol=1e-12)
    assert torch.allclose(one @ turn, one, atol=1e-12)
    assert (turn - eye).abs().max() > 0.1
    assert torch.allclose(last @ one, math.sqrt(size) * eye[-1], atol=1e-12)


@pytest.mark.parametrize("sharpness", [4.0, GENTLE, 8.0])
def test_attention_of_every_induction_head_has_its_closed_form(sharpness: float) -> None:
    """At position i: e^s at the match, e^(s/2) at the start, 1 at each of the i - 1 others."""
    for name, (layer, head) in {
        "plain": (1, 0),
        "rotated": (1, 0),
        "redundant": (1, 1),
        "deep": deep.INDUCTION,
    }.items():
        known = planted_circuit(name, sharpness)
        pattern = run(known.model, known.task.clean, keep=["pattern"]).cache["pattern", layer][:, head]
        length = known.task.clean.shape[1] // 2
        for at in known.task.positions[0].tolist():
            expected = math.exp(sharpness) / (math.exp(sharpness) + math.exp(sharpness / 2) + at - 1)
            assert pattern[:, at, at - length + 1].numpy() == pytest.approx(expected, abs=3e-4)


def test_the_pointer_and_where_it_leads_have_their_closed_form() -> None:
    """L0H0 spreads over the match, the start and the rest; the query of L1H0 is that mixture, each position moved on by one."""
    known = planted_circuit("pointer")
    found = run(known.model, known.task.clean, keep=["pattern"]).cache
    length, s = known.task.clean.shape[1] // 2, GENTLE
    for at in known.task.positions[0].tolist():
        first = np.ones(at + 1)
        first[[0, at - length]] = math.exp(s / 2), math.exp(s)
        first /= first.sum()
        assert found["pattern", 0][:, 0, at, : at + 1].numpy() == pytest.approx(np.tile(first, (16, 1)), abs=1e-5)
        second = np.exp(s * np.concatenate([[0.5, 0.0], first[1:-1]]))
        second /= second.sum()
        assert found["pattern", 1][:, 0, at, : at + 1].numpy() == pytest.approx(np.tile(second, (16, 1)), abs=1e-5)


def test_distractors_of_the_deep_model_differ_between_texts_and_reach_nothing() -> None:
    """Each writes another value in the other text somewhere, so that an effect of 0 says something; and none changes the length
    of the stream, which is the same at every position of both texts until the induction head writes."""
    known = planted_circuit("deep")
    clean, corrupt = (writes_of(known.model, text).writes for text in (known.task.clean, known.task.corrupt))
    assert (clean - corrupt).abs().amax((1, 2, 3)).min() > 1e-2
    before = graph_of(known.model.config).sources.index("L5H0")
    lengths = torch.stack([writes[:before].sum(0).norm(dim=-1) for writes in (clean, corrupt)])
    assert lengths.numpy() == pytest.approx(math.sqrt(4 + (before - 3) * deep.SMALL**2), abs=1e-5)
