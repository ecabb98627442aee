"""Features, the concepts: which unit (a latent, a neuron) detects which concept, by the machinery of `neurons`.

A detector is chosen on one text by the AUROC of its value, tested against labels that are shifted along the text, with the
largest AUROC over all units under each shift as the null, and measured on another text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from nanoscope.analysis.features.active import Active
from nanoscope.analysis.neurons import selectivity
from nanoscope.experiments.neurons.labels import CONDITIONS, POSITION, Labels
from nanoscope.text.windows import batches

SOME = 16
Rows = Iterable[tuple[Int[np.ndarray, "some"], Float[Tensor, "some char"]]]
"""The numbers of some units, and their values."""


@dataclass(frozen=True)
class Detectors:
    """The AUROC of every unit for every concept on the choosing text, and the largest one under each shift of the labels."""

    auroc: Float[np.ndarray, "unit concept"] = field(repr=False)
    chance: Float[np.ndarray, "concept shift"] = field(repr=False)

    @property
    def chosen(self) -> Int[np.ndarray, "concept"]:
        """The unit with the highest AUROC for each concept."""
        return self.auroc.argmax(0)

    @property
    def p(self) -> Float[np.ndarray, "concept"]:
        """The p-value of each chosen unit, corrected over all units (max-T)."""
        reached = (self.chance >= self.auroc.max(0)[:, None]).sum(1)
        return (1 + reached) / (1 + self.chance.shape[1])


def of_latents(active: Active) -> Rows:
    """The latents that are ever active, a few at a time."""
    alive = np.flatnonzero(active.density)
    return ((alive[some], active.dense(alive[some])) for some in batches(len(alive), SOME))


def of_units(values: Float[Tensor, "unit char"]) -> Rows:
    """All units of an array, a few at a time."""
    return ((np.arange(some.start, some.stop), values[some]) for some in batches(len(values), SOME))


def detectors(rows: Rows, units: int, labels: Labels, window: int, shifts: int) -> Detectors:
    """Search units for detectors of every concept. A unit that is not among the rows is constant: its AUROC is 0.5."""
    counted, allowed = labels.values.astype(np.float64), selectivity.shifts(labels.values, window, shifts)
    auroc = np.full((units, len(counted)), 0.5)
    chance = np.full((len(counted), len(allowed.multiples)), 0.5)
    for numbers, values in rows:
        ranks = selectivity.ranks(values.numpy())
        auroc[numbers] = selectivity.auroc(ranks, counted)
        chance = np.maximum(chance, selectivity.largest_by_chance(ranks, allowed))
    return Detectors(auroc, chance)


def told(values: Float[np.ndarray, "concept char"], labels: Labels, window: int) -> Float[np.ndarray, "concept window"]:
    """The AUROC of each concept's unit, as one value per window: their mean is the AUROC, their scatter its uncertainty."""
    return np.concatenate(
        [
            selectivity.pseudo_values(
                selectivity.placements(values[some], labels.values[some]), labels.values[some], window
            )
            for some in batches(len(values), SOME)
        ]
    )


def nested(
    values: Float[np.ndarray, "concept char"], labels: Labels, window: int
) -> Iterator[tuple[str, str, bool, float]]:
    """For every nested pair (concept, other, whether the other holds): the AUROC among characters that agree in the other."""
    for name, other, holds in CONDITIONS:
        if name in labels.names and other in labels.names:
            row, within = values[labels.names.index(name)], labels.of(other) == holds
            yield (
                name,
                other,
                holds,
                float(selectivity.pseudo_values_within(row, labels.of(name), within, window).mean()),
            )


def testable(labels: Labels) -> Sequence[int]:
    """The concepts that shifts can test: positions in the window are periodic, so shifts cannot."""
    return [at for at, family in enumerate(labels.families) if family != POSITION]
