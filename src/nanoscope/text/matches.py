"""Where the text at each place has stood before in the same window, and what followed it there.

The longest suffix that occurred earlier decides, the most recent occurrence among equals: the place that an induction
head of any reach should look at (methods.md 1.4).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

LONGEST = 8


@dataclass(frozen=True)
class Matches:
    """For each position, how long the match is (0: none) and the position of what followed it (-1: none)."""

    length: Int[np.ndarray, "window pos"]
    source: Int[np.ndarray, "window pos"]


def matches(tokens: Int[np.ndarray, "window pos"], longest: int = LONGEST) -> Matches:
    """The longest earlier match, up to `longest` tokens, at every position of every window."""
    common = np.zeros_like(tokens)  # at query i: the length of the suffix that the texts up to i and up to j share
    length, source = np.zeros_like(tokens), np.full_like(tokens, -1)
    for i in range(tokens.shape[1]):
        before = np.pad(common[:, :-1], ((0, 0), (1, 0)))
        common = np.where(tokens == tokens[:, i : i + 1], before + 1, 0)
        if i > 0:
            latest_first = np.minimum(common[:, i - 1 :: -1], longest)
            length[:, i] = latest_first.max(1)
            source[:, i] = np.where(length[:, i] > 0, i - latest_first.argmax(1), -1)
    return Matches(length, source)
