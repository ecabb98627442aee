"""Experiment 01, the choice of heads: on one split, to be reported on the other without the winner's curse."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nanoscope.evidence.finding import Criterion
from nanoscope.evidence.sweep import Sweep
from nanoscope.statistics.intervals import max_t

Head = tuple[int, int]

STRONG_ENOUGH = Criterion(">=", 0.3)
SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Selection:
    """The heads that later analyses use. If none passes, `found` is False and `induction` holds the best one."""

    induction: tuple[Head, ...]
    previous: Head
    """The best previous-token head below the first induction head's layer, where that head can read its output."""
    any_previous: Head
    """The best previous-token head of all layers."""
    found: bool
    fed: bool
    """Whether `previous` passes as a previous-token head in an earlier layer than every induction head."""


def lowest(scores: Sweep, score: str) -> np.ndarray:
    """A score's mean over examples at the block length where it is lowest: `[layer, head]`."""
    return scores.sel(score=score).mean("example").values.min(axis=0)


def select(scores: Sweep, p_values: Sweep) -> Selection:
    """Induction heads: at least 0.3 above uniform at every block length, and significant over all heads; best first."""
    induction, previous = lowest(scores, "induction"), lowest(scores, "previous")
    passing = (induction >= STRONG_ENOUGH.threshold) & (p_values.values <= SIGNIFICANT)
    ranked = _ranked(np.where(passing, induction, -np.inf))
    chosen = tuple(head for head in ranked if passing[head]) or (_ranked(induction)[0],)
    below = previous[: chosen[0][0]] if chosen[0][0] > 0 else previous
    feeder = _ranked(below)[0]
    fed = feeder[0] < min(layer for layer, _ in chosen) and previous[feeder] >= STRONG_ENOUGH.threshold
    return Selection(chosen, feeder, _ranked(previous)[0], bool(passing.any()), bool(fed))


def p_values(tests: list[tuple[np.ndarray, np.ndarray]]) -> Sweep:
    """Family-wise p-value of each head (max-T over heads), the largest over block lengths: `[layer, head]`."""
    shape = tests[0][0].shape
    each = [max_t(observed.ravel(), null.reshape(len(null), -1)) for observed, null in tests]
    return Sweep(np.max(each, axis=0).reshape(shape), ("layer", "head"), "p")


def _ranked(values: np.ndarray) -> list[Head]:
    order = np.argsort(-values, axis=None, kind="stable")
    return [(int(layer), int(head)) for layer, head in zip(*np.unravel_index(order, values.shape), strict=True)]
