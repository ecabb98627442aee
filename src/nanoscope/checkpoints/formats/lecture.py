"""The GPT of Karpathy's lecture and its many copies: each head has maps of its own, and the MLP is a list of modules.

Its code divides scores by the root of d_head, in its first version of d_model, and uses ReLU; no file says so.
"""

from __future__ import annotations

import re

from nanoscope.checkpoints.formats import foreign
from nanoscope.checkpoints.formats.contents import Contents
from nanoscope.checkpoints.formats.foreign import Style
from nanoscope.checkpoints.formats.source import Source

HEAD = re.compile(r"\.heads\.\d+\.(key|query|value)\.weight$")
STYLE = Style("the lecture's GPT", {"norm": "layer"}, {"activation": ("relu", "gelu", "silu", "relu2")})


def recognises(source: Source) -> bool:
    return any(HEAD.search(name) for name in source.weights)


def read(source: Source) -> Contents:
    return foreign.contents(source, STYLE)
