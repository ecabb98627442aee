"""Experiment 04d, from numbers to evidence: one function per claim, which reads stored sweeps only.

Intervals resample windows; all sets of features are judged on the same resamples. An "area" is that under the ROC curve.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float

from nanoscope.analysis.attention.circuit_state import CONFIDENCE
from nanoscope.evidence.claim import Sweeps
from nanoscope.evidence.finding import Evidence
from nanoscope.evidence.sweep import Sweep
from nanoscope.evidence.wording import Fact
from nanoscope.experiments.failures.measure import GROUPS
from nanoscope.experiments.failures.predict import CIRCUIT
from nanoscope.model.names import head_name
from nanoscope.statistics.intervals import percentile_interval, resampled_means

STRONGEST = 3
CONFIDENT, RANDOM, TEXT = "confidence", "confidence + random heads", "confidence + text"


def confidence(sweeps: Sweeps) -> Evidence:
    """Area of the model's own confidence, as a predictor of its errors."""
    predictions, errors = (int(sweeps["states"].sel(measure=name).values.sum()) for name in ("places", "errors"))
    drawn = sweeps["auroc_resampled"].sel(set=CONFIDENT).values
    facts: dict[str, Fact] = {"errors": errors, "predictions": predictions}
    return _resampled(_area(sweeps, CONFIDENT), drawn, (_windows(sweeps), "windows"), 0.5, facts)


def gain_of_circuit(sweeps: Sweeps) -> Evidence:
    """The area that the circuit's state adds to the confidence."""
    predictions = sweeps["states"].sel(measure="places").values.sum()
    before, after = (
        float(sweeps["log_loss"].sel(set=name).values.sum() / predictions) for name in (CONFIDENT, CIRCUIT)
    )
    facts: dict[str, Fact] = {
        **_chosen(sweeps),
        "loss_before": before,
        "loss_after": after,
        "strongest": _strongest(sweeps["coefficients"]),
    }
    return _gain(sweeps, CIRCUIT, CONFIDENT, float(sweeps["shuffled"].values.mean()), facts)


def gain_over_random_heads(sweeps: Sweeps) -> Evidence:
    """The area that the circuit adds to the confidence minus that which random heads of its layers add."""
    if math.isnan(_area(sweeps, RANDOM)):
        return Evidence.not_applicable("its layers have no other heads", _windows(sweeps), "windows")
    return _gain(sweeps, CIRCUIT, RANDOM, _area(sweeps, RANDOM) - _area(sweeps, CONFIDENT))


def gain_over_text(sweeps: Sweeps) -> Evidence:
    """The area that the circuit's state adds to confidence and text together."""
    return _gain(sweeps, f"{TEXT} + circuit", TEXT, _area(sweeps, TEXT) - _area(sweeps, CONFIDENT))


def circuit_against_confidence(sweeps: Sweeps) -> Evidence:
    """Area of the circuit alone minus that of the confidence alone."""
    areas = {name: _area(sweeps, name) for name in ("circuit", "confidence", "text")}
    return _gain(sweeps, "circuit", CONFIDENT, areas["text"] - areas["confidence"], dict(areas))


def overconfidence(sweeps: Sweeps) -> Evidence:
    """Mean probability of the first choice minus the share of first choices that are right."""
    sums = sweeps["states"].values.sum((1, 2))
    drawn = resampled_means(sums.T, "calibrated")
    sure, right = (float(x) for x in _sure_and_right(sums.sum(-1)))
    facts: dict[str, Fact] = {"sure": sure, "right": right, "groups": _by_group(sweeps)}
    excess = np.subtract(*_sure_and_right(drawn))
    return Evidence(sure - right, percentile_interval(excess), _windows(sweeps), "windows", 0.0, facts)


def gain_of_planted_circuit(sweeps: Sweeps) -> Evidence:
    """The area that the circuit's state adds to the confidence where failures were planted."""
    areas = sweeps["planted_auroc"]
    value, drawn = (_difference(each, CIRCUIT, CONFIDENT) for each in (areas, sweeps["planted_resampled"]))
    facts: dict[str, Fact] = {
        "heads": _names(sweeps["planted_heads"].values),
        "confidence": float(areas.sel(set=CONFIDENT).values),
        "random": float(areas.sel(set=RANDOM).values),
    }
    texts, null = int(sweeps["planted_examples"].values), float(sweeps["planted_shuffled"].values.mean())
    return _resampled(float(value), drawn, (texts, "texts"), null, facts)


def _gain(sweeps: Sweeps, name: str, over: str, null: float, facts: dict[str, Fact] | None = None) -> Evidence:
    """Area with one set of features minus area with another."""
    value, drawn = (_difference(sweeps[each], name, over) for each in ("auroc", "auroc_resampled"))
    return _resampled(float(value), drawn, (_windows(sweeps), "windows"), null, facts or {})


def _difference(areas: Sweep, name: str, over: str) -> np.ndarray:
    return areas.sel(set=name).values - areas.sel(set=over).values


def _resampled(
    value: float, drawn: Float[np.ndarray, "resample"], n: tuple[int, str], null: float, facts: dict[str, Fact]
) -> Evidence:
    """A value with the interval of its resamples. A resample without errors, or with nothing else, has no area."""
    interval = percentile_interval(drawn)
    why = "some resample of the text has no errors or nothing but errors" if math.isnan(interval[0]) else ""
    return Evidence(value, interval, *n, null, facts, why)


def _area(sweeps: Sweeps, name: str) -> float:
    return float(sweeps["auroc"].sel(set=name).values)


def _windows(sweeps: Sweeps) -> int:
    return sweeps["states"].values.shape[-1]


def _chosen(sweeps: Sweeps) -> dict[str, Fact]:
    """The chosen heads with their scores: attention above chance, on the text on which they were chosen."""
    heads = sweeps["heads"].values[0].astype(int)
    scores = [float(of_role[*head]) for of_role, head in zip(sweeps["scores"].values, heads, strict=True)]
    previous, copying = _names(heads)
    return {"previous": previous, "copying": copying, "previous_score": scores[0], "copying_score": scores[1]}


def _names(heads: np.ndarray) -> tuple[str, ...]:
    return tuple(head_name(int(layer), int(head)) for layer, head in heads)


def _strongest(coefficients: Sweep) -> tuple[Fact, ...]:
    """The features, other than confidence, with the largest coefficients (change of log-odds per standard deviation)."""
    names, values = coefficients.labels("feature"), coefficients.values
    first = sorted(range(len(CONFIDENCE), len(names)), key=lambda i: -abs(values[i]))[:STRONGEST]
    return tuple((str(names[i]), float(values[i])) for i in first)


def _sure_and_right(sums: Float[np.ndarray, "*resample measure"]) -> tuple[np.ndarray, np.ndarray]:
    """The mean probability of the first choice and the accuracy, from sums (or means) over windows."""
    predictions, errors, sure = np.moveaxis(sums, -1, 0)
    return sure / predictions, 1 - errors / predictions


def _by_group(sweeps: Sweeps) -> tuple[Fact, ...]:
    """For each group of predictions: its name, the share of errors, and the share expected from the confidence."""
    sums = {group: sweeps["states"].sel(group=group).values.sum((1, 2)) for group in GROUPS}
    return tuple(
        (group, float(errors / predictions), float(1 - sure / predictions))
        for group, (predictions, errors, sure) in sums.items()
        if predictions
    )
