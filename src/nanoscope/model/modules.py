"""The weights of a block, with nanoGPT's parameter names. They compute nothing; `arithmetic` takes them as arguments."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nanoscope.model.config import GPTConfig
from nanoscope.model.positions import Rotation


class Norm(nn.Module):
    """The weights of a normalisation; `norm` applies them."""

    weight: Tensor | None
    bias: Tensor | None

    def __init__(self, config: GPTConfig, final: bool = False) -> None:
        super().__init__()
        self.kind, self.eps = config.norm, config.norm_eps
        self.before = final or config.norm_position == "pre"
        """Whether it comes before what reads it (attention, MLP, unembedding), or after what is added to the stream."""
        self.weight = None if self.kind == "none" else nn.Parameter(torch.ones(config.n_embd))
        self.bias = nn.Parameter(torch.zeros(config.n_embd)) if config.bias and self.kind == "layer" else None


class Attention(nn.Module):
    """The weights of an attention layer: `c_attn` maps to queries, keys and values, `c_proj` to the residual stream.

    The rows of `c_attn` are the queries of all heads, then the keys and the values of all key-value heads.
    """

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.heads, self.n_head, self.scale = (
            (config.n_head, config.n_kv, config.n_kv),
            config.n_head,
            config.score_scale,
        )
        """Number of heads of the queries, keys and values."""
        self.d_head = config.d_head
        self.c_attn = nn.Linear(config.n_embd, sum(self.heads) * config.d_head, bias=config.bias)
        self.c_proj = nn.Linear(config.d_attention, config.n_embd, bias=config.bias)
        self.rotation = Rotation(config) if config.positions == "rotary" else None

    @property
    def W_Q(self) -> Float[Tensor, "head d_model d_head"]:
        """Each head's query weights, in the row convention (`q = x W_Q`): a view of `c_attn` that can be read or written."""
        return per_head_reads(self.c_attn.weight, self.heads)[0]

    @property
    def W_K(self) -> Float[Tensor, "head d_model d_head"]:
        """As `W_Q`, for the keys; a copy where heads share keys, and before any rotation."""
        return per_head_reads(self.c_attn.weight, self.heads)[1]

    @property
    def W_V(self) -> Float[Tensor, "head d_model d_head"]:
        """As `W_K`, for the values."""
        return per_head_reads(self.c_attn.weight, self.heads)[2]

    @property
    def W_O(self) -> Float[Tensor, "head d_head d_model"]:
        """Each head's output weights (it writes `z W_O`): a view of `c_proj`."""
        return per_head_writes(self.c_proj.weight, self.n_head)


def per_head_reads(
    c_attn: Float[Tensor, "*any qkv d_model"], heads: Sequence[int]
) -> tuple[Float[Tensor, "*any head d_model d_head"], ...]:
    """W_Q, W_K and W_V of every head, from the weights of one layer or of several stacked layers, which have so many
    query, key and value heads: views, but where several heads share a key-value head."""
    parts = c_attn.unflatten(-2, (sum(heads), -1)).mT.split(list(heads), dim=-3)
    return tuple(for_each_query(part, heads[0], -3) for part in parts)


def for_each_query(value: Tensor, heads: int, dim: int) -> Tensor:
    """Repeat shared key-value heads along an axis, so that each of `heads` query heads has its own."""
    return value if value.shape[dim] == heads else value.repeat_interleave(heads // value.shape[dim], dim=dim)


def per_head_writes(
    c_proj: Float[Tensor, "*any d_model both"], heads: int
) -> Float[Tensor, "*any head d_head d_model"]:
    """W_O of every head, as a view likewise."""
    return c_proj.unflatten(-1, (heads, -1)).movedim(-3, -1)


class MLP(nn.Module):
    """The weights of an MLP: `c_fc` maps the residual stream to the neurons, `c_proj` maps them back.

    In a gated MLP (Shazeer 2020) `c_fc` is the map that the activation function is applied to, `c_up` the linear factor.
    """

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.activation = config.activation
        self.c_fc = nn.Linear(config.n_embd, config.d_mlp, bias=config.bias)
        self.c_up = nn.Linear(config.n_embd, config.d_mlp, bias=config.bias) if config.gated_mlp else None
        self.c_proj = nn.Linear(config.d_mlp, config.n_embd, bias=config.bias)


class Block(nn.Module):
    """The weights of one layer. In an attention-only model `ln_2` and `mlp` are None."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.ln_1, self.attn = Norm(config), Attention(config)
        self.ln_2 = None if config.attention_only else Norm(config)
        self.mlp = None if config.attention_only else MLP(config)
