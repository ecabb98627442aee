"""The weights of a block, with nanoGPT's parameter names. They compute nothing; `arithmetic` takes them as arguments."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nanoscope.model.config import GPTConfig


class Norm(nn.Module):
    """The weights of a normalisation; `norm` applies them."""

    weight: Tensor | None
    bias: Tensor | None

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.kind, self.eps = config.norm, config.norm_eps
        self.weight = None if self.kind == "none" else nn.Parameter(torch.ones(config.n_embd))
        self.bias = nn.Parameter(torch.zeros(config.n_embd)) if config.bias and self.kind == "layer" else None


class Attention(nn.Module):
    """The weights of an attention layer: `c_attn` maps to queries, keys and values, `c_proj` to the residual stream."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.n_head, self.scale = config.n_head, config.score_scale
        self.c_attn = nn.Linear(config.n_embd, 3 * config.n_embd, bias=config.bias)
        self.c_proj = nn.Linear(config.n_embd, config.n_embd, bias=config.bias)

    @property
    def W_Q(self) -> Float[Tensor, "head d_model d_head"]:
        """Each head's query weights, in the row convention (`q = x W_Q`): a view of `c_attn` that can be read or written."""
        return per_head_reads(self.c_attn.weight, self.n_head)[0]

    @property
    def W_K(self) -> Float[Tensor, "head d_model d_head"]:
        """As `W_Q`, for the keys."""
        return per_head_reads(self.c_attn.weight, self.n_head)[1]

    @property
    def W_V(self) -> Float[Tensor, "head d_model d_head"]:
        """As `W_Q`, for the values."""
        return per_head_reads(self.c_attn.weight, self.n_head)[2]

    @property
    def W_O(self) -> Float[Tensor, "head d_head d_model"]:
        """Each head's output weights (it writes `z W_O`): a view of `c_proj`."""
        return per_head_writes(self.c_proj.weight, self.n_head)


def per_head_reads(
    c_attn: Float[Tensor, "*any qkv d_model"], heads: int
) -> tuple[Float[Tensor, "*any head d_model d_head"], ...]:
    """W_Q, W_K and W_V of every head, as views of the weights of one layer or of several stacked layers."""
    return c_attn.unflatten(-2, (3, heads, -1)).mT.unbind(-4)


def per_head_writes(
    c_proj: Float[Tensor, "*any d_model both"], heads: int
) -> Float[Tensor, "*any head d_head d_model"]:
    """W_O of every head, as a view likewise."""
    return c_proj.unflatten(-1, (heads, -1)).movedim(-3, -1)


class MLP(nn.Module):
    """The weights of an MLP: `c_fc` maps the residual stream to the neurons, `c_proj` maps them back."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.activation = config.activation
        self.c_fc = nn.Linear(config.n_embd, config.d_mlp, bias=config.bias)
        self.c_proj = nn.Linear(config.d_mlp, config.n_embd, bias=config.bias)


class Block(nn.Module):
    """The weights of one layer. In an attention-only model `ln_2` and `mlp` are None."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.ln_1, self.attn = Norm(config), Attention(config)
        self.ln_2 = None if config.attention_only else Norm(config)
        self.mlp = None if config.attention_only else MLP(config)
