"""The arithmetic precision of a sweep, chosen by the caller and recorded with the result.

`float32` is exact to rounding; `tf32` multiplies float32 matrices with a mantissa of 10 bits on the tensor cores of a
GPU (relative errors of about 1e-3); `bfloat16` stores everything with 8 bits of mantissa (about 1e-2). Nothing else in
the package changes torch's precision settings.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch

from nanoscope.errors import NanoscopeError
from nanoscope.model.gpt import GPT

Precision = Literal["float32", "tf32", "bfloat16"]
RESOLUTION = {"float64": 2.0**-40, "float32": 2.0**-11, "tf32": 2.0**-8, "bfloat16": 2.0**-5, "float16": 2.0**-8}
"""Relative difference below which two results may be equal: 4,096 roundings of float32, four of a short mantissa."""


@contextmanager
def in_precision(model: GPT, precision: Precision) -> Iterator[GPT]:
    """The model in that precision, within a `with` block: a copy for bfloat16, else the model itself.

    Raises NanoscopeError for tf32 without a GPU, since no CPU supports it.
    """
    if precision == "tf32" and model.device.type != "cuda":
        raise NanoscopeError("tf32 exists on GPUs only; use float32 or bfloat16 on the CPU")
    matmul = torch.backends.cuda.matmul
    before = matmul.fp32_precision
    matmul.fp32_precision = "tf32" if precision == "tf32" else "ieee"
    try:
        yield copy.deepcopy(model).to(torch.bfloat16) if precision == "bfloat16" else model
    finally:
        matmul.fp32_precision = before


def arithmetic_of(model: GPT) -> str:
    """Device and precision of a sweep on this model, as recorded with its result: `cpu float32`, `cuda tf32`."""
    return f"{model.device.type} {_mantissa(model)}"


def resolution(model: GPT) -> float:
    """The `RESOLUTION` of a sweep on this model: a share of its largest logit."""
    return RESOLUTION[_mantissa(model)]


def _mantissa(model: GPT) -> str:
    dtype = str(model.wte.weight.dtype).removeprefix("torch.")
    tf32 = model.device.type == "cuda" and torch.backends.cuda.matmul.fp32_precision == "tf32"
    return "tf32" if tf32 and dtype == "float32" else dtype
