"""Experiment 02, what a head is called: the class that explains most of its attention, if it is sure and large enough."""

from __future__ import annotations

import numpy as np

from nanoscope.analysis.attention.classes import CLASSES
from nanoscope.evidence.sweep import Sweep

INDUCTION = "induction"
ALL_CLASSES = (*CLASSES, INDUCTION)
WEAK, STRONG = 0.3, 0.6
"""From what share of attention above chance a head counts as one of a class, and as a strong one."""
SIGNIFICANT = 0.05
FAMILIES = 2
"""Tests on text (corrected within `taxonomy.p_values`) and tests on repeated sequences."""


def labels(scores: Sweep, p: Sweep) -> np.ndarray:
    """The primary class of every head `[layer, head]`, as an index into `ALL_CLASSES`; -1 for none.

    `scores [cls, layer, head]` and family-wise `p` of the same shape: the largest score among the classes that are
    significant and at least weak.
    """
    passing = (p.values <= SIGNIFICANT) & (scores.values >= WEAK)
    best = np.where(passing, scores.values, -np.inf).argmax(axis=0)
    return np.where(passing.any(axis=0), best, -1)


def named(label: int) -> str:
    """A label in words."""
    return "unclassified" if label < 0 else ALL_CLASSES[int(label)]
