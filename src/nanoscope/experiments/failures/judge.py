"""Experiment 04d, from numbers to evidence: one function per claim, which reads stored sweeps only.

Intervals resample windows; all sets of features are judged on the same resamples. An "area" is that under the ROC curve.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float

from nanoscope.analysis.attention.circuit_state import CONFIDENCE, ROLES
from nanoscope.evidence.claim import Sweeps
from nanoscope.evidence.finding import Evidence
from nanoscope.evidence.sweep import Sweep
from nanoscope.evidence.wording import Fact, number
from nanoscope.experiments.failures.measure import ASKED, GROUPS, PRESENT, missing
from nanoscope.experiments.failures.predict import BESIDE_TEXT, CIRCUIT, CONFIDENT, RANDOM, TEXT
from nanoscope.model.names import head_name
from nanoscope.statistics.intervals import percentile_interval, resampled_means

STRONGEST = 3


def confidence(sweeps: Sweeps) -> Evidence:
    """Area of the model's own confidence, as a predictor of its errors; beside it, whether it is as sure as it is right."""
    predictions, errors = (int(sweeps["states"].sel(measure=name).values.sum()) for name in ("places", "errors"))
    drawn = sweeps["auroc_resampled"].sel(set=CONFIDENT).values
    facts: dict[str, Fact] = {"errors": errors, "predictions": predictions, **overconfidence(sweeps)}
    return _resampled(_area(sweeps, CONFIDENT), drawn, (_windows(sweeps), "windows"), 0.5, facts)


def overconfidence(sweeps: Sweeps) -> dict[str, Fact]:
    """How sure the model is (mean probability of the first choice), how often it is right, and the difference with its
    interval; the errors by what copying predicts."""
    sums = sweeps["states"].values.sum((1, 2))
    sure, right = (float(x) for x in _sure_and_right(sums.sum(-1)))
    low, high = percentile_interval(np.subtract(*_sure_and_right(resampled_means(sums.T, "calibrated"))))
    return {"sure": sure, "right": right, "excess": (sure - right, low, high), "groups": _by_group(sweeps)}


def gain_beside_text(sweeps: Sweeps) -> Evidence:
    """The area that the circuit's state adds to confidence and text together; not asked of a model without such heads."""
    facts: dict[str, Fact] = {**_chosen(sweeps), **other_gains(sweeps), "power": power_facts(sweeps)}
    null = _area(sweeps, TEXT) - _area(sweeps, CONFIDENT)
    if missing(sweeps):
        return Evidence.not_applicable(_without(sweeps), _windows(sweeps), "windows", null, facts)
    value, drawn = (_difference(sweeps[each], BESIDE_TEXT, TEXT) for each in ("auroc", "auroc_resampled"))
    return _resampled(float(value), drawn, (_windows(sweeps), "windows"), null, facts)


def _without(sweeps: Sweeps) -> str:
    """Why the question has no object: the best head of each missing role, and what it has. Empty if none is missing."""
    lacking = missing(sweeps)
    best = zip(ROLES, _best(sweeps), strict=True)
    each = ", ".join(f"{head} has {number(score, 2)}" for role, (head, score) in best if role in lacking)
    return f"it has no {' and no '.join(lacking)} (at least {PRESENT:g} of its attention in place; {each})"


def other_gains(sweeps: Sweeps) -> dict[str, Fact]:
    """What else the area is raised by, beside the confidence: the heads' state, random heads' (NaN without others) and the
    text; and the log-loss with the confidence alone and with both."""
    predictions = sweeps["states"].sel(measure="places").values.sum()
    before, after = (float(sweeps["log_loss"].sel(set=name).values.sum() / predictions) for name in (TEXT, BESIDE_TEXT))
    gains = {
        name: _area(sweeps, of) - _area(sweeps, CONFIDENT) for name, of in (("heads", CIRCUIT), ("others", RANDOM))
    }
    return {**gains, "loss_before": before, "loss_after": after, "strongest": _strongest(sweeps["coefficients"])}


def power_facts(sweeps: Sweeps) -> tuple[tuple[float | int, ...], ...]:
    """For each planted size: the size, the mean gain found, the draws, and in how many the interval lies above nothing, above
    the size that is asked for, and below it. Empty where it was not measured."""
    if "power" not in sweeps or not sweeps["power"].values.size:
        return ()
    sizes, found = sweeps["power"].labels("size"), sweeps["power"].values
    return tuple(
        (
            float(size),
            float(value.mean()),
            len(value),
            *(int(one.sum()) for one in (low > 0, low >= ASKED, high < ASKED)),
        )
        for size, (value, low, high) in zip(sizes, np.moveaxis(found, -1, 1), strict=True)
    )


def planted_gain(sweeps: Sweeps) -> tuple[float, float, float]:
    """The area that the heads' state adds to the confidence where failures were planted in a hand-built model, with its
    interval."""
    value, drawn = (_difference(sweeps[each], CIRCUIT, CONFIDENT) for each in ("planted_auroc", "planted_resampled"))
    return (float(value), *percentile_interval(drawn))


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
    (previous, previous_score), (copying, copying_score) = _best(sweeps)
    return {"previous": previous, "copying": copying, "previous_score": previous_score, "copying_score": copying_score}


def _best(sweeps: Sweeps) -> tuple[tuple[str, float], tuple[str, float]]:
    """The chosen head of each role, and its score."""
    heads = sweeps["heads"].values[0].astype(int)
    first, second = (float(of_role[*head]) for of_role, head in zip(sweeps["scores"].values, heads, strict=True))
    return (head_name(*map(int, heads[0])), first), (head_name(*map(int, heads[1])), second)


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
