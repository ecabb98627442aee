"""Emergence, from numbers to findings: when the best heads' scores cross shares of their final values."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from nanoscope.experiments.emergence.claims import CLAIMS, FORMED
from nanoscope.experiments.emergence.measure import Params
from nanoscope.findings import Evidence, Finding
from nanoscope.results import Sweep
from nanoscope.stats import percentile_interval, resampled_means


def judge(sweeps: Mapping[str, Sweep], params: Params) -> tuple[Finding, ...]:
    """All findings, in the order of the claims."""
    followed = sweeps["followed"]
    steps = np.array(followed.labels("step"), dtype=float)
    examples = np.moveaxis(followed.values, -1, 0)
    curves = resampled_means(examples, "emergence").min(axis=3)
    mean = examples.mean(0).min(axis=2)[None]
    names = [str(name) for name in sweeps["names"].labels("score")]
    facts = {
        "head": names[0],
        "previous": names[1],
        "from": _step(crossing(mean[:, 0], steps, 0.1)),
        "to": _step(crossing(mean[:, 0], steps, 0.9)),
        "final": f"{mean[0, 0, -1]:.2f}",
        "steps": f"{int(steps[-1]):,}",
        "halves": f"{_step(crossing(mean[:, 1], steps, 0.5))} and {_step(crossing(mean[:, 0], steps, 0.5))}",
    }
    n = len(examples)
    evidence = {
        "emergence.forms": _formed(mean, curves, n, facts),
        "emergence.sharp": _ratio(mean, curves, steps, (0, 0.9), (0, 0.1), n, facts),
        "emergence.order": _ratio(mean, curves, steps, (0, 0.5), (1, 0.5), n, facts),
    }
    return tuple(claim.found(evidence[claim.id]) for claim in CLAIMS)


def crossing(curves: np.ndarray, steps: np.ndarray, share: float) -> np.ndarray:
    """First step at which each curve `[resample, step]` reaches a share of its last value; NaN where it forms nothing."""
    final = curves[:, -1:]
    reached = (curves >= share * final).argmax(axis=1)
    return np.where(final[:, 0] >= FORMED.threshold, steps[reached], math.nan)


def _formed(mean: np.ndarray, curves: np.ndarray, n: int, facts: Mapping[str, str]) -> Evidence:
    interval = percentile_interval(curves[:, 0, -1])
    return Evidence(float(mean[0, 0, -1]), interval, n, "sequences", float(mean[0, 0, 0]), facts)


def _ratio(
    mean: np.ndarray,
    curves: np.ndarray,
    steps: np.ndarray,
    over: tuple[int, float],
    under: tuple[int, float],
    n: int,
    facts: Mapping[str, str],
) -> Evidence:
    """The ratio of two crossing steps; undefined where one of the heads did not form."""

    def ratio(of: np.ndarray) -> np.ndarray:
        low = np.maximum(crossing(of[:, under[0]], steps, under[1]), 1.0)
        return np.maximum(crossing(of[:, over[0]], steps, over[1]), 1.0) / low

    return Evidence(float(ratio(mean)[0]), percentile_interval(ratio(curves)), n, "sequences", 1.0, facts)


def _step(crossed: np.ndarray) -> str:
    return "never" if math.isnan(crossed[0]) else f"iteration {int(crossed[0]):,}"
