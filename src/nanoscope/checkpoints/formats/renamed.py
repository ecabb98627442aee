"""nanoGPT's model under other parameter names, as many retellings of it have them: `tok_emb`, `pos_emb`, `blocks`, `head`."""

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
    return "tok_emb.weight" in source.weights


def read(source: Source) -> Contents:
    """Under nanoGPT's names; all else in the file is read as nanoGPT's."""
    weights = {OLD.sub(lambda old: NAMES[old[0]], key): value for key, value in source.weights.items()}
    return nanogpt.from_weights(source, weights, (NOTE,))
