"""Universality, the numbers: excess correlations with other trainings, an untrained model and a hand-built one."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from nanoscope.analysis.neurons.activations import require_neurons
from nanoscope.analysis.neurons.universality import excess_correlation, half_shared, posts, shared_half
from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.errors import NanoscopeError
from nanoscope.evidence.sweep import Sweep, stacked
from nanoscope.experiments.experiment import Subject, Sweeps, require_least
from nanoscope.model.gpt import untrained
from nanoscope.text.windows import Windows, windows

KEPT = ("best", "excess")
"""Measures that claims and figures read."""


@dataclass(frozen=True)
class Params:
    """How much is measured."""

    characters: int = 8192
    """Characters of the validation text, in evenly spaced windows."""
    seed: int = 0
    """Seed of everything that is drawn at random."""

    def __post_init__(self) -> None:
        require_least(self)


def measure(subject: Subject, params: Params) -> Sweeps:
    """Excess correlations `[twin, measure, layer, neuron]` with other trainings, and those of an untrained and a hand-built
    model. NanoscopeError without another training, or if one has another shape or vocabulary."""
    model = subject.checkpoint.model
    require_neurons(model)
    _require_twins(subject)
    text = _windows(subject, params)
    mine, control = tuple(posts(model, text)), untrained(model, "untrained model", params.seed)
    found = [excess_correlation(mine, posts(twin.model, text), params.seed) for twin in subject.twins]
    shared = shared_half(len(mine), len(mine[0]), params.seed)
    twins = tuple(f"seed {twin.training['seed']}" for twin in subject.twins)
    return {
        "excess": stacked([_kept(one, *KEPT) for one in found], "twin", twins),
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


def _require_twins(subject: Subject) -> None:
    """NanoscopeError unless every twin is another training of the same recipe."""
    if not subject.twins:
        raise NanoscopeError("universality compares a model with other trainings; name their checkpoints with --twins")
    for twin in subject.twins:
        what = f"the twin of seed {twin.training.get('seed', 'unknown')}"
        if _kind(twin) != _kind(subject.checkpoint):
            raise NanoscopeError(
                f"{what} has another shape or vocabulary; a twin is another training of the same recipe"
            )
    seeds = [of.training.get("seed") for of in (subject.checkpoint, *subject.twins)]
    if None in seeds or len(set(seeds)) < len(seeds):
        raise NanoscopeError(
            f"these trainings must have different seeds ({', '.join(map(str, seeds))}); a twin is another training"
        )


def _kind(checkpoint: Checkpoint) -> object:
    return replace(checkpoint.model.config, dropout=0.0), checkpoint.vocabulary


def _windows(subject: Subject, params: Params) -> Windows:
    text = subject.checkpoint.encode(subject.corpus.val)
    return windows(text, subject.checkpoint.model.config.block_size, params.characters, subject.start)
