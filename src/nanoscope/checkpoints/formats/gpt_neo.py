"""HF transformers' GPT-Neo (TinyStories): scores are not scaled, and every other layer attends to a window of 256."""

from __future__ import annotations

from dataclasses import replace

from nanoscope.checkpoints.formats import foreign
from nanoscope.checkpoints.formats.contents import Contents
from nanoscope.checkpoints.formats.foreign import GPT2_CODE, Style
from nanoscope.checkpoints.formats.source import Source

MARK = ".attn.attention.q_proj.weight"
WINDOW = 256
STYLE = Style(
    "GPT-Neo of transformers",
    GPT2_CODE | {"attention_scale": "none", "activation": "gelu_tanh"},
    keys=frozenset({"attention_layers", "attention_types", "window_size"}),
)


def recognises(source: Source) -> bool:
    return any(name.endswith(MARK) for name in source.weights)


def read(source: Source) -> Contents:
    """Read with a context of one window, within which local attention is global."""
    windows = [table["window_size"] for _, table in source.tables if isinstance(table.get("window_size"), int)]
    return foreign.contents(source, replace(STYLE, longest=next(iter(windows), WINDOW)))
