"""Weights of heads: does an OV circuit copy, and does a head read another head's output?

Copying: s = sum(eigenvalues) / sum(|eigenvalues|) of W_E W_V W_O W_U, in [-1, 1]; 1 means that every direction of the
vocabulary is copied onto itself. Heads in later layers read embeddings that earlier layers have changed. So copying is
also measured with *effective* embeddings: each token's mean residual stream at the head's input.

Composition of h1 with a later h2 through its queries, keys or values: |OV1 M|_F / (|OV1|_F |M|_F) with M = QK2, QK2^T, OV2.
For randomly oriented heads its root mean square is exactly 1/sqrt(d_model), whatever the heads' spectra. Pairs that cannot
compose, because h1 is not below h2, are a second null. Rotary positions are left out: the score is that of a key at the
query's own position.

Both expect folded weights. Source: Elhage et al. 2021, "Copying / primitive eigenvalue analysis" and
"Composition"; docs/methods/heads.md.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from nanoscope.errors import NanoscopeError
from nanoscope.evidence.sweep import Sweep
from nanoscope.interventions.run import activations
from nanoscope.model.folded import HeadWeights, head_weights
from nanoscope.model.gpt import GPT
from nanoscope.seeds import seed_for


def copying_scores(weights: HeadWeights) -> Sweep:
    """Eigenvalue copying score of every head: `[layer, head]`. A head that writes nothing scores 0."""
    return Sweep(_copying(weights, weights.W_V, weights.W_O), ("layer", "head"), "score")


def as_read(folded: GPT, layer: int, tokens: Tensor) -> HeadWeights:
    """A folded model's weights with effective embeddings: each token's mean residual stream at the input of a layer.

    The mean is over the token's occurrences in `tokens [batch, pos]`, centred over tokens. Absent tokens are dropped.
    """
    stream = activations(folded, tokens, keep=[("resid_pre", layer)])["resid_pre", layer].cpu().flatten(0, 1)
    present, where = tokens.flatten().unique(return_inverse=True)
    mean = torch.zeros(len(present), stream.shape[1]).index_add(0, where, stream) / torch.bincount(where)[:, None]
    weights = head_weights(folded)
    return replace(weights, W_E=mean - mean.mean(0), W_U=weights.W_U[:, present])


def copying_null(weights: HeadWeights, draws: int, *labels: object) -> Sweep:
    """Copying scores of Gaussian heads between this model's own embedding and unembedding: `[draw]`."""
    generator = torch.Generator().manual_seed(seed_for("copying", *labels))
    width, d_head = weights.W_V.shape[-2:]
    w_v = torch.randn(1, draws, width, d_head, generator=generator)
    w_o = torch.randn(1, draws, d_head, width, generator=generator)
    return Sweep(_copying(weights, w_v, w_o)[0], ("draw",), "score")


def composition(w: HeadWeights) -> Sweep:
    """Composition of every head with every other by queries, keys and values: `[way, layer, head, later_layer, later_head]`.

    Includes the pairs in which the first head is not below the second and cannot feed it.

    |A B|_F^2 is the sum over entries of (A^T A) * (B B^T), so it needs one d_model x d_model product per head, not per pair.
    """
    read = {"Q": (w.W_Q, w.W_K), "K": (w.W_K, w.W_Q), "V": (w.W_V, w.W_O.transpose(-1, -2))}
    writes = _outer(w.W_V, w.W_O)
    rows = []
    for near, far in read.values():
        reads = _inner(near, far)
        sizes = _trace(writes)[:, None] * _trace(reads)[None, :]
        products = torch.einsum("ade,bde->ab", writes, reads).clamp_min(0)
        rows.append(torch.where(sizes > 0, (products / sizes.clamp_min(1e-30)).sqrt(), 0.0))
    layers, heads = w.W_V.shape[:2]
    values = torch.stack(rows).view(3, layers, heads, layers, heads).numpy()
    return Sweep(values, ("way", "layer", "head", "later_layer", "later_head"), "score", {"way": tuple(read)})


def _copying(weights: HeadWeights, w_v: Tensor, w_o: Tensor) -> np.ndarray:
    """Copying scores from the small matrix W_O W_U W_E W_V, whose non-zero eigenvalues are those of W_E W_V W_O W_U."""
    small = (w_o @ weights.W_U) @ (weights.W_E @ w_v)
    if not torch.isfinite(small).all():  # LAPACK may crash on such values
        raise NanoscopeError("the model's weights are too large to multiply in 32 bits; it cannot be analysed")
    try:
        values = torch.linalg.eigvals(small.double())
    except RuntimeError:
        raise NanoscopeError("the eigenvalues of a head's OV circuit did not converge; it cannot be analysed") from None
    size = values.abs().sum(-1)
    return torch.where(size > 0, values.real.sum(-1) / size.clamp_min(1e-300), 0.0).numpy()


def _outer(left: Tensor, right: Tensor) -> Tensor:
    """(left right)^T (left right) of every head, `[layer, head, d_model, k]` and `[.., k, d_model]`: `[head, d, d]`."""
    left, right = left.flatten(0, 1).double(), right.flatten(0, 1).double()
    return right.transpose(-1, -2) @ (left.transpose(-1, -2) @ left) @ right


def _inner(near: Tensor, far: Tensor) -> Tensor:
    """(near far^T) (near far^T)^T of every head, both `[layer, head, d_model, k]`: `[head, d, d]`."""
    near, far = near.flatten(0, 1).double(), far.flatten(0, 1).double()
    return near @ (far.transpose(-1, -2) @ far) @ near.transpose(-1, -2)


def _trace(squares: Tensor) -> Tensor:
    return squares.diagonal(dim1=-2, dim2=-1).sum(-1)
