"""Check some cells of a sweep against full forwards, so that a wrong replay is an error instead of a number."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from nanoscope.errors import NanoscopeError
from nanoscope.interventions.replay.cells import Cell, make_edits
from nanoscope.interventions.run import run
from nanoscope.model.gpt import GPT
from nanoscope.model.precision import arithmetic_of
from nanoscope.tasks.metrics import read_at

TF32_STEP = 2.0**-10


def verify(
    model: GPT,
    tokens: Int[Tensor, "example pos"],
    cells: Sequence[Cell],
    positions: Int[Tensor, "example read"],
    measure: Callable[[Float[Tensor, "row read vocab"]], Float[Tensor, "row"]],
    values: Float[Tensor, "cell example"],
    many: int,
) -> None:
    """Run `many` of the cells, evenly spaced, in full.

    Raises NanoscopeError with the first cell whose `values` differ by more than `tolerance` times the sweep's largest value.
    """
    limit = tolerance(model) * float(values.abs().nan_to_num().max()) if len(cells) else 0.0
    for number in np.unique(np.linspace(0, len(cells) - 1, min(many, len(cells))).astype(int)).tolist():
        with torch.inference_mode():
            full = measure(read_at(run(model, tokens, make_edits(cells[number])).logits, positions)).double().cpu()
        difference = float((full - values[number]).abs().max())
        if not (difference <= limit or torch.equal(full, values[number])):
            sites = ", ".join(map(str, cells[number].sites))
            raise NanoscopeError(
                f"cell {number} ({sites or 'no edits'}) differs from a full forward by up to "
                f"{difference:.3g}, but rounding explains only {limit:.3g}; do not use this sweep, and report the error"
            )


def tolerance(model: GPT) -> float:
    """Allowed rounding error relative to the largest value: the square root of the machine epsilon.

    3e-4 in float32, 0.09 in bfloat16.
    """
    step = TF32_STEP if arithmetic_of(model).endswith("tf32") else torch.finfo(model.wte.weight.dtype).eps
    return step**0.5
