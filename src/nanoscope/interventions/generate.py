"""Text that a model writes, with or without edits: `generate`, and `continuation`, the same token by token.

    print(generate(checkpoint, "ROMEO:", steps=200, seed=1))
    print(generate(checkpoint, "ROMEO:", steps=200, seed=1, edits=[zero(Site("z", 1, head=0))]))

A token is drawn by the Gumbel-max trick (Gumbel 1954; Maddison et al. 2014): the symbol with the largest sum of scaled
logit and Gumbel noise has exactly the softmax probabilities. The noise depends on the seed alone, so two runs with the
same seed differ only where an edit moved the logits far enough.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import overload

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.errors import NanoscopeError
from nanoscope.interventions.edits import AnyEdit, Edit, Transform
from nanoscope.interventions.run import EditingTap, Key, Tokens, check_edits, model_and_tokens
from nanoscope.model.gpt import GPT
from nanoscope.model.sites import POSITIONS
from nanoscope.seeds import seed_for


@dataclass(frozen=True)
class Sampling:
    """How tokens are drawn. Temperature 0 takes the most probable one; `top_k` draws among the k most probable."""

    temperature: float = 1.0
    top_k: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.temperature < float("inf"):
            raise NanoscopeError(f"the temperature must be 0 (the most probable token) or more, not {self.temperature}")
        if self.top_k is not None and self.top_k < 1:
            raise NanoscopeError(f"top_k must be at least 1, not {self.top_k}")

    def noise(self, rows: int, vocabulary: int) -> Iterator[Float[np.ndarray, "batch vocab"]]:
        """Gumbel noise for one token after another; a row's noise does not depend on the number of rows."""
        streams = [np.random.default_rng(seed_for("generate", self.seed, row)) for row in range(rows)]
        while True:
            yield np.stack([stream.gumbel(size=vocabulary) for stream in streams])

    def draw(self, logits: Float[Tensor, "batch vocab"], noise: Float[np.ndarray, "batch vocab"]) -> Tensor:
        """The next token of each row, `[batch]`."""
        if self.temperature == 0:
            return logits.argmax(dim=-1)
        if self.top_k is not None and self.top_k < logits.shape[-1]:
            logits = logits.masked_fill(logits < logits.topk(self.top_k).values[:, -1:], -torch.inf)
        return (logits.double() / self.temperature + torch.from_numpy(noise).to(logits.device)).argmax(dim=-1)


@overload
def generate(
    model: Checkpoint,
    tokens: str,
    *,
    steps: int,
    temperature: float = ...,
    top_k: int | None = ...,
    seed: int = ...,
    edits: Sequence[AnyEdit] = ...,
) -> str: ...
@overload
def generate(
    model: GPT | Checkpoint,
    tokens: Int[Tensor, "*batch pos"],
    *,
    steps: int,
    temperature: float = ...,
    top_k: int | None = ...,
    seed: int = ...,
    edits: Sequence[AnyEdit] = ...,
) -> Int[Tensor, "*batch pos"]: ...
def generate(
    model: GPT | Checkpoint,
    tokens: Tokens,
    *,
    steps: int,
    temperature: float = 1.0,
    top_k: int | None = None,
    seed: int = 0,
    edits: Sequence[AnyEdit] = (),
) -> str | Tensor:
    """The text or tokens `[*batch, pos]` given, continued by `steps` tokens.

    Keys and values are computed once for each token while the text fits the context (Pope et al. 2022). Beyond it the model
    reads the last tokens that fit: every position has moved, so each further token costs a full forward. So does every
    token under an edit by a function of one's own, which may look at all positions at once.
    Edits apply at every position. Raises NanoscopeError for edits of chosen positions, or with the values of another run,
    and as `run`.
    """
    if steps < 1:
        raise NanoscopeError(f"steps must be at least 1, the number of tokens to write, not {steps}")
    bare, ids = model_and_tokens(model, tokens)
    new = continuation(bare, ids, Sampling(temperature, top_k, seed), edits)
    written = torch.stack(list(islice(new, steps)), dim=1).to(ids.device)
    if isinstance(tokens, str) and isinstance(model, Checkpoint):
        return tokens + model.decode_after(ids[0], written[0])
    return torch.cat([ids, written], dim=1)[0 if isinstance(tokens, Tensor) and tokens.dim() == 1 else slice(None)]


def continuation(
    model: GPT, tokens: Int[Tensor, "batch pos"], sampling: Sampling, edits: Sequence[AnyEdit] = ()
) -> Iterator[Int[Tensor, "batch"]]:
    """The tokens that follow, one of each row at a time, without end. Arguments and errors as those of `generate`."""
    if model.training:
        raise NanoscopeError("the model is in training mode, where dropout is random; call model.eval() first")
    check_edits(model, model.config.block_size, edits)
    for edit in edits:
        _check_at_any_position(edit)
    return _drawn(_Reader(model, edits), tokens.to(model.device), sampling)


def _drawn(reader: _Reader, tokens: Tensor, sampling: Sampling) -> Iterator[Int[Tensor, "batch"]]:
    for noise in sampling.noise(len(tokens), reader.model.config.vocab_size):
        drawn = sampling.draw(reader.next_logits(tokens), noise)
        yield drawn
        tokens = torch.cat([tokens, drawn[:, None]], dim=1)


def _check_at_any_position(edit: AnyEdit) -> None:
    """Raise NanoscopeError for an edit that has no meaning at positions that are yet to be written."""
    site = edit.site
    if any(getattr(site, axis) is not None for axis in POSITIONS):
        raise NanoscopeError(f"{site} chooses positions, but a text that grows is edited at every one; leave them out")
    features = 0 if "query" in site.axes else len(site.axes) - 2
    if isinstance(edit, Edit) and edit.to.dim() > features:
        raise NanoscopeError(
            f"the edit of {site} has the values of another run's positions; for a text that grows use zero, scale, add "
            'of a vector, or mean(site, cache, over=("batch", "pos"))'
        )


class _Reader:
    """Reads a growing text, and keeps the keys and values of what it has read. It is the tap of its model's forward."""

    def __init__(self, model: GPT, edits: Sequence[AnyEdit]) -> None:
        self.model, self.tap = model, EditingTap(edits)
        self.caching = all(edit.by_position for edit in edits if isinstance(edit, Transform))
        self.past: dict[Key, Tensor] = {}
        self.read = 0

    def next_logits(self, tokens: Int[Tensor, "batch pos"]) -> Float[Tensor, "batch vocab"]:
        """The logits of the token that follows. `tokens` begins with those of the call before."""
        context = self.model.config.block_size
        with torch.no_grad():
            if not self.caching or tokens.shape[1] > context:
                return self.model(tokens[:, -context:], self.tap)[:, -1]
            logits = self.model(tokens[:, self.read :], self, first=self.read)[:, -1]
        self.read = tokens.shape[1]
        return logits

    def wants(self, name: str, layer: int | None) -> bool:
        """Scores are wanted since, unlike the fused kernel, they may have fewer queries than keys."""
        return name in ("k", "v", "scores") or self.tap.wants(name, layer)

    def __call__(self, name: str, layer: int | None, value: Tensor) -> Tensor:
        value = self.tap(name, layer, value)
        if name not in ("k", "v"):
            return value
        before = self.past.get((name, layer))
        self.past[name, layer] = value if before is None else torch.cat([before, value], dim=1)
        return self.past[name, layer]
