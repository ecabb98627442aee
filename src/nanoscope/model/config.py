"""The shape of a GPT, with nanoGPT's field names and a field for each way in which people's GPTs differ."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from nanoscope.errors import NanoscopeError

Activation = Literal["gelu", "gelu_tanh", "relu"]

AttentionScale = Literal["d_head", "d_model", "none"]

NormKind = Literal["layer", "rms", "none"]

NormPosition = Literal["pre", "post"]

Positions = Literal["learned", "none", "sinusoid", "rotary"]

LATER_FIELDS = ("n_inner", "positions", "norm_position", "n_kv_head")
"""Fields that came after the first release, and so are stored only where they differ from their default."""


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
    n_inner: int | None = None
    """Neurons of an MLP, by its name in GPT-2's configurations; None means 4 * n_embd. `d_mlp` is the number itself."""
    positions: Positions = "learned"
    """What tells positions apart: a learned table, nothing but the causal mask, or fixed sinusoids."""
    norm_position: NormPosition = "pre"
    """Norms before each part of a block (GPT-2) or after it (the first transformers)."""
    n_kv_head: int | None = None
    """Heads of keys and values; None means n_head, each query head having its own."""

    def __post_init__(self) -> None:
        for name in ("n_layer", "n_head", "n_embd", "block_size", "vocab_size", "d_mlp"):
            if getattr(self, name) < 1:
                raise NanoscopeError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.n_embd % self.n_head:
            raise NanoscopeError(f"n_embd ({self.n_embd}) must be a multiple of n_head ({self.n_head})")
        if not 0 <= self.dropout < 1:
            raise NanoscopeError(f"dropout must lie in [0, 1), not {self.dropout}")
        self._refuse_what_is_to_come()

    def _refuse_what_is_to_come(self) -> None:
        """The only place that refuses a shape which the fields can say but the arithmetic does not have."""
        missing = {
            "rotary positions": self.positions == "rotary",
            "norms after each part of a block (norm_position='post')": self.norm_position != "pre",
            "key-value heads shared by several heads (n_kv_head)": self.n_kv_head not in (None, self.n_head),
        }
        for what in (what for what, asked in missing.items() if asked):
            raise NanoscopeError(f"models with {what} are not supported yet; use one without")

    def stored(self) -> dict[str, Any]:
        """The fields as every file and key holds them: later ones only where they differ from their default, so that
        what was stored before they existed keeps its checksum and its key."""
        defaults = {f.name: f.default for f in fields(self)}
        return {k: v for k, v in asdict(self).items() if k not in LATER_FIELDS or v != defaults[k]}

    @property
    def d_mlp(self) -> int:
        """Neurons of each MLP."""
        return 4 * self.n_embd if self.n_inner is None else self.n_inner

    @property
    def d_head(self) -> int:
        return self.n_embd // self.n_head

    @property
    def score_scale(self) -> float:
        width = {"d_head": self.d_head, "d_model": self.n_embd, "none": 1}[self.attention_scale]
        return 1 / math.sqrt(width)
