"""Builders for pickles of tensors and arrays: the functions that PyTorch and numpy name in them, as ours.

No size that a pickle states is believed: a tensor must lie within the bytes of its storage, an array within its own.
"""

from __future__ import annotations

import math
import pickle
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nanoscope.pickles import CONTAINERS, Budget, Buildable, Builder, Named

DTYPES = {
    "Double": torch.float64,
    "Float": torch.float32,
    "Half": torch.float16,
    "BFloat16": torch.bfloat16,
    "Long": torch.int64,
    "Int": torch.int32,
    "Short": torch.int16,
    "Char": torch.int8,
    "Byte": torch.uint8,
    "Bool": torch.bool,
    "ComplexFloat": torch.complex64,
    "ComplexDouble": torch.complex128,
    "Untyped": torch.uint8,
}
CODE = re.compile(r"b1|[iu][1248]|f[248]|c8|c16|[US][0-9]{1,4}|O8|O")


@dataclass(frozen=True)
class Storage:
    """The numbers behind tensors, all of them in a row."""

    values: Tensor


def storage_dtype(kind: Any) -> torch.dtype:
    """The dtype of a storage class, such as `torch.FloatStorage`."""
    name = kind.name.removesuffix("Storage") if isinstance(kind, Named) else ""
    if name not in DTYPES:
        raise pickle.UnpicklingError(f"it has a storage of an unknown kind, {kind}")
    return DTYPES[name]


def storage(data: bytes | memoryview, dtype: torch.dtype, swapped: bool = False) -> Storage:
    """The storage with these bytes; `swapped` where the most significant byte comes first."""
    size = len(data) // dtype.itemsize * dtype.itemsize
    own = torch.frombuffer(bytearray(data[:size]), dtype=torch.uint8) if size else torch.empty(0, dtype=torch.uint8)
    if swapped:
        own = own.view(-1, dtype.itemsize).flip(1).contiguous().flatten()
    return Storage(own.view(dtype))


def tensor_builders(budget: Budget, nested: Callable[[bytes], Any]) -> Mapping[str, Builder]:
    """The builders of a file: name -> function. `nested` opens a storage that is pickled as a file within the pickle."""

    def tensor(held: Any, offset: int, size: Any, stride: Any, *_: Any) -> Tensor:
        if not isinstance(held, Storage):
            raise pickle.UnpicklingError("a tensor has no storage")
        return _view(held.values, offset, size, stride, budget)

    def typed(held: Any, offset: int, size: Any, stride: Any, _grad: Any, _hooks: Any, dtype: Any, *_: Any) -> Tensor:
        if not isinstance(held, Storage):
            raise pickle.UnpicklingError("a tensor has no storage")
        return _view(held.values.view(named_dtype(dtype)), offset, size, stride, budget)

    def applied(function: Any, _kind: Any, args: Any, _state: Any) -> Any:
        """A subclass of Tensor, or one with attributes: the plain tensor."""
        if not isinstance(function, Named) or str(function) not in own:
            raise pickle.UnpicklingError(f"a tensor is made by {function}")
        return own[str(function)](*args)

    own: dict[str, Builder] = {
        "torch._utils._rebuild_tensor": tensor,
        "torch._utils._rebuild_tensor_v2": tensor,
        "torch._utils._rebuild_tensor_v3": typed,
        "torch._utils._rebuild_parameter": lambda data, *_: data,
        "torch._utils._rebuild_parameter_with_state": lambda data, *_: data,
        "torch._utils._rebuild_device_tensor_from_numpy": lambda data, *_: data,
        "torch._utils._rebuild_device_tensor_from_cpu_tensor": lambda data, *_: data,
        "torch.storage._load_from_bytes": nested,
    }
    arrays: dict[str, Builder] = {
        "numpy.ndarray": lambda *_: Array(budget),
        "numpy.dtype": DType,
        "torch._tensor._rebuild_from_type_v2": applied,
        "torch.Size": lambda sizes=(): tuple(sizes),
        "jax._src.array._reconstruct_array": lambda _f, _a, state, *_: Array(budget).built(state),
    }
    for core in ("numpy.core", "numpy._core"):
        arrays[f"{core}.multiarray._reconstruct"] = lambda *_: Array(budget)
        arrays[f"{core}.multiarray.scalar"] = _scalar
        arrays[f"{core}.numeric._frombuffer"] = lambda data, dtype, shape, order, *_: _array(
            data, dtype, shape, order == "F", budget
        )
    return {**CONTAINERS, **PATHS, **own, **arrays}


