"""Experiment 02, what a head is called: the classes that explain enough of its attention, and significantly.

A head's *label* is chosen on one half of the text: its largest class there. Its *name* must hold on the other half too, and
gives every class to which the head belongs, so that no two findings call one head differently: "induction and space".
"""

from __future__ import annotations

from collections.abc import Mapping

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


def labels(scores: Sweep, p: Sweep, weak: float = WEAK) -> np.ndarray:
    """The primary class of every head, as an index into the classes; -1 for none.

    `scores` and family-wise `p` over an axis `cls` and any others, which remain: the largest score among the classes that are
    significant and at least `weak`.
    """
    axis = scores.dims.index("cls")
    passing = (p.values <= SIGNIFICANT) & (scores.values >= weak)
    best = np.where(passing, scores.values, -np.inf).argmax(axis=axis)
    return np.where(passing.any(axis=axis), best, -1)


def named(label: int) -> str:
    """A label in words."""
    return "unclassified" if label < 0 else ALL_CLASSES[int(label)]


def classes_of(sweeps: Mapping[str, Sweep], layer: int, head: int) -> tuple[str, ...]:
    """All classes of a head of a stored result, the largest first; none if its label does not hold on the other half.

    Each is at least weak on both halves of the text and significant on the first.
    """
    select, report, p = (sweeps[name].values[:, layer, head] for name in ("scores_select", "scores_report", "p"))
    label = int(sweeps["label"].values[layer, head])
    if label < 0 or report[label] < WEAK:
        return ()
    passing = (p <= SIGNIFICANT) & (select >= WEAK) & (report >= WEAK)
    passing[label] = True
    names = sweeps["scores_report"].labels("cls")
    return tuple(str(names[i]) for i in (-report).argsort(kind="stable") if passing[i])


def in_words(classes: tuple[str, ...]) -> str:
    """The classes of a head as its name; empty for none."""
    return " and ".join(classes)
