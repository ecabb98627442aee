"""Matching the heads of two trainings by function, not by index.

A head's profile is its score in every class of attention. Profiles are standardised class by class over all trainings;
the similarity of two heads is the cosine of their profiles. The one-to-one assignment with the largest total similarity is
found by the Hungarian method (Kuhn 1955) on one half of the text. The similarity of matched heads is measured on the other
half, so that fitting noise gains nothing. Baselines are a random assignment, a random one within layers, and the one by
index; the means of the first two over all assignments are means over pairs of heads.

Whether a layer of one training does what the same layer of another does is asked by matching the heads of every layer with
those of every layer: any two layers are matched equally well if functions do not depend on the layer.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment

ASSIGNMENTS = ("by function", "by index", "within layers", "any")


def profiles(scores: Float[np.ndarray, "model cls layer head"]) -> Float[np.ndarray, "model node cls"]:
    """Scores standardised per class over all heads of all models; 0 for a class in which all heads are equal."""
    models, classes = scores.shape[:2]
    rows = np.moveaxis(scores, 1, -1).reshape(models, -1, classes)
    std = rows.std((0, 1))
    return (rows - rows.mean((0, 1))) / np.where(std > 1e-9, std, np.inf)


def similarity(
    first: Float[np.ndarray, "node cls"], second: Float[np.ndarray, "other cls"]
) -> Float[np.ndarray, "node other"]:
    """Cosine similarities; 0 for a profile of zeros."""
    lengths = np.linalg.norm(first, axis=1)[:, None] * np.linalg.norm(second, axis=1)[None]
    return first @ second.T / np.where(lengths > 0, lengths, np.inf)


def assignment(similarities: Float[np.ndarray, "node other"]) -> Int[np.ndarray, "node"]:
    """The partner of each head in the best one-to-one assignment."""
    return linear_sum_assignment(similarities, maximize=True)[1]


def agreement(
    select: Float[np.ndarray, "node other"], report: Float[np.ndarray, "node other"], heads: int
) -> Float[np.ndarray, "assignment"]:
    """Mean similarity on the report half under each of `ASSIGNMENTS`; the first is chosen on the select half."""
    nodes = np.arange(len(report))
    same_layer = nodes[:, None] // heads == nodes[None] // heads
    return np.array(
        [report[nodes, assignment(select)].mean(), report.diagonal().mean(), report[same_layer].mean(), report.mean()]
    )


def layers_matched(
    select: Float[np.ndarray, "node other"], report: Float[np.ndarray, "node other"], heads: int
) -> Float[np.ndarray, "layer layer"]:
    """Mean similarity on the report half of each layer's heads with those of each layer of the other training, matched one to
    one on the select half."""
    layers = len(report) // heads
    blocks = [half.reshape(layers, heads, layers, heads).swapaxes(1, 2) for half in (select, report)]
    return np.array(
        [
            [read[np.arange(heads), assignment(chosen)].mean() for chosen, read in zip(*rows, strict=True)]
            for rows in zip(*blocks, strict=True)
        ]
    )
