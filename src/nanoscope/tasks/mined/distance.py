"""How far does a model look? Two places of a text that read the same but for the one token d back, and go on differently.

"d back" counts from the last token, at which the answer is read: d = 1 is the token before it. Both contexts are determined:
the next token follows its context at least three times, and more than half of the times. What followed once or twice may
have followed by chance, and then the token d back decides nothing: other text of the same author often goes on otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Int
from torch import Tensor

from nanoscope.errors import NanoscopeError
from nanoscope.seeds import seed_for
from nanoscope.tasks.mined.swaps import LENGTH, TIMES, Swap, spread_over_kinds, swapped
from nanoscope.tasks.task import Task
from nanoscope.text.windows import lead, room

LAST = 6
"""Tokens that the two places have in common, but for one."""
MOST = 2**62
"""Numbers below this fit into 64 bits, and are told apart exactly."""


def at_distance(
    text: Int[Tensor, "pos"],
    distance: int,
    examples: int,
    *labels: object,
    start: int | None = None,
    last: int | None = None,
    times: int = TIMES,
    length: int = LENGTH,
) -> Task:
    """Windows whose last `last` tokens (default: 6, or distance + 1 if that is more) also occur with another token `distance`
    back, after which another token follows. Clean and corrupt differ in that one token.

    Both tokens follow their context at least `times` times, and mostly (counted where a whole window fits). Each context is
    the clean one of at most one example, and at most one example in eight has the same two answers.
    """
    last = max(LAST, distance + 1) if last is None else last
    _require_room(distance, last, length, start)
    rng = np.random.default_rng(seed_for("at distance", distance, *labels))
    tokens = text.numpy()
    places = rng.permutation(_determined(tokens, np.arange(room(length, start) - 1, len(tokens) - 1), last, times))
    swaps = spread_over_kinds(_pairs(tokens, places, distance, last, rng), examples, f"distance-{distance}")
    return swapped(text, swaps, length, start)


def _require_room(distance: int, last: int, length: int, start: int | None) -> None:
    if not 0 <= distance < last <= room(length, start):
        raise NanoscopeError(
            f"no windows of {length} tokens agree in their last {last} but for the one {distance} back; give a distance of 0 "
            f"to {last - 1}, and a length of at least {last + lead(start)}"
        )


def _determined(tokens: np.ndarray, ends: np.ndarray, last: int, least: int) -> np.ndarray:
    """The places among `ends` at which the token follows that mostly follows their context, at least so many times."""
    contexts = _numbered([tokens[ends - back] for back in range(last)])
    continued = _numbered([contexts, tokens[ends + 1]])
    times = np.bincount(continued)[continued]
    return ends[(times >= least) & (2 * times > np.bincount(contexts)[contexts])]


def _pairs(
    tokens: np.ndarray, places: np.ndarray, distance: int, last: int, rng: np.random.Generator
) -> Iterator[tuple[tuple[int, int], Swap]]:
    """Each context, at the first of its places, with a random one that differs from it at the distance and in what follows."""
    _, first = np.unique(_numbered([tokens[places - back] for back in range(last)]), return_index=True)
    ends = places[np.sort(first)]
    alike = _numbered([tokens[ends - back] for back in range(last) if back != distance])
    by_group = np.argsort(alike, kind="stable")
    groups = np.split(ends[by_group], np.cumsum(np.bincount(alike))[:-1])
    for at, group in zip(ends, alike, strict=True):
        others = groups[group][tokens[groups[group] + 1] != tokens[at + 1]]
        if len(others):
            other = rng.choice(others)
            yield (int(tokens[at + 1]), int(tokens[other + 1])), Swap(int(at), int(other), last)


def _numbered(columns: Sequence[np.ndarray]) -> np.ndarray:
    """One number for each row of some columns: equal rows have equal numbers, from 0 on without gaps."""
    numbers, most = np.zeros_like(columns[0]), 1
    for column in columns:
        symbols = int(column.max(initial=0)) + 1
        if most * symbols > MOST:
            _, numbers = np.unique(numbers, return_inverse=True)
            most = len(numbers)
        numbers, most = numbers * symbols + column, most * symbols
    return np.unique(numbers, return_inverse=True)[1]
