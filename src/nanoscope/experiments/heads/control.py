"""Experiment 02, planted heads: of known class and graded strength, labelled by the same categoriser.

A planted head sends a share `strength` of every query's attention evenly to its class's keys, and the rest at random (an
exponential weight for each visible key, drawn anew for every head, window and query). A query without such a key attends
entirely at random, and so do the heads of no class, planted as "none".
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from nanoscope.analysis.attention import classes
from nanoscope.analysis.attention.classes import CLASSES, FARTHEST, PLACES, Targets
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.experiment import Sweeps
from nanoscope.seeds import seed_for

STRENGTHS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0)
NONE = "none"
PLANTED = (*CLASSES, NONE)


def planted(targets: Targets, copies: int, permutations: int, *seed: object) -> Sweeps:
    """Scores and family-wise p-values of `copies` planted heads of every class and of none:
    `planted_scores`, `planted_p [strength, cls, planted, copy]`.

    All heads of one strength are judged together, as those of a model are.
    """
    ideals = {cls: _ideal(cls, targets) for cls in CLASSES}
    ideals[NONE] = torch.zeros_like(ideals[CLASSES[0]])
    found = []
    for strength in STRENGTHS:
        generator = torch.Generator().manual_seed(seed_for("planted heads", strength, *seed))
        heads = [_mixed(ideals[name], strength, generator) for name in PLANTED for _ in range(copies)]
        found.append(_judged(torch.stack(heads, dim=1), targets, permutations))
    axes = ("strength", "cls", "planted", "copy")
    coords = {"strength": STRENGTHS, "cls": CLASSES, "planted": PLANTED}
    scores, p = np.moveaxis(np.array(found), 1, 0).reshape(2, len(STRENGTHS), len(CLASSES), len(PLANTED), copies)
    return {
        "planted_scores": Sweep(scores.astype(np.float32), axes, "share above chance", coords),
        "planted_p": Sweep(p.astype(np.float32), axes, "p", coords),
    }


def _judged(patterns: Float[Tensor, "window head query key"], targets: Targets, permutations: int) -> np.ndarray:
    """The scores and p-values of these heads: `[2, cls, head]`."""
    found = classes.judged(patterns, targets)
    scores = classes.mean_of_present(classes.scores(found).values)
    return np.stack([scores[:, 0], classes.p_values(found, permutations, "planted").values[:, 0]])


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
