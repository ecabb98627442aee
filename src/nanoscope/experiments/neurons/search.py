"""Neurons, the search: for every concept and layer the neuron that is most on, and the one that is most silent, on one split.

`reporting` measures them on another. What is ranked is the neuron's input, before the activation function. Controls are
chosen in the same way: the best of as many random directions of the same inputs, and the best neuron of an untrained model; a
linear probe of what the layer's neurons read is fitted.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from nanoscope.analysis.neurons import selectivity
from nanoscope.analysis.neurons.activations import by_layer
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.experiment import Sweeps
from nanoscope.experiments.neurons.labels import FAMILIES, POSITION, Labels
from nanoscope.experiments.neurons.stored import best_layer
from nanoscope.model.gpt import GPT
from nanoscope.seeds import seed_for
from nanoscope.text.windows import Windows

CHOSEN = ("neurons", "silent", "directions", "untrained")
"""What is chosen for each concept: by the highest AUROC, and "silent" by the lowest."""
CHANCE = (0.5, 0.95)
BLOCK = 256


@dataclass(frozen=True)
class Split:
    """A part of the text: its windows, and the concepts of their tokens."""

    windows: Windows
    labels: Labels


@dataclass(frozen=True)
class Found:
    """The search on the selecting split: `auroc [layer, neuron, concept]`, and for each of `CHOSEN` what was chosen."""

    auroc: np.ndarray
    best: np.ndarray
    """`[source, layer, concept]`: AUROC of the chosen one."""
    chosen: np.ndarray
    """`[source, layer, concept]`: its index within the layer."""
    thresholds: np.ndarray
    """`[layer, concept]`: the threshold at which the best neuron's F1 is highest."""
    chance: np.ndarray
    """`[concept, shift]`: the largest AUROC over all neurons, under each shift of the labels."""
    probes: Tensor
    """`[layer, concept, d_model]`."""

    def layers(self, source: str) -> np.ndarray:
        """The layer of each concept's chosen one `[concept]`."""
        return best_layer(self.best[CHOSEN.index(source)], source)

    @property
    def layer(self) -> np.ndarray:
        """The layer of each concept's best neuron `[concept]`."""
        return self.layers("neurons")

    @property
    def neuron(self) -> np.ndarray:
        """The index, within its layer, of each concept's best neuron `[concept]`."""
        return np.take_along_axis(self.chosen[0], self.layer[None], axis=0)[0]

    @property
    def p_values(self) -> np.ndarray:
        """The p-value of each concept's best neuron, corrected over all neurons (max-T)."""
        reached = (self.chance >= self.best[0].max(axis=0)[:, None]).sum(axis=1)
        return (1 + reached) / (1 + self.chance.shape[1])


def search(model: GPT, untrained: GPT, split: Split, shifts: int, seed: int) -> Found:
    """Search all neurons of all layers, one layer in memory at a time."""
    values = split.labels.values
    counted = values.astype(np.float64)
    allowed = selectivity.shifts(values, split.windows.size, shifts)
    chance = np.full((len(values), len(allowed.multiples)), -np.inf)
    neurons, directions, thresholds, probes = [], [], [], []
    for layer, hidden in enumerate(by_layer(model, split.windows, "pre")):
        found = np.empty((len(hidden.neurons), len(values)))
        for rows, ranks in selectivity.ranked(hidden.neurons):
            found[rows] = selectivity.auroc(ranks, counted)
            chance = np.maximum(chance, selectivity.largest_by_chance(ranks, allowed))
        drawn = random_directions(len(found), layer, seed).split(BLOCK)
        neurons.append(found)
        directions.append(np.concatenate([_aurocs(some @ hidden.neurons, counted) for some in drawn]))
        thresholds.append(selectivity.best_thresholds(hidden.neurons[found.argmax(0)].numpy(), values))
        probes.append(selectivity.probe(hidden.read, values))
        del hidden  # before the next layer is computed: one at a time
    raw = [_aurocs(hidden.neurons, counted) for hidden in by_layer(untrained, split.windows, "pre")]
    mine, drawn_at_random, at_first = (np.stack(found) for found in (neurons, directions, raw))
    best = np.stack([mine.max(1), mine.min(1), drawn_at_random.max(1), at_first.max(1)])
    chosen = np.stack([mine.argmax(1), mine.argmin(1), drawn_at_random.argmax(1), at_first.argmax(1)])
    return Found(mine, best, chosen, np.stack(thresholds), chance, torch.stack(probes))


def random_directions(size: int, layer: int, seed: int) -> Tensor:
    """As many random directions as a layer has neurons, `[direction, neuron]`."""
    generator = torch.Generator().manual_seed(seed_for("neuron directions", layer, seed))
    return torch.randn(size, size, generator=generator) / size**0.5


def _aurocs(neurons: Tensor, counted: np.ndarray) -> np.ndarray:
    return np.concatenate([selectivity.auroc(ranks, counted) for _, ranks in selectivity.ranked(neurons)])


def concepts_by_auroc(model: GPT, split: Split, neuron: tuple[int, int]) -> list[tuple[str, float]]:
    """Every concept with one neuron's AUROC for it, highest first: on those at the end the neuron is silent."""
    layer, unit = neuron
    inputs = next(islice(by_layer(model, split.windows, "pre"), layer, None)).neurons[unit]
    values = selectivity.auroc(selectivity.ranks(inputs[None].numpy()), split.labels.values.astype(np.float64))[0]
    return sorted(zip(split.labels.names, values.tolist(), strict=True), key=lambda one: -one[1])


def described(found: Found, labels: Labels) -> Sweeps:
    """The search as sweeps: what was chosen in each layer, p-values, quantiles under shifts, and the number of shifts."""
    concepts = {"concept": labels.names}
    chosen = {**concepts, "source": CHOSEN}
    axes = ("source", "layer", "concept")
    p = np.where(np.array(labels.families) == POSITION, np.nan, found.p_values)
    families = np.array([FAMILIES.index(family) for family in labels.families])
    chance = np.quantile(found.chance, CHANCE, axis=1)
    return {
        "families": Sweep(families, ("concept",), "family", concepts),
        "chosen": Sweep(found.chosen.astype(np.int32), axes, "neuron", chosen),
        "selected": Sweep(found.best.astype(np.float32), axes, "AUROC", chosen),
        "p": Sweep(p, ("concept",), "p", concepts),
        "shifts": Sweep(np.array(found.chance.shape[1]), (), "shifts"),
        "chance": Sweep(chance, ("quantile", "concept"), "AUROC", {**concepts, "quantile": CHANCE}),
    }
