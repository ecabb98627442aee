"""HookedTransformer of TransformerLens, and toys in its names: maps by head (`W_Q [head, d_model, d_head]`), `W_E`, `W_U`.

Models whose norms were folded (LNPre) still normalise, and their files hold no weights of norms.
"""

from __future__ import annotations

from dataclasses import replace

from nanoscope.checkpoints.formats import foreign
from nanoscope.checkpoints.formats.contents import Contents
from nanoscope.checkpoints.formats.foreign import Style
from nanoscope.checkpoints.formats.source import Source

STYLE = Style("HookedTransformer", {"norm_position": "pre", "embedding_scale": "none", "final_norm": True})


def recognises(source: Source) -> bool:
    return any(name.endswith(".attn.W_Q") for name in source.weights)


def read(source: Source) -> Contents:
    bare = any(table.get("normalization_type", "") is None for _, table in source.tables)
    always = STYLE.always | ({"norm": "none", "final_norm": False} if bare else {})
    return foreign.contents(source, replace(STYLE, always=always))
