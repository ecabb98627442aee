"""One module per format: `recognises(source)`, `read(source) -> Contents`. To add a format, add its module to `FORMATS`."""

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
    """The interface of a format's module."""

    def recognises(self, source: Source) -> bool: ...

    def read(self, source: Source) -> Contents: ...


FORMATS: tuple[Format, ...] = (nanoscope, nanogpt, renamed)
"""Tried in this order."""


def read(path: Path, formats: Sequence[Format] = FORMATS, vocabulary: Path | None = None) -> Contents:
    """Read a file or folder with the first format that recognises it; NanoscopeError if none does."""
    part = path.is_file() and path.name.startswith((nanoscope.DESCRIPTION, nanoscope.WEIGHTS))
    if part and (path.parent / nanoscope.DESCRIPTION).exists():
        raise NanoscopeError(f"{path} is a part of a checkpoint; give its folder, {path.parent}")
    source = Source(path, vocabulary)
    for one in formats:
        if one.recognises(source):
            return one.read(source)
    if not source.files:
        inside = _checkpoint_inside(path)
        more = f"; give {inside}" if inside else ""
        raise NanoscopeError(f"{path} is not a checkpoint: {nanoscope.DESCRIPTION} is missing{more}")
    found = next(iter(source.weights))
    raise NanoscopeError(f"{path} is not a nanoGPT: it has no {nanogpt.EMBEDDING}, but has {found!r}")


def _checkpoint_inside(folder: Path) -> Path | None:
    """A checkpoint in a folder of a training, of several, or of a study."""
    for pattern in ("final", "checkpoints/step_*", "step_*", "*/final", "models/*/final"):
        if found := [path for path in sorted(folder.glob(pattern)) if (path / nanoscope.DESCRIPTION).exists()]:
            return found[-1]
    return next(iter(sorted(folder.glob("*.pt"))), None)
