"""Tasks from real text: copied chunks (control iv of docs/methods/texts_and_tasks.md)."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int
from torch import Tensor

from nanoscope.seeds import seed_for
from nanoscope.tasks.task import Task, long_tensor
from nanoscope.text.windows import start_symbol


def natural_copies(
    text: Int[Tensor, "pos"], length: int, examples: int, *labels: object, start: int | None = None
) -> Task:
    """Control (iv): clean `[n][n]`, corrupt `[n'][n]`, where n and n' are chunks of real text."""
    rng = np.random.default_rng(seed_for("natural", length, *labels))
    starts = rng.integers(0, len(text) - length, (2, examples))
    block, other = (np.stack([text[p : p + length].numpy() for p in row]) for row in starts)
    before = np.tile(start_symbol(start), (examples, 1))
    positions = np.tile(before.shape[1] + length + np.arange(length - 1), (examples, 1))
    return Task(
        clean=long_tensor(np.concatenate([before, block, block], axis=1)),
        corrupt=long_tensor(np.concatenate([before, other, block], axis=1)),
        answer=long_tensor(block[:, 1:]),
        wrong=long_tensor(other[:, 1:]),
        positions=long_tensor(positions),
    )
