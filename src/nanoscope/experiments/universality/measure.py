"""Universality, the numbers: excess correlations of neurons with other trainings, an untrained model and a hand-built one; and
what features of dictionaries do in the others (`features`)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nanoscope.analysis.neurons.activations import require_neurons
from nanoscope.analysis.neurons.universality import excess_correlation, half_shared, posts, shared_half
from nanoscope.evidence.sweep import Sweep, stacked
from nanoscope.experiments.experiment import Subject
from nanoscope.experiments.measuring import LongStage, Stage, Stages, Sweeps
from nanoscope.experiments.universality.features import dictionaries, features, require_features
from nanoscope.experiments.universality.setting import Params, require_twins, twin_names
from nanoscope.model.gpt import untrained
from nanoscope.text.windows import Windows, windows

KEPT = ("best", "excess")
"""Measures that claims and figures read."""


def stages(subject: Subject, params: Params) -> Stages:
    """The stages of the experiment. NanoscopeError without another training, or if one has another shape or vocabulary."""
    require_neurons(subject.checkpoint.model)
    require_twins(subject)
    if params.latents:
        require_features(subject, params)
    of_features = {
        "dictionaries": LongStage(70, lambda before, *where: dictionaries(subject, params, *where)),
        "features": Stage(10, lambda before: features(subject, params, before)),
    }
    return {"neurons": Stage(20, lambda before: neurons(subject, params)), **(of_features if params.latents else {})}


def neurons(subject: Subject, params: Params) -> Sweeps:
    """Excess correlations `[twin, measure, layer, neuron]` with other trainings, and those of an untrained and a hand-built
    model."""
    model = subject.checkpoint.model
    text = _windows(subject, params)
    mine, control = tuple(posts(model, text)), untrained(model, "untrained model", params.seed)
    found = [excess_correlation(mine, posts(twin.model, text), params.seed) for twin in subject.twins]
    shared = shared_half(len(mine), len(mine[0]), params.seed)
    return {
        "excess": stacked([_kept(one, *KEPT) for one in found], "twin", twin_names(subject)),
        "untrained": _kept(excess_correlation(mine, posts(control, text), params.seed), "excess"),
        "planted": _kept(
            excess_correlation(mine, half_shared(mine, posts(control, text), shared), params.seed), "excess"
        ),
        "shared": Sweep(shared.numpy(), ("layer", "neuron"), "yes or no"),
    }


def _kept(correlations: Sweep, *measures: str) -> Sweep:
    """What is stored of `[measure, layer, neuron]`: some measures, to three digits."""
    values = np.stack([correlations.sel(measure=measure).values for measure in measures]).astype(np.float16)
    return replace(correlations, values=values, coords={**correlations.coords, "measure": measures})


def _windows(subject: Subject, params: Params) -> Windows:
    text = subject.checkpoint.encode(subject.corpus.val)
    return windows(text, subject.checkpoint.model.config.block_size, params.characters, subject.start)
