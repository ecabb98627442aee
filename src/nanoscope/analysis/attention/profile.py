"""Class-free properties of heads: how far back and how broadly they attend, to which characters, by position or content.

- `by_offset`: mean attention to the token k back.
- `breadth`: normalised entropy of the attention, entropy / ln(visible keys), averaged over queries: 1 is uniform attention,
  0 is a single key.
- `positional`: 1 - E[Var over windows of a score at fixed (query, key)] / Var of all scores, without each query's mean
  (which softmax ignores): 1 if scores do not depend on the text at all.
- `first_value`: norm of what the first token's value writes, over the mean of all tokens: small for an attention sink.
- `by_character`: share of attention to each character minus its share under uniform attention.

Source: Elhage et al. 2021 for value weighting; docs/methods/heads.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from nanoscope.evidence.sweep import Sweep
from nanoscope.interventions.run import Cache, activations
from nanoscope.model.arithmetic import visible_causally
from nanoscope.model.gpt import GPT

CHUNK = 16


@dataclass(frozen=True)
class Profile:
    """Properties of every head, defined in the module's docstring."""

    by_offset: Sweep
    """`[layer, head, offset]`, mean attention."""
    breadth: Sweep
    """`[layer, head]`, normalised entropy."""
    positional: Sweep
    """`[layer, head]`, share of variance."""
    first_value: Sweep
    """`[layer, head]`, times the mean."""
    by_character: Sweep
    """`[layer, head, character]`, share of attention above uniform."""


def profile(model: GPT, tokens: Int[Tensor, "window pos"]) -> Profile:
    """All properties over some windows, in chunks."""
    totals: dict[str, Tensor] = {}
    for chunk in tokens.split(CHUNK):
        cache = activations(model, chunk, keep=["scores", "pattern", "v"])
        for name, value in _sums(model, chunk, cache).items():
            totals[name] = totals[name] + value if name in totals else value
    windows, size = tokens.shape
    queries = (torch.arange(size) + 1.0).flip(0)
    head, unit = ("layer", "head"), "share of attention"
    return Profile(
        Sweep((totals["offset"] / (windows * queries)).double().numpy(), (*head, "offset"), unit),
        Sweep((totals["breadth"] / (windows * (size - 1))).double().numpy(), head, "share of uniform's entropy"),
        Sweep(_explained(totals, windows), head, "share of variance"),
        Sweep((totals["first"] / (totals["values"] / size)).double().numpy(), head, "times the mean"),
        Sweep((totals["character"] / (windows * size)).double().numpy(), (*head, "character"), unit),
    )


def _sums(model: GPT, tokens: Tensor, cache: Cache) -> dict[str, Tensor]:
    """Sums over windows, each `[layer, head, ...]`."""
    patterns = cache.layers("pattern").float().cpu()
    size = tokens.shape[1]
    uniform = torch.log(torch.arange(2, size + 1).float())
    entropy = -(patterns * patterns.clamp_min(1e-30).log()).sum(-1)[..., 1:] / uniform
    offset = torch.stack([patterns.diagonal(-k, dim1=-2, dim2=-1).sum((1, -1)) for k in range(size)], dim=-1)
    scores = _centred(cache.layers("scores").float().cpu())
    written = torch.stack([_written(model, cache["v", layer], layer) for layer in range(model.config.n_layer)]).cpu()
    return {
        "offset": offset,
        "breadth": entropy.sum((1, -1)),
        "scores": scores.sum(1),
        "squares": scores.square().sum(1),
        "first": written[..., 0].sum(1),
        "values": written.sum((1, -1)),
        "character": _by_character(patterns, tokens, model.config.vocab_size),
    }


def _centred(scores: Tensor) -> Tensor:
    """Scores minus their mean over the visible keys, 0 at other keys: `[layer, window, head, query, key]`."""
    visible = visible_causally(scores.shape[-2], scores.shape[-1]).to(scores)
    mean = (scores * visible).sum(-1, keepdim=True) / visible.sum(-1, keepdim=True)
    return (scores - mean) * visible


def _explained(totals: dict[str, Tensor], windows: int) -> np.ndarray:
    """Share of the scores' variance that their mean at each (query, key) explains."""
    squares, mean = totals["squares"].double() / windows, totals["scores"].double() / windows
    within, total = (squares - mean.square()).sum((-2, -1)), squares.sum((-2, -1))
    return torch.where(total > 1e-12, 1 - within / total.clamp_min(1e-12), 0.0).numpy()


def _written(model: GPT, values: Tensor, layer: int) -> Tensor:
    """Norm of each head's write if it attends to one token only: `[window, head, pos]`."""
    w_o = model.blocks[layer].attn.W_O
    gram = torch.einsum("hkd,hld->hkl", w_o, w_o)
    return torch.einsum("wphk,hkl,wphl->whp", values, gram, values).clamp_min(0).sqrt()


def _by_character(patterns: Tensor, tokens: Tensor, symbols: int) -> Tensor:
    """Attention to each character minus uniform attention to it, summed over queries: `[layer, head, character]`."""
    size = tokens.shape[1]
    uniform = (torch.tril(torch.ones(size, size)) / torch.arange(1, size + 1)[:, None]).sum(0)
    above = patterns.sum(-2) - uniform
    totals = torch.zeros(*above.shape[:1], above.shape[2], symbols)
    flat = above.permute(0, 2, 1, 3).flatten(2)
    return totals.index_add(2, tokens.flatten().cpu(), flat)
