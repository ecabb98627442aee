"""HookedTransformer of TransformerLens, and toys in its names: maps by head (`W_Q [head, d_model, d_head]`), `W_E`, `W_U`.

Models whose norms were folded (LNPre) still normalise, and their files hold no weights of norms.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from nanoscope.checkpoints.formats import foreign
from nanoscope.checkpoints.formats.contents import Contents
from nanoscope.checkpoints.formats.foreign import Style
from nanoscope.checkpoints.formats.source import Source

STYLE = Style("HookedTransformer", {"norm_position": "pre", "embedding_scale": "none", "final_norm": True})


def recognises(source: Source) -> bool:
    return any(name.endswith(".attn.W_Q") for name in source.weights)


def read(source: Source) -> Contents:
    says = {key: value for _, table in reversed(source.tables) for key, value in table.items()}
    bare = "normalization_type" in says and says["normalization_type"] is None
    always = {**STYLE.always, **({"norm": "none", "final_norm": False} if bare else {}), **_scale(says)}
    return foreign.contents(source, replace(STYLE, always=always, keys=frozenset({"attn_scale", "use_attn_scale"})))


def _scale(says: Mapping[str, Any]) -> dict[str, Any]:
    """What scores are divided by, where the config says it as a number."""
    if says.get("use_attn_scale") is False:
        return {"attention_scale": "none"}
    square = float(says.get("attn_scale") or 0) ** 2
    widths = {"d_head": says.get("d_head"), "d_model": says.get("d_model"), "none": 1}
    return (
        {"attention_scale": next(k for k, w in widths.items() if w and abs(square - w) < 1e-3 * w)}
        if any(w and abs(square - w) < 1e-3 * w for w in widths.values())
        else {}
    )
