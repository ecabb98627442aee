"""Emergence, from numbers to evidence: each function gathers what one claim needs."""

from __future__ import annotations

import numpy as np

from nanoscope.evidence.claim import Sweeps
from nanoscope.evidence.finding import Evidence
from nanoscope.evidence.wording import Fact
from nanoscope.experiments.emergence.events import CONTEXT, HEADS, INDUCTION, PREVIOUS, REPEATED, WINS, Event, curve
from nanoscope.statistics.intervals import percentile_interval

OLDER = "it was not measured by that version"
NOT_FORMED = {INDUCTION: "no induction head forms", PREVIOUS: "no previous-token head forms"}


def final_score(name: str, sweeps: Sweeps) -> Evidence:
    """The score of the best head of a kind at the last checkpoint; the null is its score at the first."""
    score = curve(sweeps, name)
    facts: dict[str, Fact] = {"head": _head(sweeps, name), "steps": _last_step(sweeps)}
    interval = percentile_interval(score.resamples[:, -1])
    return Evidence(float(score.mean[-1]), interval, score.n, "sequences", float(score.mean[0]), facts)


def gain_from_longer_context(sweeps: Sweeps) -> Evidence:
    """How much more a longer context is worth at the last checkpoint than at the first, at the same places."""
    if "held_out" not in sweeps:
        return Evidence.too_little(OLDER, 0, "windows", 0.0)
    score = curve(sweeps, CONTEXT)
    late = sweeps["held_out"].sel(quantity="in-context").values[-1]
    interval = percentile_interval(score.resamples[:, -1] - score.resamples[:, 0])
    facts: dict[str, Fact] = {"worth": float(score.mean[-1]), "late": float(late.mean())}
    return Evidence(float(score.mean[-1] - score.mean[0]), interval, score.n, "windows", 0.0, facts)


def gain_in_repeated_passages(sweeps: Sweeps) -> Evidence:
    """How much more than a table as good in new passages the last checkpoint gains in repeated ones; a fact: all events."""
    if "held_out" not in sweeps:
        return Evidence.too_little(OLDER, 0, "windows", 0.0)
    found, when = curve(sweeps, REPEATED), sweeps["events"]
    if not np.isfinite(found.mean[-1]):
        return Evidence.too_little("the held-out windows repeat no passage of five characters", found.n, "windows", 0.0)
    repeated, new = (sweeps["held_out"].sel(quantity=kind).values[-1].mean() for kind in ("repeated", "new"))
    named = {str(name): Event.stored(when, str(name)) for name in when.labels("event")}
    order = sorted((event.step, name) for name, event in named.items() if event.happens)
    facts: dict[str, Fact] = {
        "model": float(new - repeated),
        "table": float(new - repeated - found.mean[-1]),
        "events": tuple((name, step) for step, name in order),
    }
    return Evidence(float(found.mean[-1]), percentile_interval(found.resamples[:, -1]), found.n, "windows", 0.0, facts)


def factor_of_change(name: str, sweeps: Sweeps) -> Evidence:
    """From 10 to 90 % of a head's change, as a ratio of iterations (+ 1).

    If the logistic does not win, the change has no clear midpoint, and the factor of the whole training is used.
    """
    event = Event.stored(sweeps["events"], name)
    if not event.happens:
        return Evidence.not_applicable(NOT_FORMED[name], _sequences(sweeps), "sequences", 1.0)
    whole, wins = float(_last_step(sweeps) + 1), event.better > WINS
    factor, low, high = (event.factor, event.factor_low, event.factor_high) if wins else (whole, whole, whole)
    facts: dict[str, Fact] = {
        "head": _head(sweeps, name),
        "ten": event.ten,
        "ninety": event.ninety,
        "better": event.better,
        "wins": wins,
    }
    return Evidence(factor, (low, high), _sequences(sweeps), "sequences", 1.0, facts)


def delay_of_induction(sweeps: Sweeps) -> Evidence:
    """The induction head's iteration over the previous-token head's (+ 1), each at half of its change.

    The interval takes the extremes of both events' intervals.
    """
    first, second = (Event.stored(sweeps["events"], name) for name in (PREVIOUS, INDUCTION))
    for name, event in ((INDUCTION, second), (PREVIOUS, first)):
        if not event.happens:
            return Evidence.not_applicable(NOT_FORMED[name], _sequences(sweeps), "sequences", 1.0)
    interval = ((second.low + 1) / (first.high + 1), (second.high + 1) / (first.low + 1))
    facts: dict[str, Fact] = {
        "previous": _head(sweeps, PREVIOUS),
        "induction": _head(sweeps, INDUCTION),
        "previous_step": first.step,
        "induction_step": second.step,
    }
    return Evidence((second.step + 1) / (first.step + 1), interval, _sequences(sweeps), "sequences", 1.0, facts)


def _head(sweeps: Sweeps, name: str) -> str:
    return str(sweeps["names"].labels("score")[HEADS.index(name)])


def _last_step(sweeps: Sweeps) -> int:
    return int(sweeps["followed"].labels("step")[-1])


def _sequences(sweeps: Sweeps) -> int:
    """Number of sequences over which the heads' scores are averaged."""
    return sweeps["followed"].values.shape[-1]
