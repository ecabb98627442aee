"""Experiment 02, a head's label: the class that explains most of its attention, if significant and large enough."""

from __future__ import annotations

import numpy as np

from nanoscope.analysis.attention.classes import CLASSES
from nanoscope.evidence.sweep import Sweep

INDUCTION = "induction"
ALL_CLASSES = (*CLASSES, INDUCTION)
WEAK, STRONG = 0.3, 0.6
"""Share of attention above chance from which a head belongs to a class, and from which it does so strongly."""
SIGNIFICANT = 0.05
FAMILIES = 2
"""Families of tests: on text (corrected within `classes.p_values`) and on repeated sequences."""


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
