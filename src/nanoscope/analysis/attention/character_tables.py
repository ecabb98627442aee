"""OV and QK circuits of a head, character by character: attending to "q" raises "u"; a space attends to vowels.

OV: x_s W_V W_O W_U for every source character s, in logits of every target at the average scale of the final norm. QK:
x_a W_Q W_K^T x_b for every query character a and key character b, in pre-softmax scores. x_s is the mean normalised input
of the layer at a character, minus its mean over the text: raw embeddings differ from what later layers read. Positions
are averaged over, so a head that attends by position has a flat QK table. Rotated keys are averaged over all distances
likewise, each as often as it occurs in a full context.

For folded weights. Source: Elhage et al. 2021, "Interpreting attention heads by their OV and QK circuits".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from nanoscope.evidence.sweep import Sweep
from nanoscope.interventions.run import activations
from nanoscope.model.arithmetic import norm_before, norm_scale
from nanoscope.model.folded import head_weights
from nanoscope.model.gpt import GPT
from nanoscope.model.positions import turned

CHUNK = 32
MOST = 512
"""Of a larger vocabulary, the tables show this many symbols, the most frequent: they grow with the square of the number."""


@dataclass(frozen=True)
class Tables:
    """Both circuits of every head, for all or the most frequent symbols of a vocabulary. Those that never occur have zero
    rows and columns."""

    ov: Sweep
    """`[layer, head, source, target]`, logits."""
    qk: Sweep
    """`[layer, head, query, key]`, score."""
    count: Sweep
    """`[character]`, how often each occurs."""
    symbols: Int[np.ndarray, "character"]
    """The token id of each row and column."""


def tables(folded: GPT, tokens: Int[Tensor, "window pos"], most: int = MOST) -> Tables:
    """The tables of a folded model, for at most so many symbols; the layers' inputs are averaged over some windows."""
    count = torch.bincount(tokens.flatten().cpu(), minlength=folded.config.vocab_size).float()
    shown = torch.arange(len(count))
    if len(count) > most:
        shown = count.argsort(descending=True, stable=True)[:most].sort().values
    read, scale = _reads(folded, tokens, count, shown)
    w, count = head_weights(folded), count[shown]
    raised = w.W_U if len(shown) == w.W_U.shape[1] else w.W_U[:, shown]
    ov = torch.einsum("lsd,lhdk,lhke,et->lhst", read, w.W_V, w.W_O, raised) / scale
    mean = ov.mean(-1, keepdim=True)
    if len(shown) < w.W_U.shape[1]:  # over all symbols, also those that are not shown
        mean = torch.einsum("lsd,lhdk,lhke,et->lhst", read, w.W_V, w.W_O, w.W_U.mean(1, keepdim=True)) / scale
    queries, keys = (torch.einsum("lsd,lhdk->lhsk", read, weight) for weight in (w.W_Q, w.W_K))
    keys = keys if folded.config.positions != "rotary" else _over_distances(folded, keys)
    qk = queries @ keys.transpose(-1, -2) * folded.config.score_scale
    return Tables(
        Sweep((ov - mean).numpy(), ("layer", "head", "source", "target"), "logits"),
        Sweep(qk.numpy(), ("layer", "head", "query", "key"), "score"),
        Sweep(count.numpy(), ("character",), "occurrences"),
        shown.numpy(),
    )


def _over_distances(model: GPT, keys: Float[Tensor, "layer head char d_head"]) -> Tensor:
    """Keys as queries see them on average over all distances: rotated backwards by each."""
    rotation = model.blocks[0].attn.rotation
    assert rotation is not None
    often = torch.arange(model.config.block_size, 0, -1.0)
    cos, sin = ((often / often.sum()) @ part.cpu() for part in (rotation.cos, rotation.sin))
    return turned(keys, cos, -sin)


def strongest(table: Float[np.ndarray, "row column"], rows: np.ndarray, columns: np.ndarray, most: int) -> list:
    """The largest entries of a table among some rows and columns: `(row, column, value)`, largest first."""
    part = table[np.ix_(rows, columns)]
    order = np.argsort(-part, axis=None, kind="stable")[:most]
    return [(int(rows[i // len(columns)]), int(columns[i % len(columns)]), float(part.flat[i])) for i in order]


def _reads(folded: GPT, tokens: Tensor, count: Tensor, shown: Tensor) -> tuple[Tensor, float]:
    """Mean layer inputs `[layer, character, d_model]` of the symbols shown, and the mean scale of the final norm."""
    config, others = folded.config, len(shown) < len(count)
    row = torch.full((len(count),), len(shown))  # one more row for all symbols that are not shown
    row[shown] = torch.arange(len(shown))
    total = torch.zeros(config.n_layer, len(shown) + others, config.n_embd)
    scales = []
    for chunk in tokens.split(CHUNK):
        cache = activations(folded, chunk, keep=["resid_pre", ("resid_post", config.n_layer - 1)])
        for layer, block in enumerate(folded.blocks):
            inputs = norm_before(cache["resid_pre", layer], block.ln_1).flatten(0, 1).cpu()
            total[layer].index_add_(0, row[chunk.flatten().cpu()], inputs)
        final = cache["resid_post", config.n_layer - 1]
        scales.append(torch.tensor(1.0) if folded.ln_f is None else norm_scale(final, folded.ln_f).mean())
    overall, here = total.sum(1, keepdim=True) / count.sum(), count[shown]
    mean = total[:, : len(shown)] / here.clamp_min(1)[:, None]
    return (mean - overall) * (here > 0)[:, None], float(torch.stack(scales).mean())
