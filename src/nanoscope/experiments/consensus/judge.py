"""From the numbers of `consensus` to evidence. The unit is a training; intervals of pairs are by the jackknife."""

from __future__ import annotations

import numpy as np

from nanoscope.evidence.claim import Sweeps
from nanoscope.evidence.finding import Evidence
from nanoscope.evidence.wording import Fact
from nanoscope.statistics.intervals import pair_interval

ENOUGH = 3


def matched(sweeps: Sweeps) -> Evidence:
    """The mean Jaccard index of two trainings' circuits, with heads matched by role."""
    role, number, random = np.moveaxis(sweeps["overlaps"].values, -1, 0)
    count, off = len(role), ~np.eye(len(role), dtype=bool)
    if count < ENOUGH:
        return Evidence.too_little(f"{count} trainings are too few for an interval", count, "trainings")
    has = sweeps["has"].values.sum(0)
    edges = [str(edge) for edge in sweeps["has"].labels("edge")]
    facts: dict[str, Fact] = {
        "random": float(random[off].mean()),
        "edges": int(np.median(sweeps["size"].values)),
        "total": len(edges),
        "everywhere": int((has == count).sum()),
        "common": tuple(edge for edge, number in zip(edges, has, strict=True) if number == count)[:ENOUGH],
        "some": int((has > 0).sum()),
    }
    return Evidence(float(role[off].mean()), pair_interval(role), count, "trainings", float(number[off].mean()), facts)
