"""Tasks from real text: copied chunks, and positions whose context occurred earlier in the window.

Controls are numbered as in docs/methods/texts_and_tasks.md.
"""

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


def natural_lookups(
    windows: Int[Tensor, "window size"], text: Int[Tensor, "pos"], match: int, *labels: object, start: int | None = None
) -> Task | None:
    """Control (v): real text in which the last `match` tokens occurred earlier in the window. In the corrupt text, that
    occurrence and the token after it are overwritten by text from elsewhere. Each window has one read, the last possible
    one beyond its first quarter; the answer is the true next token. Returns None if no window has such a position."""
    rng = np.random.default_rng(seed_for("lookups", match, *labels))
    found = [(row, lookup) for row in windows.numpy() if (lookup := _last_lookup(row, match)) is not None]
    if not found:
        return None
    clean = np.stack([row for row, _ in found])
    corrupt = clean.copy()
    for row, (_, (before, _)) in zip(corrupt, found, strict=True):
        elsewhere = int(rng.integers(0, len(text) - match - 1))
        row[before - match + 1 : before + 2] = text[elsewhere : elsewhere + match + 1].numpy()
    reads = np.array([[at] for _, (_, at) in found])
    answer = np.take_along_axis(clean, reads + 1, axis=1)
    head = np.tile(start_symbol(start), (len(found), 1))
    whole, overwritten = (long_tensor(np.concatenate([head, side], axis=1)) for side in (clean, corrupt))
    return Task(whole, overwritten, long_tensor(answer), long_tensor(answer), long_tensor(reads + head.shape[1]))


def _last_lookup(row: np.ndarray, match: int) -> tuple[int, int] | None:
    """The last position whose last `match` tokens also end at an earlier position, without overlap: `(earlier, last)`."""
    for at in range(len(row) - 2, max(match, len(row) // 4), -1):
        for before in range(at - match - 1, match - 2, -1):
            if (row[before - match + 1 : before + 1] == row[at - match + 1 : at + 1]).all():
                return before, at
    return None
