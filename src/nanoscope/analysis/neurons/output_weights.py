"""Output weights of neurons: how much each neuron raises every character's logit when it is active.

`w_out W_U` of the folded model, whose writes and unembedding are centred. So a row is what the neuron adds to each logit
per unit of activation, relative to the mean logit. A long upper tail raises a few tokens (prediction), a long lower tail
suppresses a few (suppression). A write passes later norms with their gain, their scale taken as 1.
Gurnee et al. 2024 classify by kurtosis and skew; here a tail is long where the kurtosis
exceeds that of 99 % of Gaussian rows of the same length.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from nanoscope.evidence.sweep import Sweep
from nanoscope.model.gpt import GPT
from nanoscope.seeds import seed_for

MOMENTS = ("skew", "kurtosis")
ROLES = ("neither", "prediction", "suppression")
DRAWS = 20_000
TAIL = 0.99


def logit_weights(folded: GPT) -> Sweep:
    """Logits per unit of activation of a folded model with MLPs: `[layer, neuron, token]`."""
    unembedding = folded.lm_head.weight
    writes = [block.mlp.c_proj.weight for block in folded.blocks if block.mlp is not None]
    rows = [unembedding @ _at_the_end(folded, layer, weight) for layer, weight in enumerate(writes)]
    values = torch.stack([row.T for row in rows]).detach().cpu().numpy()
    return Sweep(values, ("layer", "neuron", "token"), "logits per activation")


def _at_the_end(model: GPT, layer: int, weight: Float[Tensor, "d_model neuron"]) -> Float[Tensor, "d_model neuron"]:
    """What an MLP writes, beyond the norms that come after it."""
    later = [norm for block in model.blocks[layer:] for norm in (block.ln_1, block.ln_2) if norm is not None][1:]
    for norm in (norm for norm in later if not norm.before):
        centred = weight - weight.mean(0) if norm.kind == "layer" else weight
        weight = centred if norm.weight is None else centred * norm.weight[:, None]
    return weight


def shape_of_rows(weights: Sweep) -> Sweep:
    """Skew and excess kurtosis over tokens: `[moment, layer, neuron]`; NaN for a row of zeros."""
    rows = weights.values.astype(np.float64)
    return Sweep(np.stack(_skew_kurtosis(rows)), ("moment", "layer", "neuron"), "moment", {"moment": MOMENTS})


def roles(shape: Sweep, tokens: int) -> Sweep:
    """The role of each neuron, as an index into `ROLES`: `[layer, neuron]`."""
    skew, kurtosis = shape.values
    long = kurtosis > gaussian_kurtosis_limit(tokens)
    values = np.where(long & (skew > 0), 1, np.where(long & (skew < 0), 2, 0))
    return Sweep(values, ("layer", "neuron"), "role")


def gaussian_kurtosis_limit(tokens: int) -> float:
    """The 99 % quantile of the kurtosis of Gaussian rows of this length."""
    rng = np.random.default_rng(seed_for("rows of chance", tokens))
    return float(np.quantile(_skew_kurtosis(rng.standard_normal((DRAWS, tokens)))[1], TAIL))


def _skew_kurtosis(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    centred = rows - rows.mean(-1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True))
    return (scaled**3).mean(-1), (scaled**4).mean(-1) - 3
