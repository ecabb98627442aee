"""What stands for a tensor in JSON and in plain lists: rows of numbers, or {"shape", "dtype", "data"} with data in base64."""

from __future__ import annotations

import base64
import math
import re
from typing import Any

import torch
from torch import Tensor

from nanoscope.checkpoints.containers.rebuild import named_dtype
from nanoscope.errors import NanoscopeError

VECTOR = re.compile(r"(^|[._])(weight|bias|gain|gamma|beta|scale|norm|ln)|^(g|b|w)$", re.IGNORECASE)
"""Names of which a list of numbers is a vector of the model; of others it is a setting, or a record."""
DEEPEST = 4


def shape_of(value: Any) -> tuple[int, ...] | None:
    """The shape of a tensor, or of what stands for one; None for anything else."""
    if isinstance(value, Tensor):
        return tuple(value.shape)
    if isinstance(value, dict) and {"shape", "data"} <= value.keys():
        shape = value["shape"]
        whole = isinstance(shape, list) and all(isinstance(one, int) and 0 <= one < 2**40 for one in shape)
        return tuple(shape) if whole else None
    shape = []
    while isinstance(value, (list, tuple)) and value and len(shape) < DEEPEST:
        shape.append(len(value))
        value = value[0]
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return tuple(shape) if shape and is_number else None


def is_numbers(value: Any, name: str) -> bool:
    """Does it become a tensor? A list of numbers does where its name is one of a vector of weights."""
    shape = shape_of(value)
    return shape is not None and (len(shape) > 1 or not isinstance(value, (list, tuple)) or bool(VECTOR.search(name)))


def is_matrix(value: Any) -> bool:
    """Are they real numbers in two or more dimensions?"""
    shape = shape_of(value)
    return shape is not None and len(shape) > 1 and not (isinstance(value, Tensor) and not value.is_floating_point())


def tensor_of(value: Any, name: str) -> Tensor:
    """The tensor; NanoscopeError where its numbers do not fill its shape."""
    if isinstance(value, Tensor):
        return value
    try:
        return _decoded(value) if isinstance(value, dict) else torch.tensor(value, dtype=torch.float32)
    except Exception:
        raise NanoscopeError(f"the numbers of its weight {name[:300]!r} do not fill its shape") from None


def _decoded(value: dict[str, Any]) -> Tensor:
    shape, data = shape_of(value) or (), value["data"]
    if isinstance(data, list):
        return torch.tensor(data, dtype=torch.float32).view(shape)
    dtype = named_dtype(value.get("dtype", "float32"))
    raw = bytearray(base64.b64decode(data, validate=True))
    if len(raw) != math.prod(shape) * dtype.itemsize:
        raise ValueError("another number of bytes")
    return torch.frombuffer(raw, dtype=dtype).view(shape)
