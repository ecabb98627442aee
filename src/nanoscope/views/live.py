"""One text of the user's own, read by the model as it is or with components changed: predictions, attention, lens.

Each function runs the model once; `ablate.changes` makes the edits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from nanoscope.analysis.prediction.logit_lens import Lens
from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.errors import NanoscopeError
from nanoscope.interventions.edits import AnyEdit
from nanoscope.interventions.run import run
from nanoscope.tasks import metrics
from nanoscope.text.windows import lead, started

MOST = 5
"""The likeliest symbols that are shown of a prediction."""


@dataclass(frozen=True)
class Predictions:
    """What the model expects after each token of a text."""

    pieces: tuple[str, ...]
    loss: Float[np.ndarray, "pos"] = field(repr=False)
    """Nats, of each token given those before it; NaN for the first where the model has no start symbol."""
    tokens: Int[np.ndarray, "*layer pos most"] = field(repr=False)
    """The likeliest next tokens, the likeliest first; of a lens, after the embedding and each layer."""
    chance: Float[np.ndarray, "*layer pos most"] = field(repr=False)
    """Their probabilities."""
    kl: Float[np.ndarray, "*layer pos"] = field(repr=False)
    """KL(model || lens) in nats, the model with the same components changed; zero for the model's own predictions."""
    symbols: tuple[str, ...] = field(repr=False)
    """The symbol of each token id."""


def predictions(checkpoint: Checkpoint, text: str, edits: Sequence[AnyEdit] = ()) -> Predictions:
    """The model's predictions along a text. NanoscopeError if it is empty, unknown or longer than the context."""
    logits = run(checkpoint.model, _tokens(checkpoint, text)[None], edits).logits[0]
    return _predicted(checkpoint, text, metrics.log_probs(logits.float()))


def lens(checkpoint: Checkpoint, text: str, edits: Sequence[AnyEdit] = (), by: Lens | None = None) -> Predictions:
    """A lens along a text, the logit lens unless another is given, with one more leading axis: the embedding and each layer.
    Errors as `predictions`."""
    model, tokens = checkpoint.model, _tokens(checkpoint, text)
    cache = run(model, tokens[None], edits, keep=[("resid_pre", 0), "resid_post"]).cache
    streams = torch.cat([cache["resid_pre", 0], cache.layers("resid_post")[:, 0]])
    with torch.no_grad():
        return _predicted(checkpoint, text, metrics.log_probs((by or model.unembed)(streams).float()))


def patterns(
    checkpoint: Checkpoint, text: str, edits: Sequence[AnyEdit] = (), weighted: bool = False, layer: int | None = None
) -> Float[np.ndarray, "layer head query key"]:
    """Attention on a text, of all layers or one, with the start symbol's key where the model has one.

    `weighted` multiplies by the length of each key's value and divides by the row's sum (Kobayashi et al. 2020), so that
    keys from which nothing is read fade.
    """
    model, tokens = checkpoint.model, _tokens(checkpoint, text)
    layers = range(model.config.n_layer) if layer is None else [layer]
    keep = [(name, at) for at in layers for name in ("pattern", "v")[: 1 + weighted]]
    cache = run(model, tokens[None], edits, keep=keep).cache
    return np.stack([_weighted(cache["pattern", at][0], cache["v", at][0] if weighted else None) for at in layers])


def _weighted(pattern: Tensor, values: Tensor | None) -> np.ndarray:
    """A layer's attention; a group of heads may share its values."""
    if values is None:
        return pattern.float().cpu().numpy()
    lengths = values.norm(dim=-1).T  # [value head, key]
    weights = pattern * lengths.repeat_interleave(len(pattern) // len(lengths), dim=0)[:, None]
    return (weights / weights.sum(-1, keepdim=True).clamp_min(torch.finfo(weights.dtype).tiny)).float().cpu().numpy()


def _tokens(checkpoint: Checkpoint, text: str) -> Int[Tensor, "pos"]:
    if not text:
        raise NanoscopeError("the text is empty; type at least one character")
    vocabulary = checkpoint.known_vocabulary
    return started(vocabulary.encode(text), vocabulary.start)


def _predicted(checkpoint: Checkpoint, text: str, log_probs: Float[Tensor, "*layer pos vocab"]) -> Predictions:
    vocabulary = checkpoint.known_vocabulary
    tokens, before = vocabulary.encode(text).to(log_probs.device), lead(vocabulary.start)
    final = log_probs.reshape(-1, *log_probs.shape[-2:])[-1]
    known = tokens if before else tokens[1:]
    loss = -metrics.chosen(final[: len(known)], known).cpu().numpy()
    shown = log_probs[..., before:, :]
    top = shown.topk(min(MOST, shown.shape[-1]), dim=-1)
    kl = (final[before:].exp() * (final[before:] - shown)).sum(-1)
    return Predictions(
        checkpoint.pieces(text),
        loss if before else np.concatenate([[np.nan], loss]).astype(loss.dtype),
        top.indices.cpu().numpy(),
        top.values.exp().cpu().numpy(),
        kl.cpu().numpy(),
        vocabulary.names(checkpoint.model.config.vocab_size),
    )
