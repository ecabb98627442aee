"""The content of a file: plain containers, tensors, and inert stand-ins for pickled objects."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

from nanoscope.checkpoints.containers import first_bytes
from nanoscope.checkpoints.containers.arrays import read_json, read_npz, read_safetensors
from nanoscope.checkpoints.containers.torch_files import read_stream, read_zip
from nanoscope.errors import NanoscopeError
from nanoscope.pickles import Dangerous

NAMES = {
    first_bytes.ZIP: "PyTorch checkpoint",
    first_bytes.PICKLE: "PyTorch checkpoint",
    first_bytes.SAFETENSORS: "safetensors file",
    first_bytes.JSON: "JSON file",
}
OTHER_ZIP = "is a zip archive of other things ({}); unpack it and give the file with the weights"
DANGEROUS = "would call {!r} where Python unpickles it, which no model needs; nothing was run: do not trust this file"
LARGEST_JSON = 2**28
TOO_LARGE = "is JSON of more than 256 MB; save the arrays with numpy.savez under their names"
KERAS = "is a Keras file; save the arrays with numpy.savez under their names"


def content_of(raw: bytes, path: Path) -> Any:
    """The content of a file's bytes; NanoscopeError in one line, which says what it is otherwise, or that it is damaged."""
    kind = first_bytes.container(raw)
    if kind is None:
        raise NanoscopeError(f"{path} {first_bytes.other(raw)}")
    try:
        return _read(raw, kind)
    except _OtherThing as error:
        raise NanoscopeError(f"{path} {error}") from None
    except Dangerous as error:
        raise NanoscopeError(f"{path} {DANGEROUS.format(str(error)[:80])}") from None
    except Exception as error:  # a damaged file can make any of the readers stumble over anything
        why = (
            " ".join(str(error).split())[:120] if type(error).__name__ == "UnpicklingError" else "cut short or damaged"
        )
        raise NanoscopeError(f"{path} is not a readable {NAMES[kind]} ({why}); {first_bytes.COPY}") from None


class _OtherThing(NanoscopeError):
    """The file is in order, but not a checkpoint."""


def _read(raw: bytes, kind: str) -> Any:
    if kind == first_bytes.ZIP:
        return _read_archive(raw)
    if kind == first_bytes.SAFETENSORS:
        return read_safetensors(raw)
    if kind == first_bytes.JSON and len(raw) > LARGEST_JSON:
        raise _OtherThing(TOO_LARGE)
    return read_json(raw) if kind == first_bytes.JSON else read_stream(raw)


def _read_archive(raw: bytes) -> Any:
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        names = archive.namelist()
        for name in names:
            if name == "data.pkl" or name.endswith("/data.pkl"):
                return read_zip(raw, archive, name)
        if any(name.endswith(".npy") for name in names):
            return read_npz(raw, archive)
    if any(name.endswith(".weights.h5") for name in names):
        raise _OtherThing(KERAS)
    shown = " ".join(names[0].split())[:60] if names else "nothing"
    raise _OtherThing(OTHER_ZIP.format(shown))
