"""minGPT: nanoGPT's names, tanh GELU, a head of its own, masks as buffers. Its config has `embd_pdrop` and the like."""

from __future__ import annotations

from nanoscope.checkpoints.formats import foreign
from nanoscope.checkpoints.formats.contents import Contents
from nanoscope.checkpoints.formats.foreign import GPT2_CODE, Style
from nanoscope.checkpoints.formats.source import Source

EMBEDDING = "transformer.wte.weight"
KEYS = {"embd_pdrop", "resid_pdrop", "attn_pdrop"}
STYLE = Style("minGPT", GPT2_CODE | {"activation": "gelu_tanh"}, keys=frozenset({"model_type"}))


def recognises(source: Source) -> bool:
    return EMBEDDING in source.weights and any(table.keys() >= KEYS for _, table in source.tables)


def read(source: Source) -> Contents:
    return foreign.contents(source, STYLE)
