"""HF transformers' Llama and its like: rotary positions (dimension i with i + d_head / 2), RMS norms, gated MLPs with SiLU,
grouped queries; `config.json` has heads, context, `rope_theta` and `rms_norm_eps`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from nanoscope.checkpoints.formats import foreign
from nanoscope.checkpoints.formats.contents import Contents
from nanoscope.checkpoints.formats.foreign import Style
from nanoscope.checkpoints.formats.source import Source
from nanoscope.errors import NanoscopeError

MARKS = (".self_attn.q_proj.weight", ".mlp.gate_proj.weight", ".input_layernorm.weight")
LIKE_LLAMA = ("llama", "mistral", "qwen2")
CODE = {
    "activation": "silu", "attention_scale": "d_head", "norm": "rms", "norm_position": "pre", "final_norm": True,
    "embedding_scale": "none", "positions": "rotary", "rotary_base": 10_000.0, "norm_eps": 1e-6,
}  # fmt: skip
STYLE = Style(
    "Llama of transformers",
    CODE | {"rotary_pairs": "halves"},
    keys=frozenset({"sliding_window", "use_sliding_window", "max_window_layers", "layer_types", "model_type"}),
)


def recognises(source: Source) -> bool:
    return all(any(name.endswith(mark) for name in source.weights) for mark in MARKS)


def read(source: Source) -> Contents:
    says: dict[str, Any] = {key: value for _, table in reversed(source.tables) for key, value in table.items()}
    kind = says.get("model_type", LIKE_LLAMA[0])
    if kind not in LIKE_LLAMA:
        raise NanoscopeError(
            f"{source.path} is of the kind {kind!r}, which computes more than its weights show; of the models with these names "
            f"{', '.join(LIKE_LLAMA)} can be read"
        )
    window = says.get("sliding_window") if says.get("use_sliding_window", True) else None
    return foreign.contents(source, replace(STYLE, longest=window))
