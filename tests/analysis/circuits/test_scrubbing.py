"""Causal scrubbing: the ends of its scale, an expectation counted out, and the planted hypothesis beside wrong ones."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from conftest import VARIANTS, random_model, random_tokens

from nanoscope.analysis.circuits.scrubbing import (
    Agree,
    Matters,
    continuation,
    induction,
    itself,
    nothing,
    scrub,
    token_back,
)
from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.errors import NanoscopeError
from nanoscope.interventions.edges.graph import LOGITS, Graph, graph_of
from nanoscope.interventions.edges.run import writes_of
from nanoscope.model.gpt import GPT
from nanoscope.planted.induction import Planted, planted_induction
from nanoscope.tasks import synthetic
from nanoscope.tasks.metrics import loss
from nanoscope.tasks.task import Task
from nanoscope.text.vocabulary import Vocabulary


def _task(model: GPT, examples: int = 8) -> Task:
    tokens = random_tokens(model, examples, 9)
    answers = tokens[:, -1:]
    return Task(tokens[:, :-1], tokens[:, :-1], answers, answers, torch.full((examples, 1), 7))


def _everything(graph: Graph, read: str, agree: Agree) -> Iterator[Matters]:
    """All edges into a read, with all edges into their sources, and so on down."""
    for number in np.flatnonzero(graph.exists[:, graph.reads.index(read)]):
        source = graph.sources[number]
        inputs = [one for n in graph.reads_of(source) for one in _everything(graph, graph.reads[n], agree)]
        yield Matters(f"{source}->{read}", agree, tuple(inputs))


# ---- the ends of the scale -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "heads"), [("gpt2", 1), ("pythia", 1), ("attention_only", 2)])
def test_if_everything_matters_and_texts_agree_with_themselves_all_is_recovered(name: str, heads: int) -> None:
    model = random_model(**VARIANTS[name], n_layer=2, n_head=heads).double()
    found = scrub(model, _task(model), tuple(_everything(graph_of(model.config), LOGITS, itself)), draws=1)
    np.testing.assert_allclose(found.losses, found.model[None], rtol=1e-9)
    assert found.recovered == pytest.approx(1, abs=1e-9)
    assert {share for _, share in found.exchanged} == {0.0}


def test_if_all_texts_agree_on_the_only_write_nothing_is_recovered() -> None:
    """Without attention and MLPs only the embedding writes, so from any text it is the empty hypothesis."""
    model = random_model(n_layer=2)
    for block in model.blocks:
        block.attn.c_proj.weight.zero_()
        block.mlp.c_proj.weight.zero_()
    found = scrub(model, _task(model), (Matters("embed->logits", nothing),), draws=40)
    assert abs(found.recovered) < 4 * found.error
    assert found.exchanged == (("embed->logits", pytest.approx(7 / 8)),)


def test_the_empty_hypothesis_recovers_nothing() -> None:
    model = random_model(**VARIANTS["llama"], n_layer=2)
    found = scrub(model, _task(model), (), draws=40)
    assert 0 < found.error < 1
    assert abs(found.recovered) < 4 * found.error
    assert scrub(model, _task(model), (), draws=1).error == np.inf


def test_draws_tend_to_the_expectation_over_all_texts() -> None:
    """Counted out for two edges into the logits: every pair of texts that agree, beside every text for all the rest."""
    model = random_model(vocab_size=3, n_layer=2)
    task, graph = _task(model, 6), graph_of(model.config)
    own, first, second = writes_of(model, task.clean).writes, "embed", "L1H1"
    labels = {first: task.clean[:, 7], second: task.clean[:, 6]}
    at = {name: graph.sources.index(name) for name in labels}
    rest = own[:, :, 7].sum(0) - own[at[first], :, 7] - own[at[second], :, 7]
    expected = []
    for example in range(6):
        alike = {name: own[at[name], labels[name] == labels[name][example], 7] for name in labels}
        streams = alike[first][:, None, None] + alike[second][None, :, None] + rest[None, None]
        logits = model.unembed(streams.flatten(0, 2))
        one = task[example : example + 1].tiled(len(logits))
        expected.append(float(loss(logits[:, None], one).mean()))
    hypothesis = (Matters("embed->logits", token_back(0)), Matters("L1H1->logits", token_back(1)))
    found = scrub(model, task, hypothesis, draws=80)
    error = found.losses.std(0, ddof=1) / np.sqrt(80)
    assert (np.abs(found.losses.mean(0) - expected) < 4 * error).all()
    assert np.ptp(expected) > 10 * error.max()


# ---- the planted induction model -------------------------------------------------------------------------------------


def _planted(write: float = 8.0) -> tuple[Checkpoint, Task]:
    planted = planted_induction(Vocabulary(tuple("abcdefghijkl")), Planted(write=write, context=24))
    start = planted.known_vocabulary.start
    return planted, synthetic.copy_task(torch.arange(12), 8, 48, "scrubbing", prefix=2, start=start)


TRUE = induction(["L0H0"], ["L1H0"])
TOKEN = token_back(0)


def test_the_true_hypothesis_recovers_all_of_the_planted_behaviour() -> None:
    planted, task = _planted()
    deeper = (
        Matters("L1H0->logits", continuation, (
            Matters("embed->L1H0.q", TOKEN),
            Matters("L0H0->L1H0.k", token_back(1), (Matters("embed->L0H0.v", TOKEN),)),
            Matters("embed->L1H0.v", TOKEN),
        )),
    )  # fmt: skip
    for hypothesis in (TRUE, deeper):
        found = scrub(planted.model, task, hypothesis, draws=2)
        assert found.recovered == pytest.approx(1, abs=1e-6)
        assert found.random.mean() > found.model.mean() + 1
        assert min(share for _, share in found.exchanged) > 0.7, "most writes come from other texts"


@pytest.mark.parametrize(
    ("key", "value", "query"),
    [(token_back(2), TOKEN, TOKEN), (token_back(1), token_back(1), TOKEN), (token_back(1), TOKEN, token_back(1))],
)
def test_a_wrong_hypothesis_is_clearly_below(key: Agree, value: Agree, query: Agree) -> None:
    planted, task = _planted()
    inputs = Matters("embed->L1H0.q", query), Matters("L0H0->L1H0.k", key), Matters("embed->L1H0.v", value)
    found = scrub(planted.model, task, (Matters("L1H0->logits", continuation, inputs),), draws=4)
    assert found.recovered + 4 * found.error < 0.75


def test_leaving_out_what_works_against_the_behaviour_recovers_more_than_all() -> None:
    """The tied unembedding gives the current token a logit of its own, which competes with what a weak induction head writes.
    From any text it is another token's, now and then the answer's. Naming it brings back the model's own loss."""
    planted, task = _planted(write=1.5)
    own = Matters("embed->logits", itself), Matters("L0H0->logits", itself)
    assert scrub(planted.model, task, (*TRUE, *own), draws=2).recovered == pytest.approx(1, abs=1e-6)
    without = scrub(planted.model, task, TRUE, draws=8)
    assert without.recovered - 4 * without.error > 1


