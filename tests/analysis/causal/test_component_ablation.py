"""Ablating components together: a slow twin, both ends, and every kind of model."""

import numpy as np
import pytest
import torch
from conftest import random_model

from nanoscope.analysis.causal import component_ablation
from nanoscope.analysis.prediction import position_loss
from nanoscope.interventions.edits import mean
from nanoscope.interventions.run import run
from nanoscope.model.gpt import GPT
from nanoscope.model.sites import Site
from nanoscope.tasks import metrics
from nanoscope.text.passages import Passages, passages
from nanoscope.text.tokenizer import tokenized
from nanoscope.text.vocabulary import Vocabulary

TEXT = "the cat sat on the mat, and the dog lay on the rug.\nwhere is the hat?\n" * 9
VOCABULARY = Vocabulary.of(TEXT)


def _windows() -> tuple[Passages, torch.Tensor]:
    text = passages(tokenized(TEXT, VOCABULARY), 20, 12)
    return text[1::2], text[0::2].tokens


def _slow(model: GPT, text: Passages, sites: list[Site], reference: torch.Tensor) -> np.ndarray:
    cache = run(model, reference, keep=["z", "mlp_out"]).cache
    logits = run(model, text.tokens, [mean(site, cache) for site in sites]).logits
    losses = -metrics.chosen(metrics.log_probs(logits), text.targets).double().numpy()
    return losses.mean(1) - position_loss.of_model(model, text).mean(1)


def test_the_cost_is_that_of_one_run_with_all_edits() -> None:
    model, (text, reference) = random_model(vocab_size=len(VOCABULARY)), _windows()
    config = model.config
    sets = component_ablation.heads(config) | component_ablation.mlps(config)
    sets |= component_ablation.layers_of_heads(config)
    found = component_ablation.cost_without(model, text, sets, reference)
    assert found.labels("set") == (
        *(f"L{layer}H{head}" for layer in range(3) for head in range(2)),
        *(f"MLP{layer}" for layer in range(3)),
        *(f"heads of L{layer}" for layer in range(3)),
        "heads above L0",
    )
    every = [Site("z", layer, head=head) for layer in range(3) for head in range(2)]
    expected = {"L1H0": [every[2]], "MLP2": [Site("mlp_out", 2)], "heads of L0": every[:2], "heads above L0": every[2:]}
    for name, sites in expected.items():
        np.testing.assert_allclose(found.sel(set=name).values, _slow(model, text, sites, reference), atol=1e-4)


def test_nothing_taken_out_costs_nothing_and_neither_does_a_mean_of_itself() -> None:
    model, (text, reference) = random_model(vocab_size=len(VOCABULARY)), _windows()
    nothing = component_ablation.cost_without(model, text, {"none": (), "L0H0": (Site("z", 0, head=0),)}, reference)
    assert np.abs(nothing.sel(set="none").values).max() == 0
    one = text[:1]
    itself = component_ablation.cost_without(model, one, component_ablation.heads(model.config), one.tokens)
    assert np.abs(itself.values).max() < 1e-5


def test_two_copies_of_a_head_cover_for_one_another() -> None:
    """One head written twice, each copy half as strong: a norm makes up for one that is missing, not for both."""
    model = random_model(vocab_size=len(VOCABULARY), n_layer=1, attention_only=True)
    attn = model.blocks[0].attn
    for weights in (attn.W_Q, attn.W_K, attn.W_V):
        weights[1].copy_(weights[0])
    attn.W_O[0].mul_(20)  # so that the stream is almost only what the heads write
    attn.W_O[1].copy_(attn.W_O[0])
    text, reference = _windows()
    sets = component_ablation.heads(model.config) | component_ablation.layers_of_heads(model.config)
    costs = component_ablation.cost_without(model, text, sets, reference).values.mean(1)
    assert abs(costs[0] - costs[1]) < 1e-5
    assert costs[2] > 1.5 * (costs[0] + costs[1]) > 0.01


@pytest.mark.parametrize("layers", [1, 2])
def test_shallow_models_have_no_layers_above(layers: int) -> None:
    config = random_model(n_layer=layers).config
    assert list(component_ablation.layers_of_heads(config)) == [f"heads of L{layer}" for layer in range(layers)]


def test_every_kind_of_model_is_ablated(variant: GPT) -> None:
    letters = "".join(map(chr, torch.randint(97, 97 + 13, (400,), generator=torch.Generator().manual_seed(1)).tolist()))
    text = passages(tokenized(letters, Vocabulary(tuple(map(chr, range(97, 110))))), 16, 8)
    sets = component_ablation.heads(variant.config) | component_ablation.mlps(variant.config)
    assert any(name.startswith("MLP") for name in sets) != variant.config.attention_only
    found = component_ablation.cost_without(variant, text[1::2], sets, text[0::2].tokens)
    assert np.isfinite(found.values).all()
