"""Karpathy's microgpt: flat names (`layer0.attn_wq`), RMS norms without weights, no biases, no final norm.

Its first version has the square of ReLU; its second ReLU, and it normalises the embeddings, which no weight shows and
nanoscope cannot compute.
"""

from __future__ import annotations

from nanoscope.checkpoints.formats import foreign
from nanoscope.checkpoints.formats.contents import Contents
from nanoscope.checkpoints.formats.foreign import Style
from nanoscope.checkpoints.formats.source import Source

STYLE = Style(
    "microgpt",
    {
        "norm": "rms", "norm_position": "pre", "attention_scale": "d_head", "final_norm": False, "embedding_scale": "none",
        "norm_eps": 1e-5,
    },
    {"activation": ("relu", "relu2"), "embedding_norm": ("rms", "none")},
)  # fmt: skip


def recognises(source: Source) -> bool:
    return "layer0.attn_wq" in source.weights


def read(source: Source) -> Contents:
    return foreign.contents(source, STYLE)
