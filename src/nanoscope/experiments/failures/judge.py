"""Experiment 04d, from numbers to findings: each function gathers the evidence for one claim, from stored sweeps alone.

The unit that is resampled is the window; all sets of features are judged on the same resamples.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from nanoscope.analysis.attention.circuit_state import CONFIDENCE
from nanoscope.evidence.finding import Evidence, Finding
from nanoscope.evidence.sweep import Sweep
from nanoscope.evidence.wording import number
from nanoscope.experiments.failures.claims import CLAIMS
from nanoscope.experiments.failures.measure import GROUPS, Params
from nanoscope.experiments.failures.predict import CIRCUIT
from nanoscope.model.names import head_name, head_names
from nanoscope.statistics.intervals import percentile_interval, resampled_means

Sweeps = Mapping[str, Sweep]
UNDEFINED = (math.nan, math.nan)
STRONGEST = 3


def judge(sweeps: Sweeps, params: Params) -> tuple[Finding, ...]:
    """All findings of experiment 04d, in the order of its claims."""
    evidence = {
        "failures.confidence": _confidence(sweeps),
        "failures.adds": _adds(sweeps),
        "failures.beats_random": _beats_random(sweeps),
        "failures.beyond_text": _beyond_text(sweeps),
        "failures.alone": _alone(sweeps),
        "failures.calibrated": _calibrated(sweeps),
        "failures.sees": _sees(sweeps),
    }
    return tuple(claim.found(evidence[claim.id]) for claim in CLAIMS)


def _area(sweeps: Sweeps, name: str) -> float:
    return float(sweeps["auroc"].sel(set=name).values)


def _gain(sweeps: Sweeps, name: str, over: str, prefix: str = "") -> tuple[float, tuple[float, float]]:
    """Area with one set of features minus area with another, and its interval."""
    each, drawn = sweeps[f"{prefix}auroc"], sweeps[f"{prefix}resampled" if prefix else "auroc_resampled"]
    value = float(each.sel(set=name).values - each.sel(set=over).values)
    return value, _interval(drawn.sel(set=name).values - drawn.sel(set=over).values)


def _interval(resamples: np.ndarray) -> tuple[float, float]:
    return UNDEFINED if np.isnan(resamples).any() else percentile_interval(resamples)


def _windows(sweeps: Sweeps) -> int:
    return sweeps["states"].values.shape[-1]


def _confidence(sweeps: Sweeps) -> Evidence:
    """Area of the model's own confidence."""
    places, errors = (sweeps["states"].sel(measure=name).values.sum() for name in ("places", "errors"))
    facts = {"errors": f"{errors:,.0f}", "places": f"{places:,.0f}"}
    interval = _interval(sweeps["auroc_resampled"].sel(set="confidence").values)
    return Evidence(_area(sweeps, "confidence"), interval, _windows(sweeps), "windows", 0.5, facts)


def _adds(sweeps: Sweeps) -> Evidence:
    """What the circuit adds to the confidence."""
    value, interval = _gain(sweeps, CIRCUIT, "confidence")
    places = sweeps["states"].sel(measure="places").values.sum()
    before, after = (sweeps["log_loss"].sel(set=name).values.sum() / places for name in ("confidence", CIRCUIT))
    facts = {
        "heads": _described(sweeps),
        "losses": f"log-loss {before:.4f} -> {after:.4f} nats per prediction",
        "strongest": _strongest(sweeps["coefficients"]),
    }
    null = float(sweeps["shuffled"].values.mean())
    return Evidence(value, interval, _windows(sweeps), "windows", null, facts)


def _described(sweeps: Sweeps) -> str:
    """The chosen heads, each with its attention to its place on the text it was chosen on."""
    chosen, scores = _chosen(sweeps["heads"].values[0]), sweeps["scores"].values
    each = [number(float(of_role[head])) for of_role, head in zip(scores, chosen, strict=True)]
    places = ("to the previous token", "to what a copy needs")
    said = [
        f"{head_name(*h)} ({x} of its attention {p}, beyond chance)"
        for h, x, p in zip(chosen, each, places, strict=True)
    ]
    return " and ".join(said)


