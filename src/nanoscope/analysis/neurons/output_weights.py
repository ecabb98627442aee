"""What neurons say by their weights: how much each raises every character's logit when it is active.

`w_out W_U` of the folded model, whose writes and unembedding are centred, so a row is what the neuron adds to each
logit per unit of activation, less what it adds to all. A neuron whose row has a long upper tail names what comes next
(prediction), one with a long lower tail what does not (suppression). Gurnee et al. 2024 read this off kurtosis and skew;
here the tail counts as long where the kurtosis exceeds that of 99 % of Gaussian rows as long.
"""

from __future__ import annotations

import numpy as np
import torch

from nanoscope.evidence.sweep import Sweep
from nanoscope.model.gpt import GPT
from nanoscope.seeds import seed_for

MOMENTS = ("skew", "kurtosis")
ROLES = ("neither", "prediction", "suppression")
DRAWS = 20_000
TAIL = 0.99


def logit_weights(folded: GPT) -> Sweep:
    """`[layer, neuron, token]`, logits per unit of activation, of a model with MLPs from `folded.fold`."""
    unembedding = folded.lm_head.weight
    rows = [unembedding @ block.mlp.c_proj.weight for block in folded.blocks if block.mlp is not None]
    values = torch.stack([row.T for row in rows]).detach().cpu().numpy()
    return Sweep(values, ("layer", "neuron", "token"), "logits per activation")


def shape_of_rows(weights: Sweep) -> Sweep:
    """Skew and kurtosis (in excess of the normal's) over tokens: `[moment, layer, neuron]`; NaN for a row of zeros."""
    rows = weights.values.astype(np.float64)
    return Sweep(np.stack(_skew_kurtosis(rows)), ("moment", "layer", "neuron"), "moment", {"moment": MOMENTS})


def roles(shape: Sweep, tokens: int) -> Sweep:
    """What each neuron is by its row, as an index into `ROLES`: `[layer, neuron]`."""
    skew, kurtosis = shape.values
    long = kurtosis > kurtosis_of_chance(tokens)
    values = np.where(long & (skew > 0), 1, np.where(long & (skew < 0), 2, 0))
    return Sweep(values, ("layer", "neuron"), "role")


def kurtosis_of_chance(tokens: int) -> float:
    """The kurtosis that 99 % of Gaussian rows of this length stay below."""
    rng = np.random.default_rng(seed_for("rows of chance", tokens))
    return float(np.quantile(_skew_kurtosis(rng.standard_normal((DRAWS, tokens)))[1], TAIL))


def _skew_kurtosis(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    off = rows - rows.mean(-1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        scaled = off / np.sqrt((off**2).mean(-1, keepdims=True))
    return (scaled**3).mean(-1), (scaled**4).mean(-1) - 3
