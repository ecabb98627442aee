"""Any other file of a GPT's weights: roles from names, orientation from shapes, and a text decides what nothing says."""

from __future__ import annotations

from nanoscope.checkpoints.formats import foreign
from nanoscope.checkpoints.formats.contents import Contents
from nanoscope.checkpoints.formats.foreign import Style
from nanoscope.checkpoints.formats.source import Source

NOTE = "its weights were given their roles by their names and shapes"
STYLE = Style("a GPT", notes=(NOTE,))


def recognises(source: Source) -> bool:
    return bool(source.weights)


def read(source: Source) -> Contents:
    return foreign.contents(source, STYLE)
