"""Whether a neuron is on for a concept or silent on it: planted neurons, seen by the search, the report and the view."""

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from conftest import random_model

from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.neurons.labels import labels
from nanoscope.experiments.neurons.reporting import report
from nanoscope.experiments.neurons.search import Found, Split, described, search
from nanoscope.experiments.neurons.stored import best_aurocs, chosen_neuron
from nanoscope.interventions.run import run
from nanoscope.model.gpt import GPT
from nanoscope.planted.neuron import plant_detector
from nanoscope.statistics.auroc import auroc as one_auroc
from nanoscope.text.corpora import Corpus
from nanoscope.text.tokenizer import tokenized
from nanoscope.text.vocabulary import Vocabulary
from nanoscope.text.windows import windows
from nanoscope.views.neurons import NeuronsOverText

LETTERS = tuple("abcdefghijklm")
TOKEN, LAYER, NEURON = 4, 0, 21
CONCEPT, NAME = "current e", "L0N21"
TEXT = "".join(np.random.default_rng(0).choice(LETTERS, 4000))


def _plain() -> GPT:
    return random_model(bias=True, n_layer=2)


def _on() -> GPT:
    return plant_detector(_plain(), TOKEN, LAYER, NEURON)


def _off() -> GPT:
    """The same neuron at about -1 everywhere and at -5 or lower on its token: GELU(-1) = -0.16 is less than GELU(-5) = 0."""
    model = _on()
    mlp = model.blocks[LAYER].mlp
    assert mlp is not None
    assert mlp.c_fc.bias is not None
    tokens = _split(model).windows.tokens
    least = run(model, tokens, keep=["pre"]).cache["pre", LAYER][..., NEURON][tokens == TOKEN].min()
    mlp.c_fc.bias[NEURON] *= -4 / least
    mlp.c_fc.bias[NEURON] -= 1
    mlp.c_fc.weight[NEURON] *= -4 / least
    return model


def _split(model: GPT) -> Split:
    read = tokenized(TEXT, Vocabulary(LETTERS))
    laid = windows(read.tokens, model.config.block_size, len(TEXT))
    return Split(laid, labels((read, laid), (read, laid), 50)[0])


def _measured(model: GPT) -> tuple[Found, Mapping[str, Sweep]]:
    split, strange = _split(model), random_model(seed=9, bias=True, n_layer=2)
    found = search(model, strange, split, 40, 0)
    return found, {**report(model, strange, split, found, 0), **described(found, split.labels)}


def _of(sweeps: Mapping[str, Sweep], source: str) -> tuple[str, float, tuple[float, ...]]:
    """A concept's neuron, its AUROC, and the shares of characters in and outside the concept on which it is active."""
    at = sweeps["families"].labels("concept").index(CONCEPT)
    shares = tuple(sweeps["active"].sel(source=source, concept=CONCEPT).values.tolist())
    return chosen_neuron(sweeps, at, source), float(best_aurocs(sweeps, source)[at]), shares


def test_a_neuron_that_is_on_for_a_concept_is_seen_as_on() -> None:
    name, auroc, (inside, outside) = _of(_measured(_on())[1], "neurons")
    assert (name, auroc, inside) == (NAME, 1, 1)
    assert outside < 1


def test_a_neuron_that_is_strongly_off_is_seen_as_off_and_is_no_detector() -> None:
    """After the GELU it looks like a perfect detector."""
    model = _off()
    found, sweeps = _measured(model)
    name, auroc, active = _of(sweeps, "silent")
    assert (name, auroc, active) == (NAME, 0, (0, 0))
    assert _of(sweeps, "neurons")[0] != NAME
    at = sweeps["families"].labels("concept").index(CONCEPT)
    assert found.auroc[LAYER, NEURON, at] == 0
    split = _split(model)
    post = run(model, split.windows.tokens, keep=["post"]).cache["post", LAYER][..., NEURON].flatten().numpy()
    assert one_auroc(post, split.labels.of(CONCEPT)) == 1, "the trap that this is about"


def test_a_model_with_neither_shows_neither() -> None:
    found, sweeps = _measured(_plain())
    at = sweeps["families"].labels("concept").index(CONCEPT)
    assert 0.1 < found.auroc[LAYER, NEURON, at] < 0.9
    assert NAME not in (_of(sweeps, "neurons")[0], _of(sweeps, "silent")[0])


def _rank_sum(values: np.ndarray, where: np.ndarray) -> float:
    """The AUROC by its definition."""
    order = sorted(range(len(values)), key=lambda i: values[i])
    place = {at: rank for rank, at in enumerate(order, 1)}
    ones = np.flatnonzero(where)
    pairs = len(ones) * (len(values) - len(ones))
    return (sum(place[int(i)] for i in ones) - len(ones) * (len(ones) + 1) / 2) / pairs


def test_what_is_reported_is_its_slow_twin_on_a_plain_run() -> None:
    """Best and silent neuron, and where they are active, from one forward pass and rank sums by definition."""
    model = _plain()
    found, sweeps = _measured(model)
    split = _split(model)
    cache = run(model, split.windows.tokens, keep=["pre"]).cache
    for concept in ("current a", "next c", "first quarter of its window"):
        c = split.labels.names.index(concept)
        where = split.labels.of(concept)
        for source, of in (("neurons", 0), ("silent", 1)):
            layer = int(found.layers(source)[c])
            values = cache["pre", layer][..., int(found.chosen[of, layer, c])].flatten().numpy()
            assert best_aurocs(sweeps, source)[c] == pytest.approx(_rank_sum(values, where), abs=1e-3)
            shares = sweeps["active"].sel(source=source, concept=concept).values
            assert shares == pytest.approx([(values[where] > 0).mean(), (values[~where] > 0).mean()])


def test_the_same_quantity_stands_in_the_controls_and_in_the_curve_by_depth() -> None:
    """Random directions are of inputs, the untrained model's neurons too; `depth` is the mean of each layer's best."""
    model, strange = _on(), random_model(seed=9, bias=True, n_layer=2)
    found, _ = _measured(model)
    split = _split(model)
    first = run(strange, split.windows.tokens, keep=["pre"]).cache["pre", 1].flatten(0, 1)
    c = split.labels.names.index("next c")
    at = int(found.chosen[3, 1, c])
    assert found.best[3, 1, c] == pytest.approx(_rank_sum(first[:, at].numpy(), split.labels.of("next c")), abs=1e-3)
    aurocs = [_rank_sum(first[:, unit].numpy(), split.labels.of("next c")) for unit in range(0, 64, 9)]
    assert max(aurocs) <= found.best[3, 1, c] + 1e-3


def test_the_view_names_the_silent_neuron_as_silent() -> None:
    text = "".join(np.random.default_rng(1).choice([*"abcdefghijklm", " "], 30_000))
    model = random_model(bias=True, n_layer=1, n_embd=32, vocab_size=14)
    view = NeuronsOverText.of(Checkpoint(model, Vocabulary((*LETTERS, " "))), Corpus("letters", text), "a model")
    rows = [row for row in view.best(20)[0] if row.concept in ("vowel", "consonant")]
    assert len(rows) == 2
    for row in rows:
        assert row.silent.auroc < 0.5 < row.on.auroc
        assert row.silent.neuron != row.on.neuron
        assert row.on.name == f"L{row.on.neuron[0]}N{row.on.neuron[1]}"
    on, silent = view.concepts_of(rows[0].on.neuron)
    assert on[0][1] > 0.5 > silent[0][1]
    assert torch.is_tensor(view.over.sample)
