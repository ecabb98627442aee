"""Position encodings: a learned or fixed table that is added to the token embeddings, or a rotation of queries and keys.

Rotary positions (Su et al. 2021): dimensions i and i + n/2 of a query or key at position p, i < n/2, are a pair that
is turned by the angle p / base^(2i/n). A score then depends on the distance of query and key alone.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from nanoscope.model.config import GPTConfig


class FixedTable(nn.Module):
    """A position table that is not a parameter. It is not trained, counted or stored, since the config determines it."""

    weight: Tensor

    def __init__(self, table: Float[Tensor, "pos d_model"]) -> None:
        super().__init__()
        self.register_buffer("weight", table, persistent=False)


def position_table(config: GPTConfig) -> nn.Embedding | FixedTable:
    """The table, with `weight [pos, d_model]`, that is added at each position; zeros in a model without positions."""
    if config.positions == "learned":
        return nn.Embedding(config.block_size, config.n_embd)
    if config.positions == "sinusoid":
        return FixedTable(sinusoids(config.block_size, config.n_embd))
    return FixedTable(torch.zeros(config.block_size, config.n_embd))


class Rotation(nn.Module):
    """Cosines and sines of every position's angles, `[pos, pair]`; not parameters, since the config determines them."""

    cos: Tensor
    sin: Tensor

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        pairs = torch.arange(0, config.n_rotated, 2, dtype=torch.float64) / config.n_rotated
        angle = torch.arange(config.block_size, dtype=torch.float64)[:, None] / config.rotary_base**pairs
        self.register_buffer("cos", angle.cos().float(), persistent=False)
        self.register_buffer("sin", angle.sin().float(), persistent=False)


def rotated(
    x: Float[Tensor, "*any head d_head"], rotation: Rotation, positions: Int[Tensor, "#*any"]
) -> Float[Tensor, "*any head d_head"]:
    """Queries or keys, rotated by their positions."""
    return turned(x, rotation.cos[positions][..., None, :].to(x), rotation.sin[positions][..., None, :].to(x))


def turned(
    x: Float[Tensor, "*any d_head"], cos: Float[Tensor, "*#any pair"], sin: Float[Tensor, "*#any pair"]
) -> Tensor:
    """Vectors whose pairs of dimensions are turned by angles with these cosines and sines; further dimensions stay."""
    pairs = cos.shape[-1]
    first, second, rest = x.split([pairs, pairs, x.shape[-1] - 2 * pairs], dim=-1)
    return torch.cat([first * cos - second * sin, first * sin + second * cos, rest], dim=-1)


def sinusoids(context: int, width: int) -> Float[Tensor, "pos d_model"]:
    """sin(pos / 10000^(2i / width)) in column 2i, its cosine in 2i + 1 (Vaswani et al. 2017, section 3.5)."""
    position = torch.arange(context, dtype=torch.float64)[:, None]
    angle = position / 10_000 ** (torch.arange(0, width, 2, dtype=torch.float64) / width)
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)[:, :width].float()
