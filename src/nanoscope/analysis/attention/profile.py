"""Heads as they are, without classes: how far back they look, how broadly, at which characters, and by position or content.

- `by_offset`: mean attention to the token k back.
- `breadth`: entropy of the attention over ln(keys in sight), averaged over queries: 1 is uniform, 0 is a single key.
- `positional`: 1 - E[Var over windows of a score at fixed (query, key)] / Var of all scores, each query's mean taken out
  (softmax does not see it): 1 if scores do not depend on the text at all.
- `first_value`: |what the first token's value writes| over the mean of all: a sink that is looked at to do nothing is small.
- `by_character`: share of attention that goes to each character minus its share under uniform attention.

Source: Elhage et al. 2021 for value weighting; methods.md 2.1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from nanoscope.evidence.sweep import Sweep
from nanoscope.interventions.run import Cache, run
from nanoscope.model.arithmetic import visible_causally
from nanoscope.model.gpt import GPT

CHUNK = 16


@dataclass(frozen=True)
class Profile:
    """Properties of every head; see the module for what each is."""

    by_offset: Sweep
    """`[layer, head, offset]`, mean attention."""
    breadth: Sweep
    """`[layer, head]`."""
    positional: Sweep
    """`[layer, head]`."""
    first_value: Sweep
    """`[layer, head]`."""
    by_character: Sweep
    """`[layer, head, character]`, share of attention above uniform."""


def profile(model: GPT, tokens: Int[Tensor, "window pos"]) -> Profile:
    """All properties over some windows, in chunks."""
    totals: dict[str, Tensor] = {}
    for chunk in tokens.split(CHUNK):
        cache = run(model, chunk, keep=["scores", "pattern", "v"]).cache
        for name, value in _sums(model, chunk, cache).items():
            totals[name] = totals[name] + value if name in totals else value
    windows, size = tokens.shape
    seen = (torch.arange(size) + 1.0).flip(0)
    head, unit = ("layer", "head"), "share of attention"
    return Profile(
        Sweep((totals["offset"] / (windows * seen)).double().numpy(), (*head, "offset"), unit),
        Sweep((totals["breadth"] / (windows * (size - 1))).double().numpy(), head, "share of uniform's entropy"),
        Sweep(_explained(totals, windows), head, "share of variance"),
        Sweep((totals["first"] / (totals["values"] / size)).double().numpy(), head, "times the mean"),
        Sweep((totals["character"] / (windows * size)).double().numpy(), (*head, "character"), unit),
    )


def _sums(model: GPT, tokens: Tensor, cache: Cache) -> dict[str, Tensor]:
    """What is added up over windows; each `[layer, head, ...]`."""
    patterns = cache.layers("pattern").float().cpu()
    size = tokens.shape[1]
    sight = torch.log(torch.arange(2, size + 1).float())
    entropy = -(patterns * patterns.clamp_min(1e-30).log()).sum(-1)[..., 1:] / sight
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
    """Scores minus their mean over the keys in sight, 0 beyond: `[layer, window, head, query, key]`."""
    seen = visible_causally(scores.shape[-2], scores.shape[-1]).to(scores)
    mean = (scores * seen).sum(-1, keepdim=True) / seen.sum(-1, keepdim=True)
    return (scores - mean) * seen


def _explained(totals: dict[str, Tensor], windows: int) -> np.ndarray:
    """Share of the scores' variance that their mean at each (query, key) explains."""
    squares, mean = totals["squares"].double() / windows, totals["scores"].double() / windows
    within, whole = (squares - mean.square()).sum((-2, -1)), squares.sum((-2, -1))
    return torch.where(whole > 1e-12, 1 - within / whole.clamp_min(1e-12), 0.0).numpy()


def _written(model: GPT, values: Tensor, layer: int) -> Tensor:
    """Norm of what each head writes for each token alone: `[window, head, pos]`."""
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
