"""Where the text at each place has stood before in the same window, and what followed it there.

The longest suffix that occurred earlier decides, the most recent occurrence among equals: the place that an induction
head of any reach should look at (methods.md 1.4). All windows at once; `longest_match` is the same, one by one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int
from torch import Tensor

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


def longest_match(tokens: Int[Tensor, "pos"], limit: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """For each position, the longest suffix (up to `limit`) that occurred before within these tokens, and what
    followed its most recent earlier occurrence (-1 where there is no match): control (v), in-context copying.
    """
    text = tokens.numpy()
    lengths, following = np.zeros(len(text), np.int64), np.full(len(text), -1)
    seen: dict[tuple[int, ...], int] = {}
    for i in range(len(text)):
        for k in range(min(limit, i + 1), 0, -1):
            before = seen.get(tuple(text[i - k + 1 : i + 1]))
            if before is not None:
                lengths[i], following[i] = k, text[before + 1]
                break
        for k in range(1, min(limit, i + 1) + 1):
            seen[tuple(text[i - k + 1 : i + 1])] = i
    return lengths, following
