"""A feature changed: set to 0 where it is active on a text (ablation), or raised everywhere (steering).

Both add to the activation that the dictionary reconstructs, along the feature's direction: what the dictionary leaves
unexplained stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from nanoscope.dictionaries.coder import Coder
from nanoscope.dictionaries.source import Source
from nanoscope.interventions.edits import AnyEdit, Edit, Transform, add
from nanoscope.interventions.run import run
from nanoscope.model.gpt import GPT


def without(model: GPT, source: Source, coder: Coder, values: Float[Tensor, "pos latent"], latent: int) -> Edit:
    """The edit that takes one feature out of a text on which the latents have these values."""
    taken = -values[:, latent, None] * coder.W_dec[latent]
    return Edit(source.site, source.shaped(taken, model), added=True)


def silenced(model: GPT, source: Source, coder: Coder, latents: Sequence[int]) -> Transform:
    """The edit that takes some features of an autoencoder out wherever they are active, in any run: their values are those of
    the activation as it is there, after all earlier edits."""
    assert not source.transcoder, "a transcoder reads another activation than it changes"

    def without_them(value: Tensor) -> Tensor:
        x = (value.flatten(2) if source.site.head is None else value).float().cpu()
        taken = coder.encode(x)[..., latents] @ coder.W_dec[latents]
        return value - source.shaped(taken, model).to(value)

    return Transform(source.site, without_them, f"silenced({source}, {list(latents)})", by_position=True)


def silenced_on(
    model: GPT,
    source: Source,
    coder: Coder,
    latents: Sequence[int],
    tokens: Int[Tensor, "1 pos"],
    edits: Sequence[AnyEdit],
) -> Edit:
    """The edit that takes some features out of one text, which the model reads with other edits; of transcoders too."""
    kept = run(model, tokens, edits, keep=source.keep(model)).cache
    values = coder.encode(source.pairs(model, kept).x)
    taken = -(values[..., latents] @ coder.W_dec[latents])
    return Edit(source.site, source.shaped(taken, model), added=True)


def raised(model: GPT, source: Source, coder: Coder, latent: int, by: float) -> Edit:
    """The edit that adds `by` to one feature at every position, active or not."""
    return add(source.site, source.shaped(by * coder.W_dec[latent], model))


def ablated(
    model: GPT, source: Source, coder: Coder, tokens: Int[Tensor, "1 pos"], latents: list[int]
) -> Float[np.ndarray, "feature pos"]:
    """What the log-probability of each next token loses, in nats, without each of some features; NaN at the last position."""
    values = coder.encode(source.read(model, tokens).x)[0]
    plain = _said(model, tokens, [])
    found = torch.full((len(latents), len(plain) + 1), torch.nan)
    for row, one in zip(found, latents, strict=True):
        row[:-1] = plain - _said(model, tokens, [without(model, source, coder, values, one)])
    return found.numpy()


def _said(model: GPT, tokens: Int[Tensor, "1 pos"], edits: list[Edit]) -> Float[Tensor, "next"]:
    log_p = run(model, tokens, edits).logits[0, :-1].float().log_softmax(-1).cpu()
    return log_p.gather(1, tokens[0, 1:, None])[:, 0]
