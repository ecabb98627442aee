"""The circuit of a behaviour: the planted one is found, whatever the method, and its numbers are the library's."""

import csv
import io
from functools import partial

import numpy as np
import pytest
import torch
from conftest import random_model, random_tokens

from nanoscope.analysis.circuits.circuit import Circuit
from nanoscope.analysis.circuits.faithfulness import FAITHFUL, faithfulness
from nanoscope.analysis.circuits.learned import learned
from nanoscope.analysis.circuits.methods import ESTIMATES
from nanoscope.analysis.circuits.scores import exact_scores
from nanoscope.analysis.circuits.search import top
from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.errors import NanoscopeError
from nanoscope.interventions.edges.graph import graph_of
from nanoscope.model.gpt import GPT
from nanoscope.tasks.metrics import logit_diff
from nanoscope.tasks.task import Task, pair
from nanoscope.text.corpora.corpus import Corpus
from nanoscope.views import circuit as view
from nanoscope.views.circuit import (
    FALLBACK,
    Method,
    Wanted,
    doubling,
    doubt,
    find,
    judge,
    require_findable,
)
from nanoscope.views.circuit_edges import as_csv, as_json, rows, strongest
from nanoscope.views.circuit_tasks import NAMES, described, named_tasks

PLANTED = {"embed->L0H0.v", "L0H0->L1H0.k", "embed->L1H0.v", "L1H0->logits"}


@pytest.fixture(scope="module")
def copying(gentle_planted: Checkpoint) -> tuple[Checkpoint, Task]:
    tokens = gentle_planted.known_vocabulary
    return gentle_planted, pair(tokens, "xabcdxabc", "xefghxabc", "d", "h")


def _task() -> tuple[GPT, Task]:
    model = random_model(n_layer=2, scale=2.0)
    clean, other = random_tokens(model, 2, 7, 1), random_tokens(model, 2, 7, 2)
    answers = torch.full((2, 1), 3), torch.full((2, 1), 7)
    return model, Task(clean, other, *answers, torch.full((2, 1), 6))


@pytest.mark.parametrize("method", ["exact", "acdc"])
def test_the_planted_circuit_is_found_without_its_size(copying: tuple[Checkpoint, Task], method: Method) -> None:
    checkpoint, task = copying
    found = find(checkpoint.model, task, task, Wanted(method))
    assert {str(edge) for edge in found.circuit.edges} == PLANTED
    assert found.faithful == pytest.approx(1, abs=0.01)
    exact = exact_scores(checkpoint.model, task)
    assert found.effects == {edge: pytest.approx(exact.of(edge)[0], abs=1e-4) for edge in found.circuit.edges}
    assert (found.clean, found.corrupt) == (pytest.approx(exact.clean[0]), pytest.approx(exact.corrupt[0]))
    assert set(found.drawn) == set(found.circuit.edges)


@pytest.mark.parametrize("method", ESTIMATES)
def test_after_an_estimate_the_effects_are_measured(copying: tuple[Checkpoint, Task], method: Method) -> None:
    """The gentle model saturates no attention, but estimates may still choose other edges."""
    checkpoint, task = copying
    found = find(checkpoint.model, task, task, Wanted(method, 4, "absolute"))
    scores = ESTIMATES[method](checkpoint.model, task, logit_diff)
    assert found.circuit == top(scores, 4, "absolute")
    exact = exact_scores(checkpoint.model, task, edges=found.circuit.edges)
    assert found.effects == {edge: pytest.approx(exact.of(edge)[0], abs=1e-4) for edge in found.circuit.edges}
    assert found.scores is not None
    assert found.scores.method == scores.method == method


