"""The machine's own matmul rate at a block's four weight shapes: the ceiling for anything made of such products.

The four products, `F.linear` on ready inputs, run in turn for seconds on end, as a sweep does (a short burst is up to
a fifth faster than this machine can keep up): the rate is all operations over all the time. The best number of tokens
counts.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch
from torch.nn import functional as F

from protocol import Case, Cell, Measured, Run, Shape, Subject, serve

TOKENS = (512, 1024, 2048, 4096, 8192)
SECONDS = 4.0
"""How long each number of tokens is kept up."""


def load(case: Case, subject: Subject) -> Run:
    @torch.inference_mode()
    def rates(cells: Sequence[Cell]) -> Measured:
        kind = torch.bfloat16 if case.precision == "bfloat16" else torch.float32
        found = {tokens: rate(case.shape, tokens, kind) for tokens in TOKENS}
        return Measured(torch.empty(0), details={"flops_per_second": max(found.values()), "by_tokens": found})

    return rates


def rate(shape: Shape, tokens: int, kind: torch.dtype) -> float:
    """Operations per second of a block's products on so many tokens, kept up."""
    width = shape.n_embd
    shapes = ((3 * width, width), (width, width), (4 * width, width), (width, 4 * width))
    ready = [
        (torch.randn(tokens, columns, dtype=kind), torch.randn(rows, columns, dtype=kind)) for rows, columns in shapes
    ]
    operations, turns, begun = sum(2 * tokens * rows * columns for rows, columns in shapes), 0, time.perf_counter()
    while time.perf_counter() - begun < SECONDS:
        for inputs, weight in ready:
            F.linear(inputs, weight)
        turns += 1
    return turns * operations / (time.perf_counter() - begun)


if __name__ == "__main__":
    serve(load)
