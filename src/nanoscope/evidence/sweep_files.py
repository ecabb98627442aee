"""Sweeps as one safetensors file: the values as arrays, the names, units and labels of their axes in its header."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from nanoscope.evidence.sweep import Sweep


def packed(sweeps: Mapping[str, Sweep]) -> bytes:
    """The content of the file; `load` reads back the same bits."""
    axes = {
        name: json.dumps({"dims": sweep.dims, "unit": sweep.unit, "coords": dict(sweep.coords)}, sort_keys=True)
        for name, sweep in sweeps.items()
    }
    arrays = {name: np.ascontiguousarray(sweep.values).reshape(sweep.values.shape) for name, sweep in sweeps.items()}
    return safetensors.numpy.save(arrays, metadata=axes)


def load(path: Path) -> dict[str, Sweep]:
    """All sweeps of a file; OSError, ValueError, KeyError or SafetensorError if it is not whole."""
    with safetensors.safe_open(path, framework="numpy") as file:
        axes = {name: json.loads(text) for name, text in (file.metadata() or {}).items()}
        return {name: _sweep(file.get_tensor(name), axes[name]) for name in file.keys()}  # noqa: SIM118


def _sweep(values: np.ndarray, axes: Mapping[str, Any]) -> Sweep:
    coords = {dim: tuple(labels) for dim, labels in axes["coords"].items()}
    return Sweep(values, tuple(axes["dims"]), axes["unit"], coords)
