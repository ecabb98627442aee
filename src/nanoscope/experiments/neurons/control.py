"""Neurons, the positive control: the search for a neuron with a known concept, planted in a copy of the model."""

from __future__ import annotations

import copy
from itertools import islice

import numpy as np
from jaxtyping import Float
from torch import Tensor

from nanoscope.analysis.neurons import ablation, selectivity
from nanoscope.analysis.neurons.activations import by_layer
from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.errors import NanoscopeError
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.experiment import Sweeps
from nanoscope.experiments.neurons.labels import CURRENT, concept_of
from nanoscope.experiments.neurons.search import Split
from nanoscope.model.gpt import GPT
from nanoscope.model.names import neuron_name
from nanoscope.planted.neuron import plant_detector
from nanoscope.seeds import seed_for
from nanoscope.statistics.auroc import auroc as auroc_of
from nanoscope.text.windows import Windows

MEASURES = ("auroc", "best", "p", "smallest p", "top share", "change")
STRONGEST = 20


def control(checkpoint: Checkpoint, select: Split, report: Split, shifts: int, seed: int) -> Sweeps:
    """The measures of the planted neuron `[concept, neuron, measure]`; NaN if the model has no room for it."""
    model = checkpoint.model
    layer = model.config.n_layer // 2
    neuron = seed_for("planted neuron", seed) % model.config.d_mlp
    concept = _median_token(select)
    names = checkpoint.known_vocabulary.names(model.config.vocab_size)
    token = [concept_of("current", name) for name in names].index(concept)
    try:
        planted = plant_detector(model, token, layer, neuron)
    except NanoscopeError:  # the model is too narrow; attention-only models were refused before
        values = np.full(len(MEASURES), np.nan)
    else:
        values = _measured(planted, layer, neuron, concept, select, report, shifts)
    coords = {"concept": (concept,), "neuron": (neuron_name(layer, neuron),), "measure": MEASURES}
    return {"planted": Sweep(values[None, None], ("concept", "neuron", "measure"), "AUROC; share; p; nats", coords)}


def _measured(
    planted: GPT, layer: int, neuron: int, concept: str, select: Split, report: Split, shifts: int
) -> np.ndarray:
    """`MEASURES` of the planted neuron, in their order."""
    here = select.labels.of(concept)[None]
    inputs = _inputs(planted, layer, select.windows)
    allowed = selectivity.shifts(here, select.windows.size, shifts)
    auroc, chance = np.empty(len(inputs)), np.full(len(allowed.multiples), -np.inf)
    for rows, ranks in selectivity.ranked(inputs):
        auroc[rows] = selectivity.auroc(ranks, here.astype(np.float64))[:, 0]
        chance = np.maximum(chance, selectivity.largest_by_chance(ranks, allowed)[0])
    strongest = inputs[neuron].topk(min(STRONGEST, int(here.sum()))).indices.numpy()
    new = _inputs(planted, layer, report.windows)[neuron].numpy()
    return np.array(
        [
            auroc_of(new, report.labels.of(concept)),
            float(auroc[neuron] >= auroc.max()),
            (1 + (chance >= auroc[neuron]).sum()) / (1 + len(chance)),
            1 / (1 + len(chance)),
            here[0, strongest].mean(),
            _change(planted, layer, neuron, report.windows),
        ]
    )


def _inputs(model: GPT, layer: int, windows: Windows) -> Float[Tensor, "neuron char"]:
    """The inputs of one layer's neurons."""
    return next(islice(by_layer(model, windows, "pre"), layer, None)).neurons


def _change(planted: GPT, layer: int, neuron: int, windows: Windows) -> float:
    """The largest change of a window's summed loss when the planted neuron, which writes nothing, is ablated.

    Computed in double precision: in single precision some processors round a row's product differently depending on how
    many rows there are, by up to 1e-5 nats per window.
    """
    tokens = windows.tokens[:4]
    ablated = ablation.without_neurons(
        copy.deepcopy(planted).double(), tokens[:, :-1], tokens[:, 1 + windows.lead :], [(layer, neuron)], [0.0]
    )
    return float(np.abs(ablated.change.values).max())


def _median_token(split: Split) -> str:
    """The concept of the current token with the median frequency."""
    at = [i for i, family in enumerate(split.labels.families) if family == CURRENT]
    order = sorted(at, key=lambda i: (int(split.labels.values[i].sum()), i))
    return split.labels.names[order[len(order) // 2]]
