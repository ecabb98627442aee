"""A planted detector is what it says, in every kind of model and layer, and every method sees it."""

import numpy as np
import pytest
import torch
from conftest import VARIANTS, random_model

from nanoscope.analysis.neurons import output_weights, selectivity, statistics
from nanoscope.analysis.neurons.activations import by_layer
from nanoscope.errors import NanoscopeError
from nanoscope.interventions.edits import zero
from nanoscope.interventions.run import run
from nanoscope.model.config import GPTConfig
from nanoscope.model.folded import fold
from nanoscope.model.sites import Site
from nanoscope.planted.neuron import not_plantable, plant_detector
from nanoscope.statistics.auroc import auroc as one_auroc
from nanoscope.tasks import metrics
from nanoscope.text.tokenizer import tokenized
from nanoscope.text.vocabulary import Vocabulary
from nanoscope.text.windows import windows

TOKEN, NEURON, SAYS = 4, 21, 9
LETTERS = "abcdefghijklm"


def _texts(batch: int = 40) -> torch.Tensor:
    return torch.randint(13, (batch, 24), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("layer", [0, 1, 2])
@pytest.mark.parametrize("name", [name for name in VARIANTS if not not_plantable(GPTConfig(**VARIANTS[name]))])
def test_it_is_active_on_its_token_and_nowhere_else(name: str, layer: int) -> None:
    model = random_model(**VARIANTS[name])
    before = {key: value.clone() for key, value in model.state_dict().items()}
    planted = plant_detector(model, TOKEN, layer, NEURON)
    tokens = _texts()
    pre = run(planted, tokens, keep=[("pre", layer)]).cache["pre", layer][..., NEURON]
    assert pre[tokens == TOKEN].min() > 0.5
    assert pre[tokens != TOKEN].abs().max() < 0.01
    labels, post = (tokens == TOKEN).flatten().numpy(), torch.relu(pre).flatten().numpy()
    assert one_auroc(post, labels) == 1
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


@pytest.mark.parametrize("layer", [0, 2])
def test_silent_it_changes_nothing_and_speaking_it_raises_one_token(layer: int) -> None:
    model, tokens = random_model(bias=True), _texts(8)
    silent = plant_detector(model, TOKEN, layer, NEURON)
    ablated = [zero(Site("post", layer, neuron=NEURON))]
    assert torch.equal(run(silent, tokens).logits, run(silent, tokens, ablated).logits)
    speaking = plant_detector(model, TOKEN, layer, NEURON, promotes=SAYS, write=3.0)
    row = output_weights.logit_weights(fold(speaking)).values[layer, NEURON]
    np.testing.assert_allclose(row, 3 * (np.eye(13)[SAYS] - 1 / 13), atol=1e-3)
    gain = (metrics.log_probs(run(speaking, tokens).logits) - metrics.log_probs(run(speaking, tokens, ablated).logits))[
        ..., SAYS
    ]
    if layer == 2:
        assert gain[tokens == TOKEN].min() > 0.1
        assert gain[tokens != TOKEN].abs().max() < 1e-3


def test_every_method_sees_it() -> None:
    """The best of its layer, beyond every shift; all its strongest examples are its token; sparse as the token is."""
    rng = np.random.default_rng(0)
    text = "".join(rng.choice(list(LETTERS), 6000))
    tokens = torch.tensor([LETTERS.index(symbol) for symbol in text])
    planted, laid = plant_detector(random_model(), TOKEN, 1, NEURON), windows(tokens, 24, 6000)
    labels = (tokens[laid.laid_out] == TOKEN).numpy()[None]
    shifts = selectivity.shifts(labels, 24, 200)
    inputs = list(by_layer(planted, laid, "pre"))[1].neurons
    auroc = np.concatenate([selectivity.auroc(ranks, labels.astype(float)) for _, ranks in selectivity.ranked(inputs)])
    chance = np.max(
        [selectivity.largest_by_chance(ranks, shifts)[0] for _, ranks in selectivity.ranked(inputs)], axis=0
    )
    assert auroc[NEURON] == 1 == auroc.max()
    assert (chance < 0.9).all()
    over = statistics.over_text(planted, laid, tokenized(text, Vocabulary(tuple(LETTERS))), 20, 10**6)
    assert {text[place] for place in over.top.places[1, NEURON]} == {LETTERS[TOKEN]}
    found = over.statistics.sel(statistic="sparsity").values[1, NEURON]
    assert found == pytest.approx(labels.mean(), abs=0.02)


def test_what_cannot_be_planted_is_said() -> None:
    with pytest.raises(NanoscopeError, match="attention-only, so no neuron can be planted"):
        plant_detector(random_model(attention_only=True), 0, 0, 0)
    with pytest.raises(NanoscopeError, match="no direction for token 3 alone; use a wider model"):
        plant_detector(random_model(vocab_size=40), 3, 0, 0)
