"""Output weights of neurons: how much each neuron raises every character's logit when it is active.

`w_out W_U` of the folded model, whose writes and unembedding are centred. So a row is what the neuron adds to each logit
per unit of activation, relative to the mean logit. A long upper tail raises a few tokens (prediction), a long lower tail
suppresses a few (suppression). A write passes later norms with their gain, their scale taken as 1.
Gurnee et al. 2024 classify by kurtosis and skew; here a tail is long where the kurtosis
exceeds that of 99 % of Gaussian rows of the same length.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from torch import Tensor

from nanoscope.evidence.sweep import Sweep
from nanoscope.model.gpt import GPT
from nanoscope.seeds import seed_for
from nanoscope.text.windows import batches

MOMENTS = ("skew", "kurtosis")
ROLES = ("neither", "prediction", "suppression")
DRAWS = 20_000
MOST_NUMBERS = 2**27
"""Rows of chance have at most so many entries in all: of a large vocabulary, fewer are drawn."""
PART = 2**21
"""Entries of the rows whose moments are computed at a time."""
UNIT = "logits per activation"
TAIL = 0.99


def logit_weights(folded: GPT) -> Sweep:
    """Logits per unit of activation of a folded model with MLPs: `[layer, neuron, token]`."""
    values = np.stack([of_layer(folded, layer) for layer in range(folded.config.n_layer)])
    return Sweep(values, ("layer", "neuron", "token"), UNIT)


def of_layer(folded: GPT, layer: int) -> Float[np.ndarray, "neuron token"]:
    """The same of the neurons of one layer: of many symbols, those of all layers take much memory."""
    mlp = folded.blocks[layer].mlp
    assert mlp is not None
    return (folded.lm_head.weight @ _at_the_end(folded, layer, mlp.c_proj.weight)).T.contiguous().detach().cpu().numpy()


def of_neurons(folded: GPT, neurons: Sequence[tuple[int, int]]) -> Float[np.ndarray, "neuron token"]:
    """The same of some neurons, each a layer and an index."""
    found = np.empty((len(neurons), folded.config.vocab_size), dtype=np.float32)
    for layer in {layer for layer, _ in neurons}:
        here = [at for at, (other, _) in enumerate(neurons) if other == layer]
        found[here] = of_layer(folded, layer)[[neurons[at][1] for at in here]]
    return found


def shape(folded: GPT) -> Sweep:
    """`shape_of_rows` of all neurons of a folded model, one layer in memory at a time."""
    layers = (
        Sweep(of_layer(folded, n)[None], ("layer", "neuron", "token"), UNIT) for n in range(folded.config.n_layer)
    )
    parts = [shape_of_rows(weights).values for weights in layers]
    return Sweep(np.concatenate(parts, axis=1), ("moment", "layer", "neuron"), "moment", {"moment": MOMENTS})


def _at_the_end(model: GPT, layer: int, weight: Float[Tensor, "d_model neuron"]) -> Float[Tensor, "d_model neuron"]:
    """What an MLP writes, beyond the norms that come after it."""
    later = [norm for block in model.blocks[layer:] for norm in (block.ln_1, block.ln_2) if norm is not None][1:]
    for norm in (norm for norm in later if not norm.before):
        centred = weight - weight.mean(0) if norm.kind == "layer" else weight
        weight = centred if norm.weight is None else centred * norm.weight[:, None]
    return weight


def shape_of_rows(weights: Sweep) -> Sweep:
    """Skew and excess kurtosis over tokens: `[moment, layer, neuron]`; NaN for a row of zeros."""
    layers, neurons, tokens = weights.values.shape
    rows = weights.values.reshape(-1, tokens)
    parts = [_skew_kurtosis(rows[some].astype(np.float64)) for some in batches(len(rows), max(1, PART // tokens))]
    values = np.concatenate(parts, axis=1).reshape(2, layers, neurons)
    return Sweep(values, ("moment", "layer", "neuron"), "moment", {"moment": MOMENTS})


def roles(shape: Sweep, tokens: int) -> Sweep:
    """The role of each neuron, as an index into `ROLES`: `[layer, neuron]`."""
    skew, kurtosis = shape.values
    long = kurtosis > gaussian_kurtosis_limit(tokens)
    values = np.where(long & (skew > 0), 1, np.where(long & (skew < 0), 2, 0))
    return Sweep(values, ("layer", "neuron"), "role")


def gaussian_kurtosis_limit(tokens: int) -> float:
    """The 99 % quantile of the kurtosis of Gaussian rows of this length."""
    rng = np.random.default_rng(seed_for("rows of chance", tokens))
    drawn = min(DRAWS, MOST_NUMBERS // tokens)
    parts = [
        _skew_kurtosis(rng.standard_normal((some.stop - some.start, tokens)))[1]
        for some in batches(drawn, max(1, PART // tokens))
    ]
    return float(np.quantile(np.concatenate(parts), TAIL))


def _skew_kurtosis(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    centred = rows - rows.mean(-1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True))
    return (scaled**3).mean(-1), (scaled**4).mean(-1) - 3
