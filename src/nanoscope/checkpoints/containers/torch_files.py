"""PyTorch's two kinds of files, and plain pickles: the content of each, through the inert pickle machine.

A zip holds `data.pkl` and one record per storage. A file older than PyTorch 1.6 is five pickles in a row (a magic number,
a version, the system, the content, the names of the storages), then the storages; since these come last, the content is read
twice, first for the storages' kinds alone.
"""

from __future__ import annotations

import io
import pickle
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

import torch

from nanoscope.checkpoints.containers.rebuild import Storage, storage, storage_dtype, tensor_builders
from nanoscope.pickles import CONTAINERS, Budget, Machine

MAGIC = 0x1950A86A20F9469CFC6C
NESTED = 2
"""How deep files within pickles may lie: a storage in a plain pickle is a file of PyTorch's own."""


def read_zip(raw: bytes, archive: zipfile.ZipFile, pickled: str) -> Any:
    """The content of a zip whose member `pickled` is the pickle."""
    budget, folder = Budget(len(raw)), pickled.removesuffix("data.pkl")
    swapped = (
        f"{folder}byteorder" in archive.namelist() and member(raw, archive, f"{folder}byteorder", budget) == b"big"
    )
    held: dict[Any, Storage] = {}

    def persistent(pid: Any) -> Storage:
        kind, cls, key, *_ = pid
        if kind != "storage" or not isinstance(key, str):
            raise pickle.UnpicklingError(f"it refers to a {kind}")
        if key not in held:
            data = member(raw, archive, f"{folder}data/{key}", budget)
            held[key] = storage(data, storage_dtype(cls), swapped)
        return held[key]

    builders = tensor_builders(budget, _nested(budget, NESTED))
    return Machine(io.BytesIO(member(raw, archive, pickled, budget)), builders, budget, persistent).load()


def member(raw: bytes, archive: zipfile.ZipFile, name: str, budget: Budget) -> bytes:
    """The bytes of one member. Its own checksum is not compared: PyTorch can be told to write none."""
    info = archive.getinfo(name)
    budget.spend(info.file_size)
    head = info.header_offset
    start = head + 30 + sum(int.from_bytes(raw[head + at : head + at + 2], "little") for at in (26, 28))
    packed = raw[start : start + info.compress_size]
    if info.compress_type == zipfile.ZIP_DEFLATED:
        return zlib.decompressobj(-15).decompress(packed, info.file_size)
    return packed


def read_stream(raw: bytes) -> Any:
    """The content of a file older than PyTorch 1.6, or of a plain pickle."""
    return _stream(raw, Budget(len(raw)), NESTED)


def is_old(raw: bytes) -> bool:
    """Does it begin with the magic number of files before PyTorch 1.6?"""
    return raw[2:14] == b"\x8a\x0a" + MAGIC.to_bytes(10, "little") and raw[:1] == b"\x80"


def _stream(raw: bytes, budget: Budget, depth: int) -> Any:
    file = io.BytesIO(raw)
    if not is_old(raw):
        return Machine(file, tensor_builders(budget, _nested(budget, depth)), budget).load()
    for _ in ("magic number", "version", "system"):
        Machine(file, {}, budget).load()
    start, kinds = file.tell(), {}
    Machine(file, CONTAINERS, budget, _recorder(kinds)).load()
    held = _storages(file, kinds, budget)
    file.seek(start)
    return Machine(file, tensor_builders(budget, _nested(budget, depth)), budget, _finder(held)).load()


def _nested(budget: Budget, depth: int) -> Callable[[Any], Any]:
    def opened(data: Any) -> Any:
        if not isinstance(data, bytes) or depth == 0:
            raise pickle.UnpicklingError("it has files within files")
        return _stream(data, budget, depth - 1)

    return opened


def _recorder(kinds: dict[str, torch.dtype]) -> Callable[[Any], Any]:
    """Notes the kind of every storage that the content refers to."""

    def persistent(pid: Any) -> Any:
        if pid[0] == "module":
            return pid[1]
        kinds[str(pid[2])] = storage_dtype(pid[1])
        return None

    return persistent


def _storages(file: io.BytesIO, kinds: dict[str, torch.dtype], budget: Budget) -> dict[str, Storage]:
    """The storages at the end: of each its number of elements (eight bytes), then these."""
    held = {}
    for key in Machine(file, {}, budget).load():
        dtype = kinds[key]
        size = int.from_bytes(file.read(8), "little") * dtype.itemsize
        data = file.read(size)
        if len(data) < size:
            raise EOFError
        held[key] = storage(data, dtype)
    return held


def _finder(held: dict[str, Storage]) -> Callable[[Any], Any]:
    def persistent(pid: Any) -> Any:
        if pid[0] == "module":
            return pid[1]
        whole, view = held[str(pid[2])], pid[5] if len(pid) > 5 else None
        return whole if view is None else Storage(whole.values[view[1] : view[1] + view[2]])

    return persistent
