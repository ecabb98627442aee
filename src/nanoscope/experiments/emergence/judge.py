"""Emergence, from numbers to findings."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from nanoscope.evidence.finding import Evidence, Finding
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.emergence.claims import CLAIMS, WINS
from nanoscope.experiments.emergence.events import LEAST, Curve, curves
from nanoscope.experiments.emergence.measure import Params
from nanoscope.statistics.intervals import percentile_interval

NOT_JUDGED = (math.nan, math.nan)


def judge(sweeps: Mapping[str, Sweep], params: Params) -> tuple[Finding, ...]:
    """All findings, in the order of the claims."""
    found, when = curves(sweeps), sweeps["events"]
    facts = _facts(sweeps, found, when)
    whole = float(sweeps["followed"].labels("step")[-1]) + 1
    evidence = {
        "emergence.forms": _end(found["induction head"], facts),
        "emergence.previous": _end(found["previous-token head"], facts),
        "emergence.sharp": _factor(found["induction head"], when, "induction head", facts, whole),
        "emergence.sharp_previous": _factor(found["previous-token head"], when, "previous-token head", facts, whole),
        "emergence.order": _ratio(found, when, "previous-token head", "induction head", facts),
        "emergence.stages": _ratio(found, when, LEAST.format("2-gram"), "previous-token head", facts),
        "emergence.copying": _gained(found["copying"], facts),
        "emergence.icl": _gained(found["in-context learning"], facts),
        "emergence.repeated": _gained(found["repeated passages"], facts),
    }
    return tuple(claim.found(evidence[claim.id]) for claim in CLAIMS)


def _facts(sweeps: Mapping[str, Sweep], found: Mapping[str, Curve], when: Sweep) -> dict[str, str]:
    names = [str(name) for name in sweeps["names"].labels("score")]
    steps = sweeps["followed"].labels("step")
    steps_of = {str(name): float(when.sel(event=name, part="step").values) for name in when.labels("event")}
    order = sorted((step, name) for name, step in steps_of.items() if not math.isnan(step))
    return {
        "head": names[0],
        "previous": names[1],
        "final": f"{found['induction head'].mean[-1]:.2f}",
        "steps": f"{int(steps[-1]):,}",
        "from": _said(when, "induction head", "ten"),
        "to": _said(when, "induction head", "ninety"),
        "previous_from": _said(when, "previous-token head", "ten"),
        "previous_to": _said(when, "previous-token head", "ninety"),
        "halves": f"{_said(when, 'previous-token head', 'step')} and {_said(when, 'induction head', 'step')}",
        "bigram": _said(when, LEAST.format("2-gram"), "step"),
        "trigram": _said(when, LEAST.format("3-gram"), "step"),
        "previous_half": _said(when, "previous-token head", "step"),
        "events": ", ".join(f"{name} ({_iteration(step)})" for step, name in order),
    }


def _said(when: Sweep, event: str, part: str) -> str:
    step = float(when.sel(event=event, part=part).values)
    return "never" if math.isnan(step) else f"iteration {_iteration(step)}"


def _iteration(step: float) -> str:
    return f"{round(step):,}"


def _end(curve: Curve, facts: Mapping[str, str]) -> Evidence:
    interval = percentile_interval(curve.resamples[:, -1])
    return Evidence(float(curve.mean[-1]), interval, curve.n, "sequences", float(curve.mean[0]), facts)


def _gained(curve: Curve, facts: Mapping[str, str]) -> Evidence:
    """From the first checkpoint to the last."""
    interval = percentile_interval(curve.resamples[:, -1] - curve.resamples[:, 0])
    return Evidence(float(curve.mean[-1] - curve.mean[0]), interval, curve.n, "texts", 0.0, facts)


def _factor(curve: Curve, when: Sweep, event: str, facts: Mapping[str, str], whole: float) -> Evidence:
    """From 10 to 90 %; the whole training's factor where the logistic has not won, since the change then has no middle."""
    factor, low, high, better = (
        float(when.sel(event=event, part=part).values) for part in ("factor", "factor low", "factor high", "better")
    )
    if better <= WINS:
        factor, low, high = whole, whole, whole
    told = {**facts, "better": "undefined" if math.isnan(better) else f"{better:.0f}"}
    return Evidence(factor, (low, high), curve.n, "sequences", 1.0, told)


def _ratio(found: Mapping[str, Curve], when: Sweep, first: str, second: str, facts: Mapping[str, str]) -> Evidence:
    """How much later the second event is, as a ratio of steps (+ 1), with its events' intervals multiplied out."""
    parts = ("step", "low", "high")
    one, other = (
        np.array([float(when.sel(event=name, part=part).values) + 1 for part in parts]) for name in (first, second)
    )
    interval = (float(other[1] / one[2]), float(other[2] / one[1]))
    return Evidence(float(other[0] / one[0]), interval, found["previous-token head"].n, "sequences", 1.0, facts)
