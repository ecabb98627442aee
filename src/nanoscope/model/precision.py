"""Which arithmetic a sweep uses, said by the caller and recorded with the result.

`float32` is exact to rounding; `tf32` multiplies float32 matrices with a mantissa of 10 bits on the tensor cores of a
GPU (relative errors of about 1e-3); `bfloat16` stores everything in 8 bits of mantissa (about 1e-2). Nothing else in
the package changes the arithmetic that torch is set to.
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


@contextmanager
def in_precision(model: GPT, precision: Precision) -> Iterator[GPT]:
    """The model in that precision, for the time of a `with` block: a copy in bfloat16, else itself.

    Raises NanoscopeError for tf32 without a GPU: no CPU has it.
    """
    if precision == "tf32" and model.device.type != "cuda":
        raise NanoscopeError("tf32 exists on GPUs only; take float32 (or bfloat16) on the CPU")
    products = torch.backends.cuda.matmul
    before = products.fp32_precision
    products.fp32_precision = "tf32" if precision == "tf32" else "ieee"
    try:
        yield copy.deepcopy(model).to(torch.bfloat16) if precision == "bfloat16" else model
    finally:
        products.fp32_precision = before


def arithmetic_of(model: GPT) -> str:
    """What a sweep on this model computes with now, for its record: `cpu float32`, `cuda tf32`."""
    kind = str(model.wte.weight.dtype).removeprefix("torch.")
    fast = model.device.type == "cuda" and torch.backends.cuda.matmul.fp32_precision == "tf32"
    return f"{model.device.type} {'tf32' if fast and kind == 'float32' else kind}"
