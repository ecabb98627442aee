"""One module a format: `recognises(source)` and `read(source) -> Contents`. To add one, write it and name it in `FORMATS`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from nanoscope.checkpoints.formats import nanogpt, nanoscope, renamed
from nanoscope.checkpoints.formats.contents import Contents
from nanoscope.checkpoints.formats.source import Source
from nanoscope.errors import NanoscopeError


@runtime_checkable
class Format(Protocol):
    """What a module of this folder offers."""

    def recognises(self, source: Source) -> bool: ...

    def read(self, source: Source) -> Contents: ...


FORMATS: tuple[Format, ...] = (nanoscope, nanogpt, renamed)
"""In the order in which they are asked."""


def read(path: Path, formats: Sequence[Format] = FORMATS) -> Contents:
    """What the first format that recognises a file or folder reads there; NanoscopeError where none does."""
    source = Source(path)
    for one in formats:
        if one.recognises(source):
            return one.read(source)
    if path.is_dir():
        raise NanoscopeError(f"{path} is no checkpoint: {nanoscope.DESCRIPTION} is missing")
    found = next(iter(source.weights))
    raise NanoscopeError(f"{path} is not a nanoGPT: it has no {nanogpt.EMBEDDING} but {found!r}")
