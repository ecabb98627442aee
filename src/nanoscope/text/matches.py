"""Earlier occurrences of the text before each position in the same window, and the position of what followed.

The longest suffix that occurred earlier counts; of several occurrences, the most recent. An induction head of any reach
should attend to the token after it (docs/methods/texts_and_tasks.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

LONGEST = 8


@dataclass(frozen=True)
class Matches:
    """For each position, the length of the match (0: none) and the position of the token after it (-1: none)."""

    length: Int[np.ndarray, "window pos"]
    source: Int[np.ndarray, "window pos"]


def matches(tokens: Int[np.ndarray, "window pos"], longest: int = LONGEST) -> Matches:
    """The longest earlier match, of at most `longest` tokens, at every position of every window."""
    common = np.zeros_like(tokens)  # at query i: length of the common suffix of the texts up to i and up to j
    length, source = np.zeros_like(tokens), np.full_like(tokens, -1)
    for i in range(tokens.shape[1]):
        before = np.pad(common[:, :-1], ((0, 0), (1, 0)))
        common = np.where(tokens == tokens[:, i : i + 1], before + 1, 0)
        if i > 0:
            latest_first = np.minimum(common[:, i - 1 :: -1], longest)
            length[:, i] = latest_first.max(1)
            source[:, i] = np.where(length[:, i] > 0, i - latest_first.argmax(1), -1)
    return Matches(length, source)
