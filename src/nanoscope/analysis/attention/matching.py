"""Which head of one training is which of another? Heads are matched by what they do, never by their index.

A head's profile is its score in every class of attention. Profiles are standardised class by class over all trainings,
and two heads are alike by the cosine of theirs. Of two trainings the one-to-one assignment of heads with the largest sum of
similarities is found by the Hungarian method (Kuhn 1955), on one half of the text; how alike the matched heads are is read
on the other half, so that an assignment made of noise gains nothing. What it must beat is any assignment, one within
layers, and the one by index; the mean of the first two over all assignments is a mean over pairs of heads.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment

ASSIGNMENTS = ("by function", "by index", "within layers", "any")


def profiles(scores: Float[np.ndarray, "model cls layer head"]) -> Float[np.ndarray, "model node cls"]:
    """Scores standardised per class over all heads of all models; a class in which all are equal says nothing (0)."""
    models, classes = scores.shape[:2]
    rows = np.moveaxis(scores, 1, -1).reshape(models, -1, classes)
    spread = rows.std((0, 1))
    return (rows - rows.mean((0, 1))) / np.where(spread > 1e-9, spread, np.inf)


def similarity(
    first: Float[np.ndarray, "node cls"], second: Float[np.ndarray, "other cls"]
) -> Float[np.ndarray, "node other"]:
    """Cosines; a profile of zeros is like nothing (0)."""
    lengths = np.linalg.norm(first, axis=1)[:, None] * np.linalg.norm(second, axis=1)[None]
    return first @ second.T / np.where(lengths > 0, lengths, np.inf)


def assignment(similar: Float[np.ndarray, "node other"]) -> Int[np.ndarray, "node"]:
    """The partner of each head in the best one-to-one assignment."""
    return linear_sum_assignment(similar, maximize=True)[1]


def agreement(
    select: Float[np.ndarray, "node other"], report: Float[np.ndarray, "node other"], heads: int
) -> Float[np.ndarray, "assignment"]:
    """Mean similarity on the report half under each of `ASSIGNMENTS`, the first made on the select half."""
    nodes = np.arange(len(report))
    same_layer = nodes[:, None] // heads == nodes[None] // heads
    return np.array(
        [report[nodes, assignment(select)].mean(), report.diagonal().mean(), report[same_layer].mean(), report.mean()]
    )