# ---- what must agree, and what is refused ----------------------------------------------------------------------------


def test_labels_say_what_texts_agree_on() -> None:
    tokens = torch.tensor([[5, 6, 5, 7, 5], [5, 5, 5, 8, 8]])
    assert continuation(tokens).tolist() == [[-1, -1, 6, -1, 7], [-1, 5, 5, -1, 8]]
    assert token_back(2)(tokens).tolist() == [[-1, -1, 5, 6, 5], [-1, -1, 5, 5, 5]]
    assert token_back(0)(tokens).tolist() == tokens.tolist()
    assert itself(tokens).tolist() == [[0] * 5, [1] * 5]


def test_the_same_seed_draws_the_same_texts() -> None:
    model = random_model()
    one, same, other = (scrub(model, _task(model), (), draws=2, seed=seed) for seed in (0, 0, 1))
    assert (one.losses == same.losses).all()
    assert (one.losses != other.losses).any()


@pytest.mark.parametrize(
    ("hypothesis", "says"),
    [
        ([Matters("L0H0->L1H0.k", itself)], "L0H0->L1H0.k does not lead to logits, below which it stands"),
        ([Matters("L1H0->logits", itself, (Matters("embed->L0H0.q", itself),))], "does not lead to L1H0"),
        ([Matters("embed->logits", itself), Matters("embed->logits", nothing)], "an edge to logits is in the hypothesis twice"),
        ([Matters("L9H0->logits", itself)], "the model has no edge L9H0->logits"),
    ],
)  # fmt: skip
def test_a_tree_that_does_not_hang_together_is_refused(hypothesis: list[Matters], says: str) -> None:
    model = random_model()
    with pytest.raises(NanoscopeError, match=says):
        scrub(model, _task(model), hypothesis)


def test_no_draws_labels_of_another_shape_and_texts_without_differences_are_refused() -> None:
    model = random_model()
    task = _task(model)
    with pytest.raises(NanoscopeError, match="draws must be at least 1, not 0"):
        scrub(model, task, (), draws=0)
    with pytest.raises(NanoscopeError, match="one label for each text and position"):
        scrub(model, task, [Matters("embed->logits", lambda tokens: tokens[:, 0])])
    alike = task[:1].tiled(8)
    with pytest.raises(NanoscopeError, match="give texts with different answers"):
        scrub(model, alike, ())
