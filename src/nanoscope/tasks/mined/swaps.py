"""Swaps: windows of a text whose last tokens are replaced by those of another place in it.

The clean window is real text, and its answer the token that really follows. The corrupt window ends like the other place, and
the wrong answer is what follows there. So both answers are natural, and only the replaced tokens tell which one is due.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int
from torch import Tensor

from nanoscope.errors import NanoscopeError
from nanoscope.tasks.task import Task, long_tensor
from nanoscope.text.windows import room, start_symbol

LENGTH = 32
"""Tokens in a window, the start symbol included."""
TIMES = 3
"""A continuation that was seen less often may be chance."""
KINDS = 8
"""Examples are of at least so many kinds: one kind makes up at most one in eight."""


@dataclass(frozen=True)
class Swap:
    """The clean window ends at index `at` of the text; the corrupt one's last `replaced` tokens are those up to `other`."""

    at: int
    other: int
    replaced: int


def spread_over_kinds(found: Iterable[tuple[Hashable, Swap]], examples: int, task: str) -> list[Swap]:
    """The first swaps with at most one in eight of a kind. Raises NanoscopeError, naming the task, if they are too few."""
    if examples < 1:
        raise NanoscopeError(f"the task {task} needs at least one example, not {examples}")
    most, of_kind, kept = -(-examples // KINDS), Counter[Hashable](), list[Swap]()
    for kind, swap in found:
        if of_kind[kind] < most:
            of_kind[kind] += 1
            kept.append(swap)
        if len(kept) == examples:
            return kept
    raise NanoscopeError(
        f"the text has only {len(kept)} of the {examples} examples asked for of the task {task} (at most {most} of a kind); "
        "give a longer text, or ask for fewer"
    )


def swapped(text: Int[Tensor, "pos"], swaps: Sequence[Swap], length: int, start: int | None) -> Task:
    """The task of some swaps, read at the last position of windows of `length` tokens."""
    tokens = text.numpy()
    at, other, replaced = (np.array([[getattr(swap, name)] for swap in swaps]) for name in ("at", "other", "replaced"))
    back = np.arange(room(length, start))[::-1]
    clean = tokens[at - back]
    corrupt = np.where(back < replaced, tokens[np.maximum(other - back, 0)], clean)
    before = np.tile(start_symbol(start), (len(swaps), 1))
    return Task(
        clean=long_tensor(np.concatenate([before, clean], axis=1)),
        corrupt=long_tensor(np.concatenate([before, corrupt], axis=1)),
        answer=long_tensor(tokens[at + 1]),
        wrong=long_tensor(tokens[other + 1]),
        positions=long_tensor(np.full_like(at, length - 1)),
    )
