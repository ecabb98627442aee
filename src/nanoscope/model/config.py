"""The shape of a GPT, with nanoGPT's field names and a field for each way in which people's GPTs differ."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from nanoscope.errors import NanoscopeError

Activation = Literal["gelu", "gelu_tanh", "relu"]

AttentionScale = Literal["d_head", "d_model", "none"]

NormKind = Literal["layer", "rms", "none"]


@dataclass(frozen=True)
class GPTConfig:
    """Shape of a GPT, with nanoGPT's field names, and a field for each way in which people's GPTs differ."""

    n_layer: int = 6
    n_head: int = 6
    n_embd: int = 384
    block_size: int = 128
    vocab_size: int = 65
    dropout: float = 0.0
    bias: bool = False
    """Biases in linear layers and norms, as in GPT-2."""
    tied_head: bool = True
    """The unembedding is the token embedding."""
    head_bias: bool = False
    activation: Activation = "gelu"
    """nanoGPT uses the exact (erf) GELU, OpenAI's GPT-2 the tanh approximation."""
    attention_scale: AttentionScale = "d_head"
    """Scores are divided by the square root of this width."""
    norm: NormKind = "layer"
    final_norm: bool = True
    attention_only: bool = False
    """Blocks without an MLP (and without its norm)."""
    norm_eps: float = 1e-5

    def __post_init__(self) -> None:
        for name in ("n_layer", "n_head", "n_embd", "block_size", "vocab_size"):
            if getattr(self, name) < 1:
                raise NanoscopeError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.n_embd % self.n_head:
            raise NanoscopeError(f"n_embd ({self.n_embd}) must be a multiple of n_head ({self.n_head})")
        if not 0 <= self.dropout < 1:
            raise NanoscopeError(f"dropout must lie in [0, 1), not {self.dropout}")

    @property
    def d_head(self) -> int:
        return self.n_embd // self.n_head

    @property
    def score_scale(self) -> float:
        width = {"d_head": self.d_head, "d_model": self.n_embd, "none": 1}[self.attention_scale]
        return 1 / math.sqrt(width)
