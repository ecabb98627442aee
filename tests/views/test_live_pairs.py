"""Two texts: what is suggested, a sweep between them part by part, and what a cell or a circuit does to the prediction."""

import numpy as np
import pytest
import torch
from conftest import LETTERS, random_model

from nanoscope.analysis.causal import patching
from nanoscope.analysis.causal.patching import DIRECTIONS
from nanoscope.analysis.circuits.circuit import Circuit
from nanoscope.analysis.circuits.faithfulness import faithfulness
from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.errors import NanoscopeError
from nanoscope.interventions.edges.graph import graph_of
from nanoscope.interventions.run import run
from nanoscope.tasks.metrics import logit_diff
from nanoscope.tasks.task import Task
from nanoscope.text.vocabulary import Vocabulary
from nanoscope.views import circuit, circuit_live, pairs, patch, patch_live
from nanoscope.views.circuit import Wanted
from nanoscope.views.circuit_live import Switches

CLEAN, CORRUPT = "abcabdacbzq", "abcxbdacbzq"


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    return Checkpoint(random_model(vocab_size=26), LETTERS)


@pytest.fixture(scope="module")
def task(checkpoint: Checkpoint) -> Task:
    return pairs.task_of(checkpoint, (CLEAN, CORRUPT), ("e", "f"))[0]


def after(checkpoint: Checkpoint, text: str) -> torch.Tensor:
    return run(checkpoint, text).logits[0, -1].log_softmax(-1)


def test_a_model_with_a_start_symbol_reads_pairs_as_it_reads_any_text() -> None:
    """`run` puts the start symbol before a text; the answers that are suggested, and the task's logits, are those."""
    vocabulary = Vocabulary((*LETTERS.symbols, "<start>"), start=26)
    checkpoint = Checkpoint(random_model(vocab_size=27), vocabulary)
    found = pairs.given(checkpoint, CLEAN, CORRUPT)
    assert found.answer == vocabulary.symbols[int(after(checkpoint, CLEAN).argmax())]
    suggested = pairs.suggested(checkpoint, CLEAN)
    assert suggested.answer == found.answer
    task = pairs.task_of(checkpoint, (CLEAN, CORRUPT), ("e", "f"))[0]
    for tokens, text in ((task.clean, CLEAN), (task.corrupt, CORRUPT)):
        read = run(checkpoint.model, tokens).logits[0, int(task.positions[0, 0])].log_softmax(-1)
        assert torch.equal(read, after(checkpoint, text))


def test_the_suggested_change_costs_the_prediction_more_than_any_other_that_was_tried(checkpoint: Checkpoint) -> None:
    found = pairs.suggested(checkpoint, CLEAN)
    differs = [n for n, (one, other) in enumerate(zip(CLEAN, found.corrupt, strict=True)) if one != other]
    assert len(differs) == 1
    assert 1 <= differs[0] < len(CLEAN) - pairs.NEAR
    answer = LETTERS.ids[found.answer]
    assert answer == int(after(checkpoint, CLEAN).argmax())
    along = run(checkpoint, CLEAN).logits[0]
    tried = []
    for at in range(1, len(CLEAN) - pairs.NEAR):
        others = [n for n in along[at - 1].argsort(descending=True).tolist() if LETTERS.symbols[n] != CLEAN[at]]
        for other in others[: pairs.TRIED]:
            text = CLEAN[:at] + LETTERS.symbols[other] + CLEAN[at + 1 :]
            tried.append(float(after(checkpoint, text)[answer]))
    assert float(after(checkpoint, found.corrupt)[answer]) == pytest.approx(min(tried), abs=1e-5)
    assert found.wrong != found.answer


