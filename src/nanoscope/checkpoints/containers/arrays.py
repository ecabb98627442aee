"""Containers that hold nothing but arrays, or text: numpy's npz, safetensors, JSON."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import numpy as np
import safetensors.torch

from nanoscope.checkpoints.containers.rebuild import from_numpy
from nanoscope.checkpoints.containers.torch_files import member, read_stream
from nanoscope.pickles import Budget

METADATA = "__metadata__"


def read_npz(raw: bytes, archive: zipfile.ZipFile) -> dict[str, Any]:
    """The arrays of an npz, name -> tensor; an array of objects, which is pickled, through the inert machine."""
    budget = Budget(len(raw))
    names = [name for name in archive.namelist() if name.endswith(".npy")]
    return {name.removesuffix(".npy"): _array(member(raw, archive, name, budget), budget) for name in names}


def _array(data: bytes, budget: Budget) -> Any:
    file = io.BytesIO(data)
    version = np.lib.format.read_magic(file)
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read_header(file)
    if dtype.hasobject:
        return read_stream(data[file.tell() :])
    rest = data[file.tell() :]
    budget.spend(2 * len(rest))
    return from_numpy(np.frombuffer(rest, dtype).reshape(shape, order="F" if fortran else "C"))


def read_safetensors(raw: bytes) -> dict[str, Any]:
    """Name -> tensor, and the metadata under `METADATA` where there are any. A tensor that was stored once for two names, since
    these were tied, has both again: the metadata say so."""
    header = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])
    tensors, said = safetensors.torch.load(raw), header.get(METADATA, {})
    tied = {name: tensors[kept] for name, kept in said.items() if name not in tensors and kept in tensors}
    return {**dict(sorted(tensors.items())), **tied, **({METADATA: said} if said else {})}


def read_json(raw: bytes) -> Any:
    """The content of a JSON file."""
    return json.loads(raw.decode("utf-8-sig"))
