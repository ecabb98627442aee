"""Experiment 02, the positive control: heads whose class is known, weaker and weaker, through the same categoriser.

A planted head sends a share `strength` of every query's attention to its class's keys, evenly, and the rest wherever a random
draw says (an exponential weight for each key in sight, drawn anew for every head, window and query). Queries without such a
key are all random.
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
    """How many of `heads` planted heads of every class get each label: `[strength, planted, label]`; the last label is
    none. All heads of one strength are judged together, as those of a model are."""
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
    """All attention on the class's keys, evenly; zeros where a query has none: `[window, query, key]`."""
    if cls not in PLACES:
        keys = targets.keys[classes.TOKENS.index(cls)].float()
        return keys / keys.sum(-1, keepdim=True).clamp_min(1)
    windows, size = targets.keys.shape[1], targets.keys.shape[-1]
    query, key = torch.arange(size)[:, None], torch.arange(size)[None, :]
    place = PLACES.index(cls)
    back = place + 1 if place < FARTHEST else 0
    one = (key == 0) if cls == "first token" else (key == query - back)
    return (one & (key <= query)).float().expand(windows, -1, -1)


def _mixed(ideal: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    noise = torch.empty(ideal.shape).exponential_(generator=generator).tril()
    noise = noise / noise.sum(-1, keepdim=True)
    there = ideal.sum(-1, keepdim=True) > 0
    return torch.where(there, strength * ideal + (1 - strength) * noise, noise)
