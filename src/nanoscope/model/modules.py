"""The weights of a block, with nanoGPT's parameter names. They compute nothing: `arithmetic` takes them as arguments."""

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
    """The weights of an attention layer: `c_attn` makes queries, keys and values, `c_proj` writes to the residual."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.n_head, self.scale = config.n_head, config.score_scale
        self.c_attn = nn.Linear(config.n_embd, 3 * config.n_embd, bias=config.bias)
        self.c_proj = nn.Linear(config.n_embd, config.n_embd, bias=config.bias)

    @property
    def W_Q(self) -> Float[Tensor, "head d_model d_head"]:
        """Each head's part of `c_attn`, in the row convention (`q = x W_Q`): a view, to be read or written."""
        return self._reads(0)

    @property
    def W_K(self) -> Float[Tensor, "head d_model d_head"]:
        """As `W_Q`, for the keys."""
        return self._reads(1)

    @property
    def W_V(self) -> Float[Tensor, "head d_model d_head"]:
        """As `W_Q`, for the values."""
        return self._reads(2)

    @property
    def W_O(self) -> Float[Tensor, "head d_head d_model"]:
        """Each head's part of `c_proj`: what it writes is `z W_O`. A view."""
        return self.c_proj.weight.unflatten(1, (self.n_head, -1)).permute(1, 2, 0)

    def _reads(self, which: int) -> Tensor:
        return self.c_attn.weight.unflatten(0, (3, self.n_head, -1))[which].mT


class MLP(nn.Module):
    """The weights of an MLP: `c_fc` reads the residual stream into the neurons, `c_proj` writes them back."""

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
