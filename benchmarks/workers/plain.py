"""The plain batched nanoGPT loop: one full forward of all examples per cell, written out with fused attention."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

import nanogpt
from protocol import Case, Cell, Measured, Run, Subject, one_by_one, repeated, serve


def load(case: Case, subject: Subject) -> Run:
    model = nanogpt.build(case, subject)

    @torch.inference_mode()
    def sweep(cells: Sequence[Cell]) -> Measured:
        clean = nanogpt.clean_activations(model, subject.clean)

        def patched(cell: Cell) -> Tensor:
            logits = model(subject.corrupt, nanogpt.patch_of(case.kind, cell, clean))
            return subject.metric(logits)

        return one_by_one(cells, patched)

    @torch.inference_mode()
    def forwards(cells: Sequence[Cell]) -> Measured:
        return repeated(lambda: model(subject.corrupt, every_position=True))

    return sweep if case.axes else forwards


if __name__ == "__main__":
    serve(load)