def test_given_texts_are_compared_by_what_the_model_expects_after_each(checkpoint: Checkpoint) -> None:
    found = pairs.given(checkpoint, CLEAN, CORRUPT)
    assert found.answer == LETTERS.symbols[int(after(checkpoint, CLEAN).argmax())]
    order = [LETTERS.symbols[n] for n in after(checkpoint, CORRUPT).argsort(descending=True)]
    assert found.wrong == next(symbol for symbol in order if symbol != found.answer)


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("sweep", ["residual", "heads", "heads-by-position", "mlps"])
def test_the_parts_of_a_sweep_are_the_sweep(checkpoint: Checkpoint, task: Task, sweep: str, direction: str) -> None:
    cells = patch.grid(checkpoint.model, task, sweep)
    whole = patching.exact(checkpoint.model, task, logit_diff, cells, directions=[direction])
    parts = list(patch_live.in_parts(checkpoint.model, task, cells, direction))
    assert len(parts) == -(-len(cells.cells) // patch_live.LEAST)
    np.testing.assert_allclose(np.concatenate([part.changes for part in parts]), whole.change.values.ravel(), atol=1e-5)
    np.testing.assert_allclose(parts[-1].so_far.metric.values, whole.metric.values, atol=1e-5)
    assert np.isnan(parts[0].so_far.metric.values).sum() == len(cells.cells) - len(parts[0].changes)


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_a_cell_changes_the_prediction_as_the_sweep_says(checkpoint: Checkpoint, task: Task, direction: str) -> None:
    cells, names = patch.grid(checkpoint.model, task, "heads"), LETTERS.names(26)
    whole = patching.exact(checkpoint.model, task, logit_diff, cells, directions=[direction])
    texts = {"denoise": (CORRUPT, CLEAN), "noise": (CLEAN, CORRUPT)}[direction]
    for number in range(len(cells.cells)):
        found = patch_live.of_cell(checkpoint.model, task, cells, number, direction, names)
        assert found.after.logit_difference == pytest.approx(whole.metric.values.ravel()[number], abs=1e-4)
        for one, text in zip((found.before, found.source), texts, strict=True):
            chances = after(checkpoint, text).exp()
            np.testing.assert_allclose(one.chances, chances.topk(6).values, rtol=1e-4)
            assert one.answer == pytest.approx(float(chances[LETTERS.ids["e"]]), rel=1e-4)


def test_all_edges_are_the_clean_run_none_the_corrupt_and_some_as_faithful_as_measured(
    checkpoint: Checkpoint, task: Task
) -> None:
    model, names = checkpoint.model, LETTERS.names(26)
    graph = graph_of(model.config)
    whole, nothing = Circuit.whole(graph), Circuit.of(graph, [])
    ends = [circuit_live.judged(model, task, one, names) for one in (whole, nothing)]
    assert [one.faithfulness for one in ends] == pytest.approx([1, 0], abs=1e-5)
    np.testing.assert_allclose(ends[0].circuit.chances, ends[0].model.chances, rtol=1e-4)
    np.testing.assert_allclose(ends[1].circuit.chances, ends[1].nothing.chances, rtol=1e-4)
    some = Circuit.of(graph, graph.edges[::2])
    expected = faithfulness(model, task, [some]).share[0]
    assert circuit_live.judged(model, task, some, names).faithfulness == pytest.approx(expected, abs=1e-4)


def test_a_node_that_is_off_takes_all_its_edges_and_nothing_else(checkpoint: Checkpoint) -> None:
    graph = graph_of(checkpoint.model.config)
    whole = Circuit.whole(graph)
    for node in ("L1H0", "MLP1", "embed", "logits"):
        left = Switches(nodes=[node]).of(whole)
        gone = {str(edge) for edge in (whole - left).edges}
        ends = {str(e) for e in graph.edges if node in (e.source, e.read.partition(".")[0])}
        assert gone == ends
    assert len(Switches(edges=["embed->L0H0.q"]).of(whole)) == len(graph) - 1
    for wrong in (Switches(nodes=["L9H0"]), Switches(edges=["L2H0->L0H0.q"])):
        with pytest.raises(NanoscopeError, match="the model has no"):
            wrong.of(whole)


def test_the_diagram_has_the_circuits_edges_with_their_measured_effects(checkpoint: Checkpoint, task: Task) -> None:
    found = circuit.find(checkpoint.model, task, task, Wanted("exact", 12))
    drawn = circuit_live.diagram(found)
    assert {one.name: one.effect for one in drawn.arrows} == {str(e): v for e, v in found.drawn.items()}
    at = {node.name: (node.x, node.y) for node in drawn.nodes}
    for arrow in drawn.arrows:
        (x, y), (to, top) = at[arrow.source], at[arrow.reader]
        assert arrow.share == pytest.approx(arrow.effect / found.change)
        assert arrow.way[:2] == pytest.approx((x, y - drawn.half_height))
        assert arrow.way[-1] == pytest.approx(top + drawn.half_height)
        assert abs(arrow.way[-2] - to) < drawn.half_width
    assert {node.name for node in drawn.nodes if node.live} == {n for a in drawn.arrows for n in (a.source, a.reader)}