def test_learned_circuits_grow_until_one_is_faithful(
    copying: tuple[Checkpoint, Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint, task = copying
    best = exact_scores(checkpoint.model, task)
    monkeypatch.setattr(view, "learned", lambda model, task, start, size, *_, **__: top(best, size))
    found = find(checkpoint.model, task, task, Wanted("learned"))
    assert found.sizes.edges.tolist() == [1, 2, 4]
    assert {str(edge) for edge in found.circuit.edges} == PLANTED
    monkeypatch.setattr(view, "learned", partial(learned, steps=3))
    assert len(find(checkpoint.model, task, task, Wanted("learned", 7)).circuit) == 7


def test_the_size_is_the_smallest_that_is_faithful() -> None:
    model, task = _task()
    found = find(model, task, task, Wanted(ranking="absolute"))
    scores = exact_scores(model, task)
    sizes = doubling(scores.graph)
    assert sizes == [1, 2, 4, 8, 16, 32]
    twin = faithfulness(model, task, [top(scores, n, "absolute") for n in sizes]).share
    enough = [n for n, share in zip(sizes, twin, strict=True) if share >= FAITHFUL and 2 * n <= len(scores.graph)]
    assert found.circuit == top(scores, enough[0] if enough else FALLBACK, "absolute")
    asked = find(model, task, task, Wanted(edges=11))
    assert asked.circuit == top(scores, 11)
    assert asked.faithful == pytest.approx(faithfulness(model, task, [top(scores, 11)]).share[0], abs=1e-5)


def test_where_no_size_is_faithful_the_best_forty_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    model, task = _task()
    monkeypatch.setattr(view, "FAITHFUL", np.inf)
    found = find(model, task, task, Wanted("eap"))
    assert (len(found.circuit), found.sizes.edges[found.at]) == (FALLBACK, FALLBACK)
    assert found.faithful == pytest.approx(faithfulness(model, task, [found.circuit]).share[0], abs=1e-5)


def test_a_circuit_is_judged_on_other_texts_than_it_was_found_on() -> None:
    model, task = _task()
    other = Task(task.clean.flip(0), task.corrupt, task.answer, task.wrong, task.positions)
    found = find(model, task, other, Wanted(edges=20, ablation="zero"))
    expected = faithfulness(model, other, [found.circuit], ablation="zero").share[0]
    assert found.faithful == pytest.approx(expected, abs=1e-5)
    again = judge(model, task, other, Circuit.from_json(found.circuit.to_json(), found.circuit.graph), "zero")
    assert again.faithful == pytest.approx(found.faithful, abs=1e-5)
    assert again.effects == {edge: pytest.approx(effect, abs=1e-5) for edge, effect in found.effects.items()}


def test_files_hold_every_edge_with_what_was_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    model, task = _task()
    monkeypatch.setattr(view, "DRAWN", 10)
    found, exact = find(model, task, task, Wanted("eap", 30)), exact_scores(model, task)
    table = list(rows(found))
    assert [f"{row['source']}->{row['read']}" for row in table] == [str(edge) for edge in exact.graph.edges]
    assert sum(row["effect"] is not None for row in table) == 10
    estimates = ESTIMATES["eap"](model, task, logit_diff)
    for row, edge in zip(table, exact.graph.edges, strict=True):
        assert row["estimate"] == pytest.approx(estimates.of(edge).mean(), abs=1e-6)
        assert row["in_circuit"] == (edge in found.circuit)
        if row["effect"] is not None:
            assert row["effect"] == pytest.approx(exact.of(edge).mean(), abs=1e-5)
            assert row["share"] == pytest.approx(exact.share[exact.graph.index(edge)], abs=1e-5)
    assert as_json(found)["edges"] == table
    read = list(csv.DictReader(io.StringIO(as_csv(found))))
    assert [row["effect"] for row in read] == ["" if row["effect"] is None else str(row["effect"]) for row in table]
    best = strongest(found, 5)
    assert [abs(row.effect) for row in best] == sorted((abs(e) for e in found.effects.values()), reverse=True)[:5]
    whole = find(model, task, task, Wanted(edges=3))
    assert all(row["effect"] is not None and row["estimate"] is None for row in rows(whole))


def test_what_has_no_circuit_is_refused(copying: tuple[Checkpoint, Task]) -> None:
    checkpoint, task = copying
    model = checkpoint.model
    same = Task(task.clean, task.clean, task.answer, task.wrong, task.positions)
    for tried, wanted, why in (
        (task, Wanted(edges=47), "--edges must be 1 to 46, the edges of this model, not 47"),
        (task, Wanted(edges=0), "not 0"),
        (same, Wanted(), "both texts are the same up to the two symbols compared"),
    ):
        with pytest.raises(NanoscopeError, match=why):
            require_findable(model, tried, wanted)
    alike = Task(task.clean, task.corrupt, task.answer, task.answer, task.positions)
    with pytest.raises(NanoscopeError, match="the logit difference is the same in both texts"):
        require_findable(model, alike, Wanted())
    with pytest.raises(NanoscopeError, match="norms come after additions"):
        require_findable(random_model(norm_position="post", final_norm=False), task, Wanted())


def test_a_small_or_turned_difference_is_told(copying: tuple[Checkpoint, Task]) -> None:
    checkpoint, task = copying
    turned = Task(task.clean, task.corrupt, task.wrong, task.answer, task.positions)
    none = Circuit.of(graph_of(checkpoint.model.config), [])
    assert doubt(judge(checkpoint.model, task, task, none)) is None
    assert "the wrong way round" in str(doubt(judge(checkpoint.model, turned, turned, none)))


@pytest.mark.parametrize("name", ["induction", "distance-1"])
def test_named_tasks_come_from_both_parts_of_a_text(small_planted: Checkpoint, name: str) -> None:
    rng = np.random.default_rng(0)
    words = ["abcab", "abdab", "xbcax", "xbdak", "hello", "world"]
    text = "".join(words[n] for n in rng.integers(0, len(words), 4000))
    corpus = Corpus("letters", text)
    found, judged = named_tasks(small_planted, corpus, name, 3)
    assert len(found) == len(judged) == 3
    assert not torch.equal(found.clean, judged.clean)
    require_findable(small_planted.model, found, Wanted())
    assert described(name)


def test_an_unknown_task_is_told_which_there_are() -> None:
    with pytest.raises(NanoscopeError, match=f"there is no task 'x'; the tasks are {', '.join(NAMES)}"):
        described("x")
    assert {"induction", "after-name", "word-end", "distance-5"} < set(NAMES)
