"""Finding 4a, from numbers to findings."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from nanoscope.evidence.finding import Evidence, Finding
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.emergence.events import LEAST
from nanoscope.experiments.evolution.claims import CLAIMS
from nanoscope.experiments.evolution.measure import Params
from nanoscope.statistics.intervals import deviation_interval, pair_interval, share_interval

ABRUPT, WINS = 3.0, 10.0
"""As the emergence experiment has it."""


def judge(sweeps: Mapping[str, Sweep], params: Params) -> tuple[Finding, ...]:
    """All findings, in the order of the claims."""
    events = sweeps["events"]
    previous, bigram, copying = (
        events.sel(event=name, part="step").values
        for name in ("previous-token head", LEAST.format("2-gram"), "copying")
    )
    factor, better = (events.sel(event="previous-token head", part=part).values for part in ("factor", "better"))
    evidence = {
        "evolution.order": _order(events),
        "evolution.stages": _counted(bigram < previous, ~np.isnan(bigram + previous)),
        "evolution.previous_first": _counted(previous < copying, ~np.isnan(previous + copying)),
        "evolution.abrupt": _counted((factor <= ABRUPT) & (better > WINS), ~np.isnan(previous)),
        "evolution.timing": _spread(previous),
    }
    return tuple(claim.found(evidence[claim.id]) for claim in CLAIMS)


def _order(events: Sweep) -> Evidence:
    """Mean Kendall's tau over pairs of trainings."""
    steps, count = events.sel(part="step").values, len(events.labels("training"))
    table = np.array([str(name).startswith(LEAST.split("{")[0]) for name in events.labels("event")])
    taus = np.full((count, count), np.nan)
    for one, other in ((a, b) for a in range(count) for b in range(count) if a != b):
        taus[one, other] = _tau(steps[one], steps[other], table)
    low, high = (min(max(end, -1.0), 1.0) for end in pair_interval(taus))  # no tau lies beyond; t knows no bounds
    return Evidence(float(np.nanmean(taus)), (low, high), count, "trainings", 0.0, {"order": _medians(events)})


def _tau(one: np.ndarray, other: np.ndarray, table: np.ndarray) -> float:
    """Share of pairs of events in the same order, minus those in another, among pairs that happen in both trainings.

    The distances to nested n-gram tables come in one order nearly of themselves, so two of them are no pair.
    """
    i, j = np.triu_indices(len(one), 1)
    agree = np.sign(one[i] - one[j]) * np.sign(other[i] - other[j])
    agree = agree[~np.isnan(agree) & ~(table[i] & table[j])]
    return float(agree.mean()) if len(agree) else math.nan


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
    """In how many of the trainings in which the events happen."""
    count, trainings = int((holds & judged).sum()), int(judged.sum())
    facts = {"count": str(count), "all": str(len(holds))}
    if not trainings:
        return Evidence(math.nan, (math.nan, math.nan), 0, "trainings", 0.0, facts)
    return Evidence(count / trainings, share_interval(count, trainings), trainings, "trainings", 0.0, facts)


def _spread(steps: np.ndarray) -> Evidence:
    """The standard deviation of log2(step) over the trainings in which it happens."""
    there = np.sort(steps[~np.isnan(steps)])
    facts = {"midpoints": ", ".join(f"{round(step):,}" for step in there) or "none"}
    if len(there) < 2:
        return Evidence(math.nan, (math.nan, math.nan), len(there), "trainings", 0.0, facts)
    octaves = np.log2(np.maximum(there, 1.0))
    return Evidence(float(octaves.std(ddof=1)), deviation_interval(octaves), len(there), "trainings", 0.0, facts)
