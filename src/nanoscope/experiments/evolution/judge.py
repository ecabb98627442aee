"""Finding 4a, from numbers to evidence: each function gathers what one claim needs. The unit is a training."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from nanoscope.evidence.claim import Sweeps
from nanoscope.evidence.finding import Evidence
from nanoscope.evidence.wording import Fact
from nanoscope.experiments.emergence.events import ABRUPT, COPYING, LEAST, PREVIOUS, WINS
from nanoscope.statistics.intervals import deviation_interval, share_interval

NO_HEAD = "no training forms a previous-token head"


def bigram_table_first(sweeps: Sweeps) -> Evidence:
    """Share of trainings in which the distance to a bigram table is least before a previous-token head is half formed."""
    bigram, previous = _steps(sweeps, LEAST.format("2-gram")), _steps(sweeps, PREVIOUS)
    return _share(bigram < previous, ~np.isnan(bigram + previous), NO_HEAD)


def previous_token_head_first(sweeps: Sweeps) -> Evidence:
    """Share of trainings in which a previous-token head is half formed before copying is, of those in which both happen."""
    previous, copying = _steps(sweeps, PREVIOUS), _steps(sweeps, COPYING)
    return _share(previous < copying, ~np.isnan(previous + copying), "in no training do both happen")


def abrupt_trainings(sweeps: Sweeps) -> Evidence:
    """Share of trainings in which the previous-token head appears abruptly, as defined in emergence."""
    factor, better = _part(sweeps, PREVIOUS, "factor"), _part(sweeps, PREVIOUS, "better")
    return _share((factor <= ABRUPT) & (better > WINS), ~np.isnan(_steps(sweeps, PREVIOUS)), NO_HEAD)


def deviation_of_timing(sweeps: Sweeps) -> Evidence:
    """The standard deviation of log2(step) over the trainings that form a previous-token head."""
    steps = _steps(sweeps, PREVIOUS)
    formed = np.sort(steps[~np.isnan(steps)])
    facts: dict[str, Fact] = {"midpoints": tuple(formed.tolist())}
    if len(formed) < 2:
        why = "fewer than two trainings form a previous-token head"
        return Evidence.too_little(why, len(formed), "trainings", 0.0, facts)
    octaves = np.log2(np.maximum(formed, 1.0))
    return Evidence(float(octaves.std(ddof=1)), deviation_interval(octaves), len(formed), "trainings", 0.0, facts)


def _share(holds: Bool[np.ndarray, "training"], judged: Bool[np.ndarray, "training"], why: str) -> Evidence:
    """The share of the `judged` trainings in which a relation `holds`; `why` is the reason if none can be judged."""
    count, trainings = int((holds & judged).sum()), int(judged.sum())
    facts: dict[str, Fact] = {"count": count, "all": len(holds)}
    if not trainings:
        return Evidence.not_applicable(why, 0, "trainings", 0.0, facts)
    return Evidence(count / trainings, share_interval(count, trainings), trainings, "trainings", 0.0, facts)


def _steps(sweeps: Sweeps, event: str) -> Float[np.ndarray, "training"]:
    return _part(sweeps, event, "step")


def _part(sweeps: Sweeps, event: str, part: str) -> Float[np.ndarray, "training"]:
    return sweeps["events"].sel(event=event, part=part).values
