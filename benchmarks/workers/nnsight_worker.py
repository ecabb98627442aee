"""nnsight on the plain nanoGPT module, several cells a forward where the texts are short.

Its docs batch a layer-by-position map as one `trace` with an `invoke` per cell, on activations kept from a clean trace;
a module of one's own needs the two methods of `Batching` for that. Measured here: one forward of some 1,000 tokens is
fastest, which is one cell of eight long texts and sixteen cells of four short ones.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import nnsight
import torch
from torch import Tensor

import nanogpt
from protocol import Case, Cell, Measured, Run, Subject, serve

TOKENS_AT_ONCE = 1024


class Batching(nnsight.NNsight):
    """Says how many rows an invoke brings and how rows are put together."""

    def _batch_size(self, *inputs: Tensor, **_: object) -> int:
        return len(inputs[0]) if inputs else 0

    def _batch(self, invokes: Sequence[tuple], fn: object) -> tuple[tuple, dict]:
        return (torch.cat([inputs[0] for inputs, _ in invokes]),), {}


def load(case: Case, subject: Subject) -> Run:
    model = Batching(nanogpt.build(case, subject))
    some = max(1, TOKENS_AT_ONCE // subject.corrupt.numel())

    @torch.inference_mode()
    def sweep(cells: Sequence[Cell]) -> Measured:
        clean = clean_activations(model, case, subject)
        values, seconds = [], []
        for first in range(0, len(cells), some):
            begun, chunk = time.perf_counter(), cells[first : first + some]
            values += patched(model, case, subject, clean, chunk)
            seconds += [(time.perf_counter() - begun) / len(chunk)] * len(chunk)
        return Measured(torch.stack(values), seconds)

    return sweep


def clean_activations(model: Batching, case: Case, subject: Subject) -> list[Tensor]:
    """What the patches are taken from, per layer: the block's input, or the heads' outputs side by side."""
    with model.trace(subject.clean):
        if case.kind == "resid":
            clean = nnsight.save([block.input for block in model.transformer.h])
        else:
            clean = nnsight.save([block.attn.c_proj.input for block in model.transformer.h])
    return clean


def patched(
    model: Batching, case: Case, subject: Subject, clean: Sequence[Tensor], cells: Sequence[Cell]
) -> list[Tensor]:
    """The metric under each of some cells' patches, in one forward."""
    with model.trace() as tracer:
        values = nnsight.save([])
        for cell in cells:
            with tracer.invoke(subject.corrupt):
                block, at = model.transformer.h[cell[0]], index(case, cell)
                if case.kind == "resid":
                    block.input[at] = clean[cell[0]][at]
                else:
                    block.attn.c_proj.input[at] = clean[cell[0]][at]
                values.append(subject.metric(model.output))
    return values


def index(case: Case, cell: Cell) -> tuple[int | slice, ...]:
    """What a cell patches in `[example, pos, d_model]`; a head is a range of the last axis."""
    whole, width = slice(None), case.shape.d_head
    if case.kind == "resid":
        return whole, cell[1]
    head = slice(cell[1] * width, (cell[1] + 1) * width)
    return (whole, whole, head) if case.kind == "head" else (whole, cell[2], head)


if __name__ == "__main__":
    serve(load, "nnsight", "transformers")
