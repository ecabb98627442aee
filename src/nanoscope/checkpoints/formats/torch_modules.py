"""Models of torch's `nn.MultiheadAttention` and `nn.TransformerEncoderLayer`: queries, keys and values in `in_proj_weight`.

`TransformerEncoderLayer` uses ReLU and norms after each part, unless it was told otherwise, which no file shows.
"""

from __future__ import annotations

from dataclasses import replace

from nanoscope.checkpoints.formats import foreign
from nanoscope.checkpoints.formats.contents import Contents
from nanoscope.checkpoints.formats.foreign import Style
from nanoscope.checkpoints.formats.source import Source

STYLE = Style("torch's attention", {"attention_scale": "d_head", "fused_order": "parts", "norm_eps": 1e-5})
ENCODER = {"activation": ("relu", "gelu"), "norm_position": ("post", "pre")}


def recognises(source: Source) -> bool:
    return any(name.endswith("attn.in_proj_weight") for name in source.weights)


def read(source: Source) -> Contents:
    encoder = any(name.endswith(".linear1.weight") for name in source.weights)
    return foreign.contents(source, replace(STYLE, answers=ENCODER) if encoder else STYLE)
