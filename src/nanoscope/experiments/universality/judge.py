"""Universality, from numbers to evidence, and the counts that are facts; all from stored sweeps only.

All neurons are counted, so no interval is over neurons: the one there is lies over the other trainings.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from nanoscope.analysis.neurons.universality import UNIVERSAL
from nanoscope.evidence.claim import Sweeps
from nanoscope.evidence.finding import Evidence
from nanoscope.evidence.wording import Fact
from nanoscope.experiments.universality.features import AGAIN, UNTRAINED
from nanoscope.statistics.intervals import seed_interval

CUTS = (0.3, 0.4, 0.5, 0.6, 0.7)
"""Excess correlations at which neurons are counted."""
SAME = 0.5
"""From this correlation on a feature counts as found again."""
GROUPS = ("other trainings", "an untrained model", "planted: shared", "planted: not shared")


def mean_excess(sweeps: Sweeps) -> Evidence:
    """The mean excess correlation over neurons, with an interval over the other trainings if there are at least two."""
    excess = _excess(sweeps, "excess")
    per_twin = excess.mean(axis=(1, 2))
    facts: dict[str, Fact] = {
        "best": float(sweeps["excess"].sel(measure="best").values.astype(np.float64).mean()),
        "count": int((excess.mean(axis=0) > UNIVERSAL).sum()),
        "of": excess[0].size,
    }
    alone = len(per_twin) == 1
    interval = (math.nan, math.nan) if alone else seed_interval(per_twin)
    why = "one other training gives no interval" if alone else ""
    null = float(_excess(sweeps, "untrained").mean())
    return Evidence(float(per_twin.mean()), interval, len(per_twin), "other trainings", null, facts, why)


def shares_above(sweeps: Sweeps) -> dict[str, tuple[float, ...]]:
    """Of each of `GROUPS` the share of neurons whose excess is above each of `CUTS`.

    The planted model shares half of its neurons with this one: what is below 1 there is missed, what is above 0 in the other
    half is mistaken.
    """
    shared, planted = sweeps["shared"].values.astype(bool), _excess(sweeps, "planted")
    groups = (_excess(sweeps, "excess").mean(axis=0), _excess(sweeps, "untrained"), planted[shared], planted[~shared])
    return {
        name: tuple(float((values > cut).mean()) for cut in CUTS) for name, values in zip(GROUPS, groups, strict=True)
    }


@dataclass(frozen=True)
class FoundAgain:
    """Shares of features that are found again."""

    features: int
    trainings: float
    """In another training, on average."""
    interval: tuple[float, float] | None
    """Over the other trainings; None if there is only one."""
    again: float
    """By a second dictionary of the same model: the most that can be expected."""
    untrained: float
    """In an untrained model."""


def found_again(sweeps: Sweeps) -> FoundAgain | None:
    """How many features other trainings have too; None where features were left out."""
    if "features" not in sweeps:
        return None
    shares = dict(zip(sweeps["features"].labels("against"), _shares_found(sweeps), strict=True))
    others = np.array([share for name, share in shares.items() if name not in (AGAIN, UNTRAINED)])
    interval = _share_interval(others) if len(others) > 1 else None
    count = sweeps["features"].values.shape[1]
    return FoundAgain(count, float(others.mean()), interval, float(shares[AGAIN]), float(shares[UNTRAINED]))


def _share_interval(shares: Float[np.ndarray, "training"]) -> tuple[float, float]:
    low, high = np.clip(seed_interval(shares), 0, 1)
    return float(low), float(high)


def _shares_found(sweeps: Sweeps) -> Float[np.ndarray, "against"]:
    return (sweeps["features"].values.astype(np.float64) >= SAME).mean(1)


def _excess(sweeps: Sweeps, name: str) -> Float[np.ndarray, "*any"]:
    return sweeps[name].sel(measure="excess").values.astype(np.float64)
