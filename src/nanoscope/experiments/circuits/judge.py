"""From the numbers of `circuits` to evidence: one function per claim, which reads stored sweeps only.

Shares are of the difference that all edges make to the metric. Intervals resample examples, unless said otherwise. Numbers of
examples come from the text on which nothing was chosen.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from nanoscope.evidence.claim import Sweeps
from nanoscope.evidence.finding import Evidence
from nanoscope.evidence.sweep import Sweep
from nanoscope.evidence.wording import Fact
from nanoscope.experiments.circuits.stored import first_faithful, is_done, labels, main_task, mean_shares
from nanoscope.seeds import seed_for
from nanoscope.statistics.intervals import mean_interval, percentile_interval, resampled_means
from nanoscope.statistics.ranks import spearman

STRONGEST = 4
RESAMPLINGS = 100
NOT_DONE = "the model does none of the tasks: the corrupt texts change its answers by less than ten standard errors"


def faithful(sweeps: Sweeps) -> Evidence:
    """The share of the behaviour that the circuit keeps."""
    name = main_task(sweeps)
    drawn, value = _kept(sweeps, name)
    asked, connected = (int(x) for x in sweeps["size"].sel(task=name).values)
    shares = mean_shares(sweeps, name)
    best = sorted(shares, key=lambda edge: -shares[edge])
    facts: dict[str, Fact] = {
        "task": name,
        "edges": connected,
        "asked": asked,
        "total": len(shares),
        "strongest": tuple((edge, float(shares[edge])) for edge in best[:STRONGEST]),
        "draws": sweeps["random"].values.shape[-1],
        "chance": float(sweeps["random"].sel(task=name).values.max()),
        "worst": float(sweeps["worst"].values.max()),
        "ablations": _pairs(sweeps["ablations"]),
    }
    return _done(sweeps, value, percentile_interval(drawn), float(sweeps["random"].sel(task=name).values.mean()), facts)


def small(sweeps: Sweeps) -> Evidence:
    """The share of all edges from which on the best edges are faithful, at the sizes of the MIB benchmark."""
    name = main_task(sweeps)
    values, nothing = sweeps["curve"].sel(task=name, ranking="signed").values, _end(sweeps, name, "nothing")
    whole = _end(sweeps, name, "model") - nothing
    sizes = np.array(sweeps["curve"].labels("share"), dtype=float)
    drawn = resampled_means(np.vstack([values - nothing, whole]).T, "small")
    enough = np.array([first_faithful(row[:-1] / row[-1], sizes) for row in drawn])
    value = first_faithful((values - nothing).mean(-1) / whole.mean(), sizes)
    return _done(sweeps, value, percentile_interval(enough), 1.0, {"task": name})


def estimated(sweeps: Sweeps) -> Evidence:
    """Spearman's correlation of EAP-IG's scores with the exact effects over edges; the interval resamples edges."""
    methods = labels(sweeps["estimates"], "method")
    effects, *others = sweeps["estimates"].values.astype(float)
    found = {name: spearman(scores, effects) for name, scores in zip(methods[1:], others, strict=True)}
    scores = others[methods.index("eap-ig") - 1]
    rng = np.random.default_rng(seed_for("estimated"))
    picks = rng.integers(0, len(effects), (RESAMPLINGS, len(effects)))
    drawn = np.array([spearman(scores[pick], effects[pick]) for pick in picks])
    best = max((name for name in found if name not in ("random", "weights")), key=lambda name: found[name])
    facts: dict[str, Fact] = {
        "methods": tuple((name, float(value)) for name, value in found.items()),
        "best": best,
        "best_value": float(found[best]),
        "random": float(found["random"]),
    }
    return _done(sweeps, found["eap-ig"], percentile_interval(drawn), found["weights"], facts, (len(effects), "edges"))


def own(sweeps: Sweeps) -> Evidence:
    """What tasks lose without their own circuit, minus what they lose on average without another task's; over tasks."""
    tasks = [name for name in labels(sweeps["lost"], "task") if is_done(sweeps, name)]
    if len(tasks) < 2:
        return Evidence.not_applicable("the model does at most one of the tasks clearly", len(tasks), "tasks")
    rows = [labels(sweeps["lost"], "task").index(name) for name in tasks]
    lost = sweeps["lost"].values[np.ix_(rows, rows)]
    mine = lost.diagonal()
    others = (lost.sum(0) - mine) / (len(tasks) - 1)
    facts: dict[str, Fact] = {"own": float(mine.mean()), "other": float(others.mean()), "tasks": len(tasks)}
    return Evidence(float((mine - others).mean()), mean_interval(mine - others, "own"), len(tasks), "tasks", 0.0, facts)


def textbook(sweeps: Sweeps) -> Evidence:
    """What the textbook hypothesis of induction keeps of the model's advantage; the interval is over draws of texts."""
    if "scrubbed" not in sweeps:
        return Evidence.not_applicable("the model has no induction head above a previous-token head", 0, "draws")
    kept = {name: sweeps["scrubbed"].sel(hypothesis=name).values for name in labels(sweeps["scrubbed"], "hypothesis")}
    facts: dict[str, Fact] = {name: float(values.mean()) for name, values in kept.items()}
    facts["exchanged"] = float(sweeps["exchanged"].values.min())
    draws = kept["textbook"]
    return Evidence(
        float(draws.mean()), percentile_interval(draws), len(draws), "draws", float(kept["wrong"].mean()), facts
    )


# ---- what several need ---------------------------------------------------------------------------------------------------


def _kept(sweeps: Sweeps, name: str) -> tuple[Float[np.ndarray, "resample"], float]:
    """The share that the circuit keeps: in each resampling of the examples, and in all."""
    nothing = _end(sweeps, name, "nothing")
    kept, whole = sweeps["circuit"].sel(task=name).values - nothing, _end(sweeps, name, "model") - nothing
    drawn = resampled_means(np.stack([kept, whole], axis=1), "kept")
    return drawn[:, 0] / drawn[:, 1], float(kept.mean() / whole.mean())


def _end(sweeps: Sweeps, name: str, end: str) -> Float[np.ndarray, "example"]:
    return sweeps["ends"].sel(task=name, end=end).values


def _done(
    sweeps: Sweeps,
    value: float,
    interval: tuple[float, float],
    null: float,
    facts: dict[str, Fact],
    n: tuple[int, str] | None = None,
) -> Evidence:
    """The evidence, if the model does the main task at all."""
    size, unit = n or (sweeps["circuit"].values.shape[-1], "examples")
    if not is_done(sweeps, main_task(sweeps)):
        return Evidence.not_applicable(NOT_DONE, size, unit)
    return Evidence(value, interval, size, unit, null, facts)


def _pairs(sweep: Sweep) -> tuple[tuple[str, float], ...]:
    """The labels of a sweep of one axis, each with its value."""
    return tuple(zip(labels(sweep, sweep.dims[0]), sweep.values.tolist(), strict=True))
