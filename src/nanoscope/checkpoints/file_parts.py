"""Split a file into parts of limited size, each with a checksum, for places with a limit on file size.

`cat FILE.part-*` restores the file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nanoscope import files
from nanoscope.errors import NanoscopeError


def split(name: str, data: bytes, limit: int) -> dict[str, bytes]:
    """The parts in order, name -> at most `limit` bytes, named `NAME.part-01-of-02`, ..."""
    if limit < 1:
        raise NanoscopeError(f"a part must hold at least 1 byte, not {limit}")
    cuts = range(0, len(data), limit)
    return {f"{name}.part-{i:02d}-of-{len(cuts):02d}": data[a : a + limit] for i, a in enumerate(cuts, start=1)}


def join(folder: Path, checksums: Any) -> bytes:
    """The file joined from its parts; NanoscopeError naming any part that is missing or fails its checksum."""
    if not isinstance(checksums, dict) or not all(_is_plain_name(name) for name in checksums):
        raise NanoscopeError(f"{folder}: the list of its parts is damaged; copy the model again")
    return b"".join(_read(folder / name, sha256, len(checksums)) for name, sha256 in checksums.items())


def _read(part: Path, sha256: Any, count: int) -> bytes:
    try:
        data = part.read_bytes()
    except FileNotFoundError:
        raise NanoscopeError(f"{part} is missing, one of {count} parts of the weights; copy it again") from None
    except OSError as error:
        raise NanoscopeError(f"{part} cannot be read ({error.strerror}); copy it again") from None
    if files.sha256(data) != sha256:
        raise NanoscopeError(f"{part} has been changed or damaged (its checksum differs); copy it again")
    return data


def _is_plain_name(name: str) -> bool:
    """Is it a file name without a path, so that it cannot lead outside the model's folder?"""
    return name not in ("", ".", "..") and not set(name) & set("/\\\0")
