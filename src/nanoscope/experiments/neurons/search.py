"""Neurons, the search: for every concept and layer the best neuron, chosen on one split and measured on another.

Three controls are measured in the same way: the best of as many random directions of the same activations, the best
neuron of an untrained model, and a linear probe of the input to the layer's neurons.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from nanoscope.analysis.neurons import selectivity
from nanoscope.analysis.neurons.activations import Hidden, by_layer
from nanoscope.evidence.sweep import Label, Sweep
from nanoscope.experiments.experiment import Sweeps
from nanoscope.experiments.neurons.labels import CONDITIONS, FAMILIES, POSITION, Labels
from nanoscope.model.gpt import GPT
from nanoscope.seeds import seed_for
from nanoscope.text.windows import Windows, batches

SOURCES = ("neurons", "directions", "untrained", "probe")
DETAILS = ("mutual information", "point-biserial r", "F1", "select AUROC")
CHANCE = (0.5, 0.95)
BLOCK, SOME = 256, 16


@dataclass(frozen=True)
class Split:
    """A part of the text: its windows, and the concepts of their tokens."""

    windows: Windows
    labels: Labels


@dataclass(frozen=True)
class Found:
    """The search on the selecting split: `auroc [layer, neuron, concept]` and `chosen [source, layer, concept]`."""

    auroc: np.ndarray
    best: np.ndarray
    """`[source, layer, concept]`: AUROC of the chosen one (NaN for the probe, which was fitted to this split)."""
    chosen: np.ndarray
    thresholds: np.ndarray
    """`[layer, concept]`: the threshold at which the chosen neuron's F1 is highest."""
    chance: np.ndarray
    """`[concept, shift]`: the largest AUROC over all neurons, under each shift of the labels."""
    probes: Tensor
    """`[layer, concept, d_model]`."""

    @property
    def layer(self) -> np.ndarray:
        """The layer of each concept's best neuron `[concept]`."""
        return self.best[0].argmax(axis=0)

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
    for layer, hidden in enumerate(by_layer(model, split.windows)):
        found = np.empty((len(hidden.post), len(values)))
        for rows, ranks in selectivity.ranked(hidden.post):
            found[rows] = selectivity.auroc(ranks, counted)
            chance = np.maximum(chance, selectivity.largest_by_chance(ranks, allowed))
        drawn = random_directions(len(found), layer, seed).split(BLOCK)
        neurons.append(found)
        directions.append(np.concatenate([_aurocs(some @ hidden.post, counted) for some in drawn]))
        thresholds.append(selectivity.best_thresholds(hidden.post[found.argmax(0)].numpy(), values))
        probes.append(selectivity.probe(hidden.read, values))
        del hidden  # before the next layer is computed: one at a time
    raw = [_aurocs(post, counted) for post in _posts(untrained, split.windows)]
    every = [np.stack(found) for found in (neurons, directions, raw)]
    best = np.stack([*(found.max(axis=1) for found in every), np.full(every[0].max(axis=1).shape, np.nan)])
    chosen = np.stack([*(found.argmax(axis=1) for found in every), np.zeros(best.shape[1:], dtype=np.int64)])
    return Found(every[0], best, chosen, np.stack(thresholds), chance, torch.stack(probes))


def _posts(model: GPT, windows: Windows) -> Iterator[Tensor]:
    """Activations of each layer in turn, `[neuron, char]`, without the neurons' inputs."""
    return (hidden.post for hidden in by_layer(model, windows))


def random_directions(size: int, layer: int, seed: int) -> Tensor:
    """As many random directions as a layer has neurons, `[direction, neuron]`."""
    generator = torch.Generator().manual_seed(seed_for("neuron directions", layer, seed))
    return torch.randn(size, size, generator=generator) / size**0.5


def _aurocs(activations: Tensor, counted: np.ndarray) -> np.ndarray:
    return np.concatenate([selectivity.auroc(ranks, counted) for _, ranks in selectivity.ranked(activations)])


