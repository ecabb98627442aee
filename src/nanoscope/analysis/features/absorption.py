"""Absorption: characters of a concept on which its main feature is silent because a more special one carries the concept too.

A dictionary is sparser if a feature of "capital I" also holds the direction of "capital": then the feature of capitals is
silent on I (Chanin et al. 2024). With the concept's direction d (a linear probe of the same activation), and each feature's
share (W_dec . d) f of the activation's component along it:

    missed     characters of the concept on which the main feature is 0
    absorbed   missed ones on which one other feature carries at least half of what the main one carries where it is active
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from nanoscope.analysis.features.active import Active

CARRIES = 0.5


@dataclass(frozen=True)
class Absorption:
    """Shares of a concept's characters, and the features that stand in: (feature, share of the concept's characters)."""

    missed: float
    absorbed: float
    by: tuple[tuple[int, float], ...]


def absorption(
    active: Active,
    main: int,
    along: Float[np.ndarray, "latent"],
    concept: Bool[np.ndarray, "char"],
) -> Absorption:
    """How much of a concept its main feature leaves to others. `along` is `W_dec @ d`, by latent."""
    chars, values = active.of(main)
    inside = concept[chars]
    missed = concept.copy()
    missed[chars] = False
    usual = float((values[inside] * along[main]).mean()) if inside.any() else np.inf
    carried = active.value * along[active.latent]
    enough = missed[active.char] & (carried >= CARRIES * usual) & (usual > 0)
    stand_ins, counts = np.unique(active.latent[enough], return_counts=True)
    count = max(1, int(concept.sum()))
    order = np.argsort(-counts, kind="stable")
    by = tuple((int(stand_ins[at]), float(counts[at] / count)) for at in order)
    return Absorption(float(missed.sum() / count), len(np.unique(active.char[enough])) / count, by)