def _chosen(heads: np.ndarray) -> list[tuple[int, int]]:
    return [(int(layer), int(head)) for layer, head in heads]


def _strongest(coefficients: Sweep) -> str:
    """The features beside the confidence that count most, with the change of log-odds per standard deviation."""
    names = [str(name) for name in coefficients.labels("feature")]
    first = sorted(range(len(CONFIDENCE), len(names)), key=lambda i: -abs(coefficients.values[i]))[:STRONGEST]
    return ", ".join(f"{names[i]} ({coefficients.values[i]:+.2f})" for i in first)


def _beats_random(sweeps: Sweeps) -> Evidence:
    """What the circuit adds beyond what random heads of its layers add."""
    value, interval = _gain(sweeps, CIRCUIT, "confidence + random heads")
    null = _area(sweeps, "confidence + random heads") - _area(sweeps, "confidence")
    why = f"{number(value)} [{number(interval[0])}, {number(interval[1])}] above their {number(null)}"
    facts = {"why": "its layers have no other heads" if math.isnan(value) else why}
    return Evidence(value, interval, _windows(sweeps), "windows", null, facts)


def _beyond_text(sweeps: Sweeps) -> Evidence:
    """What the heads' state adds to confidence and text together."""
    value, interval = _gain(sweeps, "confidence + text + circuit", "confidence + text")
    null = _area(sweeps, "confidence + text") - _area(sweeps, "confidence")
    return Evidence(value, interval, _windows(sweeps), "windows", null)


def _alone(sweeps: Sweeps) -> Evidence:
    """Area of the circuit alone minus that of the confidence alone."""
    value, interval = _gain(sweeps, "circuit", "confidence")
    null = _area(sweeps, "text") - _area(sweeps, "confidence")
    text = f"Matches and n-gram table, given the model's first choice, have {number(_area(sweeps, 'text'))}."
    facts = {
        "circuit": number(_area(sweeps, "circuit")),
        "confidence": number(_area(sweeps, "confidence")),
        "text": text,
    }
    return Evidence(value, interval, _windows(sweeps), "windows", null, facts)


def _calibrated(sweeps: Sweeps) -> Evidence:
    """Mean probability of the first choice minus the share of first choices that are right."""
    sums = sweeps["states"].values.sum((1, 2))
    drawn = resampled_means(sums.T, "calibrated")

    def excess(means: np.ndarray) -> np.ndarray:
        places, errors, sure = np.moveaxis(means, -1, 0)
        return sure / places - (1 - errors / places)

    places, errors, sure = sums.sum(-1)
    value = float(excess(sums.sum(-1)))
    facts = {
        "sure": number(sure / places),
        "right": number(1 - errors / places),
        "states": _by_group(sweeps),
        "sign": "surer" if value > 0 else "less sure",
    }
    return Evidence(value, percentile_interval(excess(drawn)), _windows(sweeps), "windows", 0.0, facts)


def _by_group(sweeps: Sweeps) -> str:
    """Errors in each state beside those that the confidence leads one to expect."""
    said = []
    for group in GROUPS:
        places, errors, sure = sweeps["states"].sel(group=group).values.sum((1, 2))
        if places:
            said.append(f"{group}: {100 * errors / places:.0f} % wrong, {100 * (1 - sure / places):.0f} % expected")
    return f"By what copying would say (matches of three characters and more): {'; '.join(said)}."


def _sees(sweeps: Sweeps) -> Evidence:
    """What the same measurements add where failures were planted."""
    value, interval = _gain(sweeps, CIRCUIT, "confidence", "planted_")
    facts = {
        "heads": head_names(_chosen(sweeps["planted_heads"].values)),
        "confidence": number(float(sweeps["planted_auroc"].sel(set="confidence").values)),
        "random": number(float(sweeps["planted_auroc"].sel(set="confidence + random heads").values)),
    }
    n = int(sweeps["planted_examples"].values)
    return Evidence(value, interval, n, "texts", float(sweeps["planted_shuffled"].values.mean()), facts)
