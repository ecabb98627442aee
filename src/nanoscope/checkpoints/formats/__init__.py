"""One module per format: `recognises(source)`, `read(source) -> Contents`. To add a format, add its module to `FORMATS`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from nanoscope.checkpoints.formats import (
    gpt2,
    gpt_neo,
    gpt_neox,
    hooked,
    lecture,
    llama,
    llama2c,
    microgpt,
    mingpt,
    nanogpt,
    nanoscope,
    others,
    renamed,
    torch_modules,
)
from nanoscope.checkpoints.formats.contents import Contents
from nanoscope.checkpoints.formats.source import Source
from nanoscope.checkpoints.reading.readings import NOTHING, Instructions
from nanoscope.errors import NanoscopeError


@runtime_checkable
class Format(Protocol):
    """The interface of a format's module."""

    def recognises(self, source: Source) -> bool: ...

    def read(self, source: Source) -> Contents: ...


FORMATS: tuple[Format, ...] = (
    nanoscope, gpt2, mingpt, nanogpt, renamed, llama, llama2c, gpt_neo, gpt_neox, lecture, torch_modules, hooked, microgpt
)  # fmt: skip
"""Tried in this order; then `others` takes any weights, and refuses those that it cannot place."""


def read(
    path: Path,
    formats: Sequence[Format] = FORMATS,
    vocabulary: Path | None = None,
    said: Instructions = NOTHING,
) -> Contents:
    """Read a file or folder with the first format that recognises it; NanoscopeError if none does."""
    part = path.is_file() and path.name.startswith((nanoscope.DESCRIPTION, nanoscope.WEIGHTS))
    if part and (path.parent / nanoscope.DESCRIPTION).exists():
        raise NanoscopeError(f"{path} is a part of a checkpoint; give its folder, {path.parent}")
    source = Source(path, vocabulary, said)
    for one in (*formats, others):
        if one.recognises(source):
            return one.read(source)
    if not source.files:
        inside = _checkpoint_inside(path)
        more = f"; give {inside}" if inside else ""
        raise NanoscopeError(f"{path} is not a checkpoint: {nanoscope.DESCRIPTION} is missing{more}")
    raise NanoscopeError(f"{path} is of no known format")


def _checkpoint_inside(folder: Path) -> Path | None:
    """A checkpoint in a folder of a training, of several, or of a study."""
    for pattern in ("final", "checkpoints/step_*", "step_*", "*/final", "models/*/final"):
        if found := [path for path in sorted(folder.glob(pattern)) if (path / nanoscope.DESCRIPTION).exists()]:
            return found[-1]
    return next(iter(sorted(folder.glob("*.pt"))), None)
