"""HF transformers' GPT-2: matrices are `[in, out]` (Conv1D), masks are buffers called `attn.bias`, and `config.json` lies
beside. Its default activation is the tanh GELU (`gelu_new`)."""

from __future__ import annotations

from nanoscope.checkpoints.formats import foreign
from nanoscope.checkpoints.formats.contents import Contents
from nanoscope.checkpoints.formats.foreign import GPT2_CODE, Style
from nanoscope.checkpoints.formats.source import Source

STYLE = Style("GPT-2 of transformers", GPT2_CODE | {"activation": "gelu_tanh"})


def recognises(source: Source) -> bool:
    """Is the fused map of queries, keys and values `[d_model, 3 d_model]`?"""
    fused = [value.shape for name, value in source.weights.items() if name.endswith("attn.c_attn.weight")]
    return bool(fused) and all(len(shape) == 2 and shape[1] == 3 * shape[0] for shape in fused)


def read(source: Source) -> Contents:
    return foreign.contents(source, STYLE)
