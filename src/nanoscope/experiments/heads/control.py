"""Experiment 02, the positive control: planted heads of known class and varying strength, labelled by the same categoriser.

A planted head sends a share `strength` of every query's attention evenly to its class's keys, and the rest at random (an
exponential weight for each visible key, drawn anew for every head, window and query). A query without such a key attends
entirely at random.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from nanoscope.analysis.attention import classes
from nanoscope.analysis.attention.classes import CLASSES, FARTHEST, PLACES, Targets
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.heads.label import labels
from nanoscope.seeds import seed_for

STRENGTHS = (0.2, 0.4, 0.6, 0.8, 1.0)


def accuracy(targets: Targets, heads: int, permutations: int, *seed: object) -> Sweep:
    """How many of `heads` planted heads of every class get each label: `[strength, planted, label]`; the last is no label.

    All heads of one strength are judged together, as those of a model are.
    """
    counts = np.zeros((len(STRENGTHS), len(CLASSES), len(CLASSES) + 1))
    owners = np.repeat(np.arange(len(CLASSES)), heads)
    ideals = [_ideal(cls, targets) for cls in CLASSES]
    for s, strength in enumerate(STRENGTHS):
        generator = torch.Generator().manual_seed(seed_for("planted heads", strength, *seed))
        patterns = torch.stack([_mixed(ideals[owner], strength, generator) for owner in owners], dim=1)
        np.add.at(counts[s], (owners, _labelled(patterns, targets, permutations)), 1)
    coords = {"strength": STRENGTHS, "planted": CLASSES, "label": (*CLASSES, "unclassified")}
    return Sweep(counts, ("strength", "planted", "label"), "heads", coords)


def _labelled(patterns: Tensor, targets: Targets, permutations: int) -> np.ndarray:
    """The categoriser's label of each head, -1 for none."""
    found = classes.judged(patterns, targets)
    means = classes.mean_of_present(classes.scores(found).values)
    scores = Sweep(means, ("cls", "layer", "head"), "share above chance", {"cls": CLASSES})
    return labels(scores, classes.p_values(found, permutations, "planted"))[0]


def _ideal(cls: str, targets: Targets) -> Tensor:
    """All attention spread evenly over the class's keys, zero for a query without any: `[window, query, key]`."""
    if cls not in PLACES:
        keys = targets.keys[classes.TOKENS.index(cls)].float()
        return keys / keys.sum(-1, keepdim=True).clamp_min(1)
    windows, size = targets.keys.shape[1], targets.keys.shape[-1]
    query, key = torch.arange(size)[:, None], torch.arange(size)[None, :]
    index = PLACES.index(cls)
    back = index + 1 if index < FARTHEST else 0
    one = (key == 0) if cls == "first token" else (key == query - back)
    return (one & (key <= query)).float().expand(windows, -1, -1)


def _mixed(ideal: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    noise = torch.empty(ideal.shape).exponential_(generator=generator).tril()
    noise = noise / noise.sum(-1, keepdim=True)
    has_keys = ideal.sum(-1, keepdim=True) > 0
    return torch.where(has_keys, strength * ideal + (1 - strength) * noise, noise)
