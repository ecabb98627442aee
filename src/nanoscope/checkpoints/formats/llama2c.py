"""llama2.c's and Meta's own Llama files: as HF's, but rotary positions turn neighbouring dimensions (2i with 2i + 1)."""

from __future__ import annotations

from nanoscope.checkpoints.formats import foreign, llama
from nanoscope.checkpoints.formats.contents import Contents
from nanoscope.checkpoints.formats.foreign import Style
from nanoscope.checkpoints.formats.source import Source

MARKS = ("layers.0.attention.wq.weight", "layers.0.feed_forward.w3.weight")
STYLE = Style("llama2.c", llama.CODE | {"rotary_pairs": "neighbours", "norm_eps": 1e-5})


def recognises(source: Source) -> bool:
    return all(mark in source.weights for mark in MARKS)


def read(source: Source) -> Contents:
    return foreign.contents(source, STYLE)
