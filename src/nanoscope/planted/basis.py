"""A hand-built model in another basis of its residual stream, where nothing is aligned with an axis.

Every vector x of the stream becomes x M, for an orthogonal M: all rows that write and all that read are multiplied by M.
Without norms no logit changes. A layer norm also subtracts the mean, so M must keep it (`rotation_about_the_mean`), or the
vectors that the model uses must have mean 0 in the new basis (`with_mean_last`).

Source: Elhage et al. 2021, on the stream's basis, which is not privileged.
"""

from __future__ import annotations

import copy

import torch
from jaxtyping import Float
from torch import Tensor

from nanoscope.model.gpt import GPT


def with_mean_last(size: int, generator: torch.Generator) -> Float[Tensor, "size size"]:
    """An orthogonal matrix whose last row is constant and whose others have mean 0; they are drawn uniformly."""
    drawn = torch.randn(size, size, generator=generator, dtype=torch.float64)
    drawn[:, 0] = 1.0
    q, r = torch.linalg.qr(drawn)
    return (q * r.diagonal().sign()).T.roll(-1, dims=0)


def rotation_about_the_mean(size: int, generator: torch.Generator) -> Float[Tensor, "size size"]:
    """A random orthogonal matrix that keeps the mean of every vector: it maps the constant vector to itself."""
    return with_mean_last(size, generator).T @ with_mean_last(size, generator)


def in_basis(model: GPT, matrix: Float[Tensor, "d_model d_model"]) -> GPT:
    """A copy whose residual stream is x M where the model's is x, for a hand-built one: nanoGPT's shape, norm gains of 1, no
    biases."""
    turned = copy.deepcopy(model)
    writers = [turned.wte.weight, turned.wpe.weight]
    readers = [] if model.config.tied_head else [turned.lm_head.weight]
    for block in turned.blocks:
        parts = [(block.attn.c_attn, block.attn.c_proj)]
        parts += [] if block.mlp is None else [(block.mlp.c_fc, block.mlp.c_proj)]
        readers += [reader.weight for reader, _ in parts]
        writers += [writer.weight.T for _, writer in parts]
    for rows in (*writers, *readers):
        rows.copy_(rows.double() @ matrix)  # a reader's row w becomes w M, as x M (w M)^T = x w^T
    return turned
