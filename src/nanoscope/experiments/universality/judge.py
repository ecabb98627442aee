"""Universality, from numbers to evidence, and the counts that are facts; all from stored sweeps only.

All neurons are counted, so no interval is over neurons: the one there is lies over the other trainings.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float

from nanoscope.analysis.neurons.universality import UNIVERSAL
from nanoscope.evidence.claim import Sweeps
from nanoscope.evidence.finding import Evidence
from nanoscope.evidence.wording import Fact
from nanoscope.statistics.intervals import seed_interval

CUTS = (0.3, 0.4, 0.5, 0.6, 0.7)
"""Excess correlations at which neurons are counted."""
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


def _excess(sweeps: Sweeps, name: str) -> Float[np.ndarray, "*any"]:
    return sweeps[name].sel(measure="excess").values.astype(np.float64)
