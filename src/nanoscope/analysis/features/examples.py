"""Where a feature is active: examples from every tenth of its values, not only the strongest (Bolukbasi et al. 2021).

Where the same displayed text comes back, its strongest occurrence stands for all, with their number: a phrase that a text
repeats is one example. Tenths are of these different texts: `tenth` 1 holds those with the strongest values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

TENTHS = 10


@dataclass(frozen=True)
class Example:
    """One example: its place among those that were given, its value, and how often its text occurs."""

    at: int
    value: float
    tenth: int
    times: int


def examples(values: Float[np.ndarray, "place"], texts: Sequence[str], each: int) -> tuple[Example, ...]:
    """At most `each` examples of every tenth of the values, strongest first; `texts` are what is displayed of each place."""
    first, times = _merged(values, texts)
    found = []
    for tenth, part in enumerate(np.array_split(first, TENTHS), 1):
        picked = np.linspace(0, len(part) - 1, min(each, len(part))).round().astype(int)
        found += [Example(at, float(values[at]), tenth, times[texts[at]]) for at in map(int, part[picked])]
    return tuple(found)


def _merged(values: Float[np.ndarray, "place"], texts: Sequence[str]) -> tuple[Int[np.ndarray, "text"], dict[str, int]]:
    """The strongest place of every text, strongest first; and how often each text occurs."""
    times: dict[str, int] = {}
    first = []
    for at in map(int, np.argsort(-values, kind="stable")):
        if texts[at] not in times:
            first.append(at)
        times[texts[at]] = times.get(texts[at], 0) + 1
    return np.array(first, dtype=np.int64), times