def report(model: GPT, untrained: GPT, split: Split, found: Found, seed: int) -> Sweeps:
    """Measure the chosen neurons on the reporting split: AUROCs as pseudo-values per window, and the other measures."""
    labels, window = split.labels, split.windows.size
    values = np.empty((len(SOURCES), *found.best.shape[1:], len(split.windows)), dtype=np.float32)
    details = np.full((len(DETAILS), len(labels.names)), np.nan)
    conditional = np.full((len(CONDITIONS), len(split.windows)), np.nan)
    for layer, hidden in enumerate(by_layer(model, split.windows)):
        for source, rows in _rows(hidden, found, layer, seed):
            values[SOURCES.index(source), layer] = _pseudo_values(rows, labels.values, window)
        here = np.flatnonzero(found.layer == layer)
        if len(here):
            rows = hidden.post[found.neuron[here]].numpy()
            details[:3, here] = _details(rows, labels.values[here], found.thresholds[layer, here])
            for which, of in _conditions(labels, here):
                conditional[which] = _conditional(rows[np.flatnonzero(here == of)[0]], labels, which, window)
        del hidden  # before the next layer is computed: one at a time
    for layer, post in enumerate(_posts(untrained, split.windows)):
        rows = post[found.chosen[SOURCES.index("untrained"), layer]].numpy()
        values[SOURCES.index("untrained"), layer] = _pseudo_values(rows, labels.values, window)
    details[3] = found.best[0].max(axis=0)
    return {
        "report": Sweep(
            values, ("source", "layer", "concept", "window"), "AUROC", {**_coords(labels), "source": SOURCES}
        ),
        "details": Sweep(
            details, ("measure", "concept"), "bits; r; F1; AUROC", {**_coords(labels), "measure": DETAILS}
        ),
        "conditional": Sweep(conditional, ("condition", "window"), "AUROC", {"condition": conditions()}),
    }


def _rows(hidden: Hidden, found: Found, layer: int, seed: int) -> Iterator[tuple[str, np.ndarray]]:
    """For each source in the model, its name and the activations chosen for each concept in this layer `[concept, char]`."""
    neurons, directions = found.chosen[:2, layer]
    yield "neurons", hidden.post[neurons].numpy()
    yield "directions", (random_directions(len(hidden.post), layer, seed)[directions] @ hidden.post).numpy()
    yield "probe", (found.probes[layer] @ hidden.read.T).numpy()


def _pseudo_values(rows: np.ndarray, values: np.ndarray, window: int) -> np.ndarray:
    """Pseudo-values of the AUROC `[concept, window]`, `SOME` concepts at a time."""
    parts = ((rows[some], values[some]) for some in batches(len(rows), SOME))
    return np.concatenate(
        [selectivity.pseudo_values(selectivity.placements(row, value), value, window) for row, value in parts]
    )


def _details(rows: np.ndarray, values: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    return np.stack(
        [
            selectivity.mutual_information(rows, values),
            selectivity.point_biserial(rows, values),
            selectivity.f1(rows, values, thresholds),
        ]
    )


def _conditions(labels: Labels, here: np.ndarray) -> Iterable[tuple[int, int]]:
    """Indices (condition, concept) of the conditions on those concepts whose best neuron is in this layer."""
    for which, (name, other, _) in enumerate(CONDITIONS):
        if name in labels.names and other in labels.names and labels.names.index(name) in here:
            yield which, labels.names.index(name)


def _conditional(values: np.ndarray, labels: Labels, which: int, window: int) -> np.ndarray:
    name, other, holds = CONDITIONS[which]
    return selectivity.pseudo_values_within(values, labels.of(name), labels.of(other) == holds, window)


def conditions() -> tuple[str, ...]:
    """The names of the conditions, such as "line start, given uppercase"."""
    return tuple(f"{name}, given {'' if holds else 'not '}{other}" for name, other, holds in CONDITIONS)


def concepts_by_auroc(model: GPT, split: Split, neuron: tuple[int, int]) -> list[tuple[str, float]]:
    """Every concept with one neuron's AUROC for it, highest first."""
    layer, unit = neuron
    post = next(islice(by_layer(model, split.windows), layer, None)).post[unit]
    values = selectivity.auroc(selectivity.ranks(post[None].numpy()), split.labels.values.astype(np.float64))[0]
    return sorted(zip(split.labels.names, values.tolist(), strict=True), key=lambda one: -one[1])


def described(found: Found, labels: Labels) -> Sweeps:
    """The search as sweeps: the best of each layer, p-values, quantiles under shifts, and the number of shifts."""
    coords = _coords(labels)
    p = np.where(np.array(labels.families) == POSITION, np.nan, found.p_values)
    families = np.array([FAMILIES.index(family) for family in labels.families])
    return {
        "families": Sweep(families, ("concept",), "family", coords),
        "chosen": Sweep(found.chosen, ("source", "layer", "concept"), "neuron", {**coords, "source": SOURCES}),
        "selected": Sweep(found.best, ("source", "layer", "concept"), "AUROC", {**coords, "source": SOURCES}),
        "p": Sweep(p, ("concept",), "p", coords),
        "shifts": Sweep(np.array(found.chance.shape[1]), (), "shifts"),
        "chance": Sweep(
            np.quantile(found.chance, CHANCE, axis=1), ("quantile", "concept"), "AUROC", {**coords, "quantile": CHANCE}
        ),
    }


def _coords(labels: Labels) -> dict[str, tuple[Label, ...]]:
    return {"concept": labels.names}
