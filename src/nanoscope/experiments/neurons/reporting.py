"""Neurons, the report: what the search has chosen, measured on text that it has not seen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from nanoscope.analysis.neurons import selectivity
from nanoscope.analysis.neurons.activations import Hidden, by_layer
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.experiment import Sweeps
from nanoscope.experiments.neurons.labels import CONDITIONS, CONTEXT, Labels
from nanoscope.experiments.neurons.search import CHOSEN, Found, Split, random_directions
from nanoscope.model.gpt import GPT
from nanoscope.text.windows import batches

SOURCES = (*CHOSEN, "probe")
OWN = ("neurons", "silent")
"""Neurons of the model itself."""
PARTS = ("in", "outside")
"""Characters with the concept, and those without."""
DETAILS = ("mutual information", "point-biserial r", "F1", "select AUROC")
SOME = 16


def report(model: GPT, untrained: GPT, split: Split, found: Found, seed: int) -> Sweeps:
    """AUROCs of what was chosen, as pseudo-values per window where claims are judged by them; how often the model's own neurons
    are active in their concept and outside it; and the other measures of the best ones."""
    labels, window = split.labels, split.windows.size
    values = np.empty((len(SOURCES), *found.best.shape[1:], len(split.windows)), dtype=np.float32)
    active = np.full((len(OWN), len(PARTS), len(labels.names)), np.nan)
    details = np.full((len(DETAILS), len(labels.names)), np.nan)
    conditional = np.full((len(CONDITIONS), len(split.windows)), np.nan)
    for layer, hidden in enumerate(by_layer(model, split.windows, "pre")):
        for source, rows in _rows(hidden, found, layer, seed):
            values[SOURCES.index(source), layer] = _pseudo_values(rows, labels.values, window)
            if source in OWN:
                here = found.layers(source) == layer
                active[OWN.index(source), :, here] = selectivity.active_shares(rows[here], labels.values[here]).T
        here = np.flatnonzero(found.layer == layer)
        if len(here):
            rows = hidden.neurons[found.neuron[here]].numpy()
            details[:3, here] = _details(rows, labels.values[here], found.thresholds[layer, here])
            for which, of in _conditions(labels, here):
                conditional[which] = _conditional(rows[np.flatnonzero(here == of)[0]], labels, which, window)
        del hidden  # before the next layer is computed: one at a time
    for layer, hidden in enumerate(by_layer(untrained, split.windows, "pre")):
        rows = hidden.neurons[found.chosen[SOURCES.index("untrained"), layer]].numpy()
        values[SOURCES.index("untrained"), layer] = _pseudo_values(rows, labels.values, window)
    details[3] = found.best[0].max(axis=0)
    concepts = {"concept": labels.names}
    return {
        **_summaries(values, found, labels),
        "active": Sweep(active, ("source", "part", "concept"), "share", {**concepts, "source": OWN, "part": PARTS}),
        "details": Sweep(details, ("measure", "concept"), "bits; r; F1; AUROC", {**concepts, "measure": DETAILS}),
        "conditional": Sweep(conditional, ("condition", "window"), "AUROC", {"condition": conditions()}),
    }


def _summaries(values: np.ndarray, found: Found, labels: Labels) -> Sweeps:
    """What is kept of the pseudo-values `[source, layer, concept, window]`: see `stored`."""
    context = np.flatnonzero(np.array(labels.families) == CONTEXT)
    told = np.stack([values[s, found.layers(source)[context], context] for s, source in enumerate(CHOSEN)])
    depth = values[SOURCES.index("neurons"), :, context].mean(axis=0) if len(context) else values[0, :, 0] * np.nan
    names = tuple(labels.names[at] for at in context)
    return {
        "aurocs": Sweep(values.mean(-1), ("source", "layer", "concept"), "AUROC", {"source": SOURCES, "concept": labels.names}),
        "told": Sweep(told, ("source", "concept", "window"), "AUROC", {"source": CHOSEN, "concept": names}),
        "depth": Sweep(depth, ("layer", "window"), "AUROC"),
    }  # fmt: skip


def _rows(hidden: Hidden, found: Found, layer: int, seed: int) -> Iterator[tuple[str, np.ndarray]]:
    """For each source in the model, its name and the inputs of what was chosen for each concept in this layer `[concept,
    char]`."""
    neurons, silent, directions = found.chosen[:3, layer]
    yield "neurons", hidden.neurons[neurons].numpy()
    yield "silent", hidden.neurons[silent].numpy()
    yield "directions", (random_directions(len(hidden.neurons), layer, seed)[directions] @ hidden.neurons).numpy()
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
