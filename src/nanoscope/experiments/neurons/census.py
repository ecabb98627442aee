"""Neurons counted over a whole range of thresholds, since any one cut-off is a convention.

All concepts and all neurons are counted, so the only uncertainty is that of the text: bands are over resampled windows.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from nanoscope.evidence.claim import Sweeps
from nanoscope.experiments.neurons.stored import told
from nanoscope.statistics.intervals import TAILS, resampled_means

AUROCS = np.round(np.arange(0.5, 1.0001, 0.01), 2)
"""Thresholds of the AUROC; of silent neurons the AUROC counts from the other end, as 1 - AUROC."""
HEIGHTS = np.logspace(-4, 0, 41)
"""Thresholds of a neuron's maximum, as shares of the median neuron's."""


def concepts_told(sweeps: Sweeps, source: str) -> Int[np.ndarray, "threshold"]:
    """How many context concepts are told with an AUROC of at least each of `AUROCS`."""
    return _counts(_upwards(sweeps, source).mean(1))


def told_band(sweeps: Sweeps, source: str) -> Float[np.ndarray, "end threshold"]:
    """The middle 95 % of the same counts over resampled windows."""
    means = resampled_means(_upwards(sweeps, source).T, "concepts told", source)
    return np.percentile(_counts(means), TAILS, axis=0)


def neurons_below(sweeps: Sweeps) -> Int[np.ndarray, "threshold"]:
    """How many neurons have a largest activation of at most each of `HEIGHTS` times the median neuron's."""
    largest = sweeps["statistics"].sel(statistic="max").values.ravel()
    return (largest <= HEIGHTS[:, None] * np.median(largest)).sum(-1)


def _upwards(sweeps: Sweeps, source: str) -> Float[np.ndarray, "concept window"]:
    values = told(sweeps, source)
    return 1 - values if source == "silent" else values


def _counts(values: Float[np.ndarray, "*any concept"]) -> Int[np.ndarray, "*any threshold"]:
    return (values[..., None, :] >= AUROCS[:, None]).sum(-1)
