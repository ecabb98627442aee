"""Universality, from numbers to evidence: one function per claim, which reads stored sweeps only."""

from __future__ import annotations

import math

import numpy as np

from nanoscope.analysis.neurons.universality import UNIVERSAL
from nanoscope.evidence.claim import Sweeps
from nanoscope.evidence.finding import Evidence
from nanoscope.evidence.sweep import Sweep
from nanoscope.evidence.wording import Fact
from nanoscope.model.names import neuron_name
from nanoscope.statistics.intervals import seed_interval, share_interval, statistic_interval

NAMED = 3


def shared_half_found(sweeps: Sweeps) -> Evidence:
    """The share of the shared half that is called universal, minus that of the other half."""
    shared = sweeps["shared"].values.ravel()
    called = (sweeps["planted"].sel(measure="excess").values.ravel() > UNIVERSAL).astype(float)
    found, mistaken = (float(called[half].mean()) for half in (shared, ~shared))
    parts = np.stack([called * shared, called * ~shared, shared, ~shared], axis=1)

    def difference(means: np.ndarray) -> np.ndarray:
        return means[:, 0] / means[:, 2] - means[:, 1] / means[:, 3]

    facts = {"found": found, "mistaken": mistaken, "untrained": _share(sweeps["untrained"])}
    return Evidence(found - mistaken, statistic_interval(parts, difference, "sees"), len(called), "neurons", 0.0, facts)


def universal_neurons(sweeps: Sweeps) -> Evidence:
    """The share of neurons whose excess correlation, averaged over the other trainings, is above 0.5."""
    excess = sweeps["excess"].sel(measure="excess").values
    mean = excess.mean(axis=0)
    universal = mean > UNIVERSAL
    most = np.argsort(-mean, axis=None, kind="stable")[:NAMED]
    layers, neurons = (part.tolist() for part in np.unravel_index(most, mean.shape))
    names = map(neuron_name, layers, neurons)
    facts: dict[str, Fact] = {
        "count": int(universal.sum()),
        "others": len(excess),
        "layers": tuple(universal.mean(axis=1).tolist()),
        "most": tuple(zip(names, mean.ravel()[most].tolist(), strict=True)),
    }
    interval = share_interval(int(universal.sum()), universal.size)
    return Evidence(float(universal.mean()), interval, universal.size, "neurons", _share(sweeps["untrained"]), facts)


def mean_excess(sweeps: Sweeps) -> Evidence:
    """The mean excess correlation over neurons, with an interval over the other trainings if there are at least two."""
    per_twin = sweeps["excess"].sel(measure="excess").values.mean(axis=(1, 2))
    null = float(sweeps["untrained"].sel(measure="excess").values.mean())
    facts = {"best": float(sweeps["excess"].sel(measure="best").values.mean())}
    alone = len(per_twin) == 1
    interval = (math.nan, math.nan) if alone else seed_interval(per_twin)
    why = "one other training gives no interval" if alone else ""
    return Evidence(float(per_twin.mean()), interval, len(per_twin), "other trainings", null, facts, why)


def _share(excess: Sweep) -> float:
    """The share of all neurons that are universal by comparison with one other model."""
    return float((excess.sel(measure="excess").values > UNIVERSAL).mean())
