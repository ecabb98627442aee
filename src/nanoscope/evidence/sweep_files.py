"""Sweeps as one safetensors file: the values as arrays, the names, units and labels of their axes in its header, as JSON under
`axes`. The same sweeps are the same bytes.

Doubles that are the same numbers in single precision are stored so, in half the bytes, and read as doubles. A file whose name
ends in `.gz` is compressed, to two thirds.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

from nanoscope.evidence.sweep import Sweep

AXES = "axes"


def packed(sweeps: Mapping[str, Sweep]) -> bytes:
    """The content of the file; `load` reads back the same bits."""
    small = {name: _smallest(sweep.values) for name, sweep in sweeps.items()}
    arrays = {name: np.ascontiguousarray(values).reshape(values.shape) for name, values in small.items()}
    axes = {name: _axes(sweep, small[name]) for name, sweep in sweeps.items()}
    return safetensors.numpy.save(arrays, metadata={AXES: json.dumps(axes, sort_keys=True)})


def compressed(sweeps: Mapping[str, Sweep]) -> bytes:
    """The content of a compressed file."""
    return gzip.compress(packed(sweeps), mtime=0)


def load(path: Path) -> dict[str, Sweep]:
    """All sweeps of a file; ValueError, KeyError, OSError or SafetensorError if it is not whole."""
    content = path.read_bytes()
    try:
        content = gzip.decompress(content) if path.suffix == ".gz" else content
    except (EOFError, zlib.error) as error:
        raise ValueError(str(error)) from None
    arrays = safetensors.numpy.load(content)
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    axes = _axes_of(header.get("__metadata__", {}))
    return {name: _sweep(arrays[name], axes[name]) for name in sorted(axes)}


def _axes_of(metadata: Mapping[str, str]) -> dict[str, Any]:
    """The axes of every sweep; older versions had an entry for each, in any order."""
    if set(metadata) == {AXES}:
        return json.loads(metadata[AXES])
    return {name: json.loads(text) for name, text in metadata.items()}


def in_single(sweep: Sweep) -> Sweep:
    """The same sweep with doubles rounded to single precision, still as doubles: what its file needs half the bytes for."""
    if sweep.values.dtype != np.float64:
        return sweep
    return replace(sweep, values=np.asarray(sweep.values.astype(np.float32).astype(np.float64)))


def _smallest(values: np.ndarray) -> np.ndarray:
    """Doubles in single precision where no number changes."""
    if values.dtype != np.float64:
        return values
    with np.errstate(over="ignore"):
        single = values.astype(np.float32)
    return single if np.array_equal(single.astype(np.float64), values, equal_nan=True) else values


def _axes(sweep: Sweep, stored: np.ndarray) -> dict[str, Any]:
    """What the header says of a sweep; its type only where it is not that of what is stored."""
    axes = {"dims": sweep.dims, "unit": sweep.unit, "coords": dict(sweep.coords)}
    return axes if stored.dtype == sweep.values.dtype else {**axes, "dtype": str(sweep.values.dtype)}


def _sweep(stored: np.ndarray, axes: Mapping[str, Any]) -> Sweep:
    coords = {dim: tuple(labels) for dim, labels in axes["coords"].items()}
    values = stored.astype(axes.get("dtype", stored.dtype))
    return Sweep(values, tuple(axes["dims"]), axes["unit"], coords)
