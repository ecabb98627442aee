"""A neuron's card shows the run's own activations; the neurons of a text are ordered by them; costs are of what there is."""

import numpy as np
import pytest
from conftest import LETTERS, random_model

from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.errors import NanoscopeError
from nanoscope.interventions.run import run
from nanoscope.text.corpora import Corpus
from nanoscope.views import neuron_cards
from nanoscope.views.costs import costs
from nanoscope.views.neurons import NeuronsOverText

TEXT = "abcabdacbz"


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    return Checkpoint(random_model(vocab_size=26), LETTERS)


@pytest.fixture(scope="module")
def over(shakespeare: Corpus) -> NeuronsOverText:
    model = random_model(vocab_size=len(shakespeare.vocabulary), n_layer=2)
    return NeuronsOverText.of(Checkpoint(model, shakespeare.vocabulary), shakespeare, "a random model")


def test_neurons_of_a_text_are_those_with_the_largest_activations(checkpoint: Checkpoint) -> None:
    post = run(checkpoint, TEXT, keep=["post"]).cache.layers("post")[:, 0].numpy()
    found = neuron_cards.on_text(checkpoint, TEXT, 5)
    peaks = np.sort(post.max(1).ravel())[::-1][:5]
    assert [max(one.activations) for one in found] == pytest.approx(peaks.tolist())
    for one in found:
        np.testing.assert_allclose(one.activations, post[one.layer, :, one.neuron])
        assert one.largest is None


def test_the_chosen_neuron_comes_first_and_once(checkpoint: Checkpoint) -> None:
    best = neuron_cards.on_text(checkpoint, TEXT, 4)
    second = best[1].layer, best[1].neuron
    found = neuron_cards.on_text(checkpoint, TEXT, 4, [second])
    assert [one.name for one in found] == [best[n].name for n in (1, 0, 2, 3)]


def test_a_card_shows_the_activations_of_the_text_that_it_shows(over: NeuronsOverText) -> None:
    card, neuron = neuron_cards.card(over, (1, 3)), (1, 3)
    assert [one.kind for one in card.examples][:2] == ["top 1", "top 2"]
    assert sum(card.counts) == over.over.sample.shape[-1]
    statistics = {one.name: one.value for one in card.statistics}
    middle = len(card.examples[0].text) // 2
    assert card.examples[0].activations[middle] == pytest.approx(statistics["max"], rel=1e-4)
    strongest = [one.activations[middle] for one in card.examples if one.kind.startswith("top")]
    assert strongest == sorted(strongest, reverse=True)
    deciles = [one.activations[middle] for one in card.examples if one.kind.startswith("decile")]
    assert deciles == sorted(deciles, reverse=True)
    assert deciles[0] < strongest[-1]
    assert [one.name for one in card.raises][:4] == over.raised_by(neuron)
    assert card.lowers[0].value < 0 < card.raises[0].value


def test_with_the_corpus_neurons_are_compared_with_their_own_largest(over: NeuronsOverText) -> None:
    checkpoint = over.setting.checkpoint
    found = neuron_cards.on_text(checkpoint, "ROMEO:", 6, over=over)
    shares = [max(one.activations) / one.largest for one in found if one.largest]
    assert len(shares) == 6
    assert shares == sorted(shares, reverse=True)
    expected = over.active("ROMEO:", [], 6)
    assert [(one.layer, one.neuron) for one in found] == list(expected.neurons)


def test_concepts_are_those_of_the_command(over: NeuronsOverText) -> None:
    found, (on, silent) = neuron_cards.concepts(over, (0, 2)), over.concepts_of((0, 2))
    assert [(one.name, one.value) for one in found.on] == on
    assert [(one.name, one.value) for one in found.silent] == silent


@pytest.mark.parametrize("name", ["L0H1", "L0", "N3", "", "L0N1 L0N2"])
def test_what_names_no_neuron_is_said(name: str) -> None:
    with pytest.raises(NanoscopeError, match="names no neuron"):
        neuron_cards.named(name)


def test_what_a_model_lacks_is_said(checkpoint: Checkpoint, over: NeuronsOverText) -> None:
    with pytest.raises(NanoscopeError, match="there is no neuron L7N0"):
        neuron_cards.on_text(checkpoint, TEXT, 4, [(7, 0)])
    with pytest.raises(NanoscopeError, match="there is no neuron"):
        neuron_cards.card(over, (0, 9999))
    with pytest.raises(NanoscopeError, match="no neurons"):
        neuron_cards.on_text(Checkpoint(random_model(vocab_size=26, attention_only=True), LETTERS), TEXT, 4)


def test_costs_are_said_of_what_a_model_has(checkpoint: Checkpoint) -> None:
    found = costs(checkpoint)
    assert found.tuned_lens > 0
    assert found.neurons is not None
    assert found.circuit is not None
    none = costs(Checkpoint(random_model(vocab_size=26, attention_only=True, norm_position="post"), LETTERS))
    assert none.neurons is none.circuit is None
