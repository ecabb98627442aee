"""Finding 4a, from numbers to findings."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from scipy import stats as scipy_stats

from nanoscope.experiments.evolution.claims import CLAIMS
from nanoscope.experiments.evolution.measure import Params
from nanoscope.findings import Evidence, Finding
from nanoscope.results import Sweep
from nanoscope.stats import deviation_interval, pair_interval, share_interval

ABRUPT, WINS = 3.0, 10.0
"""As the emergence experiment has it."""


def judge(sweeps: Mapping[str, Sweep], params: Params) -> tuple[Finding, ...]:
    """All findings, in the order of the claims."""
    events = sweeps["events"]
    previous, bigram, copying = (
        events.sel(event=name, part="step").values for name in ("previous-token head", "nearest to a 2-gram", "copying")
    )
    factor, better = (events.sel(event="previous-token head", part=part).values for part in ("factor", "better"))
    evidence = {
        "evolution.order": _order(events),
        "evolution.stages": _counted(bigram < previous, ~np.isnan(previous)),
        "evolution.previous_first": _counted(previous < copying, ~np.isnan(previous + copying)),
        "evolution.abrupt": _counted((factor <= ABRUPT) & (better > WINS), ~np.isnan(previous)),
        "evolution.timing": _spread(previous),
    }
    return tuple(claim.found(evidence[claim.id]) for claim in CLAIMS)


def _order(events: Sweep) -> Evidence:
    """Mean Kendall's tau over pairs of trainings, over the events that happen in both."""
    steps = events.sel(part="step").values
    count = len(steps)
    taus = np.full((count, count), np.nan)
    for one, other in ((a, b) for a in range(count) for b in range(count) if a != b):
        both = ~np.isnan(steps[one] + steps[other])
        taus[one, other] = scipy_stats.kendalltau(steps[one, both], steps[other, both])[0]
    low, high = (min(max(end, -1.0), 1.0) for end in pair_interval(taus))  # no tau lies beyond; t knows no bounds
    return Evidence(float(np.nanmean(taus)), (low, high), count, "trainings", 0.0, {"order": _medians(events)})


def _medians(events: Sweep) -> str:
    """Every event with the median of the steps at which it happens, and in how many trainings where not in all."""
    steps = events.sel(part="step").values.T
    happens = {str(name): row[~np.isnan(row)] for name, row in zip(events.labels("event"), steps, strict=True)}
    order = sorted((float(np.median(at)), name) for name, at in happens.items() if len(at))
    told = []
    for step, name in order:
        count, every = len(happens[name]), steps.shape[1]
        told.append(f"{name} ({round(step):,}{f'; in {count} of {every}' if count < every else ''})")
    return ", ".join(told)


def _counted(holds: np.ndarray, judged: np.ndarray) -> Evidence:
    """In how many trainings; one in which an event does not happen is one in which it does not hold."""
    count, trainings = int((holds & judged).sum()), len(holds)
    facts = {"count": str(count), "without": str(int((~judged).sum()))}
    return Evidence(count / trainings, share_interval(count, trainings), trainings, "trainings", 0.0, facts)


def _spread(steps: np.ndarray) -> Evidence:
    """The standard deviation of log2(step) over the trainings in which it happens."""
    there = np.sort(steps[~np.isnan(steps)])
    facts = {"midpoints": ", ".join(f"{round(step):,}" for step in there) or "none"}
    if len(there) < 2:
        return Evidence(math.nan, (math.nan, math.nan), len(there), "trainings", 0.0, facts)
    octaves = np.log2(np.maximum(there, 1.0))
    return Evidence(float(octaves.std(ddof=1)), deviation_interval(octaves), len(there), "trainings", 0.0, facts)
