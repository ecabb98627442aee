"""Position encodings: a learned or fixed table that is added to the token embeddings."""

from __future__ import annotations

import torch
from jaxtyping import Float
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


def sinusoids(context: int, width: int) -> Float[Tensor, "pos d_model"]:
    """sin(pos / 10000^(2i / width)) in column 2i, its cosine in 2i + 1 (Vaswani et al. 2017, section 3.5)."""
    position = torch.arange(context, dtype=torch.float64)[:, None]
    angle = position / 10_000 ** (torch.arange(0, width, 2, dtype=torch.float64) / width)
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)[:, :width].float()
