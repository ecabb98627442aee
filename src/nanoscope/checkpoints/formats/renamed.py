"""nanoGPT's model under the parameter names of many reimplementations: `tok_emb`, `pos_emb`, `blocks`, `head`."""

from __future__ import annotations

import re

from nanoscope.checkpoints.formats import nanogpt
from nanoscope.checkpoints.formats.contents import Contents
from nanoscope.checkpoints.formats.source import Source

NAMES = {
    "tok_emb.": "transformer.wte.",
    "pos_emb.": "transformer.wpe.",
    "blocks.": "transformer.h.",
    "ln_f.": "transformer.ln_f.",
    "head.": "lm_head.",
}
OLD = re.compile("^(" + "|".join(map(re.escape, NAMES)) + ")")
NOTE = "its parameters have other names than nanoGPT's (tok_emb, blocks, ...); they were renamed"


def recognises(source: Source) -> bool:
    return "tok_emb.weight" in source.weights and any(name.endswith(nanogpt.FUSED) for name in source.weights)


def read(source: Source) -> Contents:
    """Rename the weights to nanoGPT's names, then read the file as nanoGPT's."""
    weights = {OLD.sub(lambda old: NAMES[old[0]], key): value for key, value in source.weights.items()}
    return nanogpt.from_weights(source, weights, (NOTE,))
