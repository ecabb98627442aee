"""HF transformers' GPT-NeoX (Pythia): attention and MLP in parallel, the first quarter of each head rotated, one map for
queries, keys and values, head by head."""

from __future__ import annotations

from dataclasses import replace

from nanoscope.checkpoints.formats import foreign
from nanoscope.checkpoints.formats.contents import Contents
from nanoscope.checkpoints.formats.foreign import GPT2_CODE, Style
from nanoscope.checkpoints.formats.source import Source

MARK = ".attention.query_key_value.weight"
SHARE = 0.25
STYLE = Style(
    "GPT-NeoX of transformers",
    GPT2_CODE
    | {"activation": "gelu", "fused_order": "heads", "parallel": True, "positions": "rotary", "rotary_base": 10_000.0}
    | {"rotary_pairs": "halves"},
    keys=frozenset({"rotary_pct", "partial_rotary_factor", "rope_parameters"}),
)


def recognises(source: Source) -> bool:
    return any(name.endswith(MARK) for name in source.weights) and any(
        name.endswith("embed_in.weight") for name in source.weights
    )


def read(source: Source) -> Contents:
    """Read with as many rotated dimensions as the config says, in transformers' own words of old or of today."""
    says = {key: value for _, table in reversed(source.tables) for key, value in table.items()}
    rope = says.get("rope_parameters") or {}
    share = says.get("rotary_pct", rope.get("partial_rotary_factor", SHARE))
    width, heads = says.get("hidden_size"), says.get("num_attention_heads")
    always = dict(STYLE.always)
    if isinstance(width, int) and isinstance(heads, int) and heads > 0:
        always["rotary_dims"] = int(float(share) * (width // heads))
    if "rope_theta" in rope:
        always["rotary_base"] = float(rope["rope_theta"])
    return foreign.contents(source, replace(STYLE, always=always))