def named_dtype(dtype: Any) -> torch.dtype:
    """The dtype that a pickle or JSON names, such as `torch.bfloat16`."""
    found = getattr(torch, str(dtype).removeprefix("torch."), None)
    if not isinstance(found, torch.dtype):
        raise pickle.UnpicklingError(f"it has a tensor of the unknown kind {dtype}")
    return found


def _view(values: Tensor, offset: int, size: Any, stride: Any, budget: Budget) -> Tensor:
    """A tensor in a storage; an error where any of it lies outside."""
    numbers = [offset, *size, *stride]
    if len(size) != len(stride) or not all(isinstance(one, int) and 0 <= one < 2**62 for one in numbers):
        raise pickle.UnpicklingError("a tensor has an impossible shape")
    count = math.prod(size)
    last = offset + sum((one - 1) * step for one, step in zip(size, stride, strict=True))
    if count and last >= len(values):
        raise pickle.UnpicklingError("a tensor is larger than its data")
    budget.spend(count)
    return values.as_strided(size, stride, offset) if count else values.new_empty(0).view(_empty(size))


def _empty(size: Any) -> tuple[int, ...]:
    """The shape of a tensor without elements; one that could not be made is refused."""
    if max(size) > 2**31:
        raise pickle.UnpicklingError("a tensor has an impossible shape")
    return tuple(size)


class DType(Buildable):
    """Stands in for numpy's dtype: its code, such as `f4` or `U1`, and its byte order."""

    def __init__(self, code: Any = "", *_: Any) -> None:
        if not isinstance(code, str) or not CODE.fullmatch(code):
            raise pickle.UnpicklingError(f"it has an array of the unknown kind {code}")
        self.code, self.order = code, "="

    def built(self, state: Any) -> DType:
        self.order = state[1] if state[1] in ("<", ">") else "="
        return self

    def numpy(self) -> np.dtype[Any]:
        return np.dtype(self.order + self.code)


class Array(Buildable):
    """A numpy array before its data; then a tensor, or a list of what is no number."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget

    def built(self, state: Any) -> Any:
        _version, shape, dtype, fortran, data = state
        return _array(data, dtype, shape, bool(fortran), self.budget)


def _array(data: Any, dtype: Any, shape: Any, fortran: bool, budget: Budget) -> Any:
    if not isinstance(dtype, DType):
        raise pickle.UnpicklingError("an array has no dtype")
    if isinstance(data, list):
        return data if shape else data[0]
    budget.spend(2 * len(data))
    flat = np.frombuffer(data, dtype.numpy())
    return from_numpy(flat.reshape(tuple(shape), order="F" if fortran else "C"))


def from_numpy(array: np.ndarray) -> Any:
    """An array as a tensor, a plain number (of no dimensions), or a list (of what is no number)."""
    if array.ndim == 0:
        return array.item()
    if array.dtype.kind not in "biufc" or array.dtype.itemsize > 16:
        return array.tolist()
    return torch.from_numpy(array.astype(array.dtype.newbyteorder("="), order="C", copy=True))


def _scalar(dtype: Any, data: Any = b"") -> Any:
    """A numpy scalar as a plain number or string."""
    if not isinstance(dtype, DType) or not isinstance(data, bytes):
        raise pickle.UnpicklingError("a number has no dtype")
    return np.frombuffer(data, dtype.numpy(), 1)[0].item()


def _path(*parts: Any) -> str:
    return str(PurePosixPath(*map(str, parts)))


PATHS: dict[str, Builder] = {
    f"{module}.{name}": _path
    for module in ("pathlib", "pathlib._local")
    for name in ("PosixPath", "PurePosixPath", "WindowsPath", "PureWindowsPath", "Path", "PurePath")
}
