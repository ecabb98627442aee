"""The shape of a GPT, in nanoGPT's field names, with a field for each common difference between GPTs."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from nanoscope.errors import NanoscopeError

Activation = Literal["gelu", "gelu_tanh", "relu", "relu2", "silu"]

AttentionScale = Literal["d_head", "d_model", "none"]

NormKind = Literal["layer", "rms", "none"]

NormPosition = Literal["pre", "post"]

Positions = Literal["learned", "none", "sinusoid", "rotary"]

LATER_FIELDS = (
    "n_inner", "positions", "norm_position", "n_kv_head", "head_dim", "gated_mlp", "rotary_base", "rotary_dims", "parallel"
)  # fmt: skip
"""Fields added after the first release. They are stored only where they differ from their default."""


@dataclass(frozen=True)
class GPTConfig:
    """The shape of a GPT, in nanoGPT's field names."""

    n_layer: int = 6
    n_head: int = 6
    n_embd: int = 384
    block_size: int = 128
    vocab_size: int = 65
    dropout: float = 0.0
    bias: bool = False
    """Biases in linear layers and norms, as in GPT-2."""
    tied_head: bool = True
    """The unembedding and the token embedding share their weights."""
    head_bias: bool = False
    activation: Activation = "gelu"
    """nanoGPT uses the exact (erf) GELU, OpenAI's GPT-2 the tanh approximation; relu2 is the square of ReLU."""
    attention_scale: AttentionScale = "d_head"
    """Scores are divided by the square root of this width."""
    norm: NormKind = "layer"
    final_norm: bool = True
    attention_only: bool = False
    """Blocks without an MLP (and without its norm)."""
    norm_eps: float = 1e-5
    n_inner: int | None = None
    """Neurons of each MLP (GPT-2's name for it); None means 4 * n_embd. `d_mlp` is the resolved number."""
    positions: Positions = "learned"
    """How positions are encoded: a learned table, not at all (only the causal mask), fixed sinusoids, or queries and keys
    that are rotated by their position (Su et al. 2021)."""
    norm_position: NormPosition = "pre"
    """Norms before each part of a block (GPT-2), or after adding its output (the original transformer)."""
    parallel: bool = False
    """Attention and MLP of a block both read its input (GPT-NeoX), so that it has no state in between (no resid_mid)."""
    n_kv_head: int | None = None
    """Number of key-value heads, each shared by n_head / n_kv_head neighbouring heads (Ainslie et al. 2023); None means
    n_head, one for each query head."""
    head_dim: int | None = None
    """Width of each head; None means n_embd / n_head. `d_head` is the resolved number."""
    gated_mlp: bool = False
    """MLPs multiply activation(W_fc x) by a second linear map W_up x (Shazeer 2020)."""
    rotary_base: float = 10_000.0
    """Pair i of the rotated dimensions turns by pos / rotary_base^(2i / rotary_dims)."""
    rotary_dims: int | None = None
    """How many dimensions of each head, from the first on, are rotated, dimension i paired with i + rotary_dims / 2;
    None means all."""

    def __post_init__(self) -> None:
        for name in ("n_layer", "n_head", "n_embd", "block_size", "vocab_size", "d_mlp", "n_kv", "d_head"):
            if getattr(self, name) < 1:
                raise NanoscopeError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.head_dim is None and self.n_embd % self.n_head:
            raise NanoscopeError(f"n_embd ({self.n_embd}) must be a multiple of n_head ({self.n_head})")
        if not 0 <= self.dropout < 1:
            raise NanoscopeError(f"dropout must lie in [0, 1), not {self.dropout}")
        self._reject_contradictions()

    def _reject_contradictions(self) -> None:
        """Raise NanoscopeError for fields that contradict each other."""
        rotated = self.rotary_dims
        contradictions = {
            f"n_head ({self.n_head}) must be a multiple of n_kv_head ({self.n_kv})": self.n_head % self.n_kv != 0,
            f"rotary positions need an even number of dimensions, at most {self.d_head}, not {self.n_rotated}": (
                self.positions == "rotary" and not (0 < self.n_rotated <= self.d_head and self.n_rotated % 2 == 0)
            ),
            "rotary_dims needs positions='rotary'": rotated is not None and self.positions != "rotary",
            f"rotary_base must be positive, not {self.rotary_base}": not self.rotary_base > 0,
            "parallel blocks have their norms before attention and MLP (norm_position='pre')": (
                self.parallel and (self.norm_position != "pre" or self.attention_only)
            ),
        }
        for what in (what for what, broken in contradictions.items() if broken):
            raise NanoscopeError(what)

    def stored(self) -> dict[str, Any]:
        """The fields as they are written to files and keys. `LATER_FIELDS` are left out where they have their default, so
        that older files keep their checksums and keys."""
        defaults = {f.name: f.default for f in fields(self)}
        return {k: v for k, v in asdict(self).items() if k not in LATER_FIELDS or v != defaults[k]}

    @property
    def d_mlp(self) -> int:
        """Neurons of each MLP."""
        return 4 * self.n_embd if self.n_inner is None else self.n_inner

    @property
    def d_head(self) -> int:
        """Width of each head."""
        return self.n_embd // self.n_head if self.head_dim is None else self.head_dim

    @property
    def d_attention(self) -> int:
        """Width of all heads together."""
        return self.n_head * self.d_head

    @property
    def n_kv(self) -> int:
        """Number of key-value heads."""
        return self.n_head if self.n_kv_head is None else self.n_kv_head

    @property
    def n_rotated(self) -> int:
        """Dimensions of each head that rotary positions turn."""
        return self.d_head if self.rotary_dims is None else self.rotary_dims

    @property
    def score_scale(self) -> float:
        width = {"d_head": self.d_head, "d_model": self.n_embd, "none": 1}[self.attention_scale]
        return 1 / math.sqrt(width)
