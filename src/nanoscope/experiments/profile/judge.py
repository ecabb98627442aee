"""Experiment 00, from numbers to evidence: windows of held-out text are the unit."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from nanoscope.analysis.causal.minimal_heads import enough
from nanoscope.evidence.claim import Sweeps
from nanoscope.evidence.finding import Evidence
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.profile.control import REACH
from nanoscope.experiments.profile.measure import ABOVE, MODEL
from nanoscope.experiments.profile.setting import HELD_OUT, TEXTS, TRAINING
from nanoscope.statistics.intervals import mean_interval, percentile_interval, resampled_means, statistic_interval

UNUSED = 0.01
"""Nats per token: a longer context that gains less than this counts as not used."""
LOST = 0.1
"""The share of what all heads are worth that a set of heads may lose and still be enough."""


def reads_far(sweeps: Sweeps) -> Evidence:
    """What cutting the context to its last sixteen tokens costs, paired by place, over windows."""
    if "context" not in sweeps or REACH not in sweeps["context"].labels("context"):
        return Evidence.not_applicable(f"its windows are too short to cut them to {REACH}", 0, "windows")
    cost = sweeps["context"].sel(context=REACH)
    mine = cost.sel(text=HELD_OUT).values
    by_length = sweeps["context"].sel(text=HELD_OUT).mean("window")
    facts = {
        "training": _mean(cost, TRAINING),
        "control": _control(sweeps, "context"),
        "by_length": tuple(
            (str(k), float(v)) for k, v in zip(by_length.labels("context"), by_length.values, strict=True)
        ),
        "reach": reach(by_length),
    }
    return Evidence(float(mine.mean()), mean_interval(mine, "context"), len(mine), "windows", 0.0, facts)


def reach(by_length: Sweep) -> str:
    """The shortest cut from which on every longer one costs less than `UNUSED`, in words: `16`, or `more than 64`."""
    lengths = [int(length) for length in by_length.labels("context")]
    after = enough(by_length.values, UNUSED)
    return str(lengths[after]) if after < len(lengths) else f"more than {lengths[-1]}"


def upper_heads(sweeps: Sweeps) -> Evidence:
    """What mean-ablating all heads above layer 0 costs, over windows."""
    ablation = sweeps["ablation"]
    if ABOVE not in ablation.labels("set"):
        return Evidence.not_applicable("there is one layer only", 0, "windows")
    mine = ablation.sel(set=ABOVE, text=HELD_OUT).values
    lowest = ablation.sel(set="heads of L0", text=HELD_OUT).values
    facts = {
        "training": _mean(ablation.sel(set=ABOVE), TRAINING),
        "control": _control(sweeps, "layers"),
        "lowest": float(lowest.mean()),
        "kept": fewest(sweeps),
        "heads": sweeps["kept"].values.shape[1] - 1,
    }
    return Evidence(float(mine.mean()), mean_interval(mine, "upper heads"), len(mine), "windows", 0.0, facts)


def fewest(sweeps: Sweeps) -> int:
    """How many heads are enough: from this number on, no larger set of the search loses more than a tenth of what all heads
    are worth, in windows that were not searched."""
    cost = sweeps["kept"].sel(text=HELD_OUT).mean("window").values
    return enough(cost, LOST * max(float(cost[0]), 0.0))


@dataclass(frozen=True)
class BesideTables:
    """The model beside the best n-gram table, which is chosen in its favour: where it is best."""

    best: str
    lead: float
    interval: tuple[float, float]
    """By how much the model's loss is below the table's, nats."""
    same: float
    """The share of places at which both have the same first choice."""


def beside_tables(sweeps: Sweeps) -> BesideTables:
    """How the model's predictions differ from the best table's. Whether they are better is judged by `lenses`."""
    losses = sweeps["loss"].sel(text=HELD_OUT)
    mean, best = losses.mean("window").values, best_table(losses)
    same = sweeps["agreement"].sel(text=HELD_OUT, way="same first choice").mean("window").values
    interval = statistic_interval(losses.values.T, lambda means: means[:, 1:].min(1) - means[:, 0], "tables")
    return BesideTables(f"{best}-gram", float(mean[best] - mean[0]), interval, float(same[best - 1]))


def best_table(losses: Sweep) -> int:
    """The order of the table with the lowest loss in `[predictor, window]`, the model being the first predictor."""
    return 1 + int(losses.mean("window").values[1:].argmin())


def gap(sweeps: Sweeps) -> tuple[float, float, float]:
    """How much lower the loss on training text is than on held-out text, with its interval: other windows, so not paired."""
    held, trained = (sweeps["loss"].sel(text=text, predictor=MODEL).values for text in TEXTS)
    low, high = percentile_interval(resampled_means(held, HELD_OUT) - resampled_means(trained, TRAINING))
    return float(held.mean() - trained.mean()), low, high


@dataclass(frozen=True)
class Overfitting:
    """The loss on held-out text at the end of a training, beside that of the best of its earlier checkpoints."""

    best: int
    """The iteration of the lowest loss, on every second window."""
    rise: float
    interval: tuple[float, float]
    """By how much the loss at the end is above it, in the other windows, nats."""


def overfitting(sweeps: Sweeps) -> Overfitting:
    """The best earlier checkpoint is chosen on other windows than it is judged on: else the end would always seem worse."""
    losses = sweeps["along_loss"]
    steps = [int(step) for step in losses.labels("step")]
    held = losses.sel(text=HELD_OUT).values
    best = int(held[:-1, 0::2].mean(-1).argmin()) if len(steps) > 1 else 0
    rise = (held[-1] - held[best])[1::2]
    return Overfitting(steps[best], float(rise.mean()), mean_interval(rise, "overfitting"))


def alone_and_together(sweeps: Sweeps, names: list[str], together: str) -> tuple[float, Float[np.ndarray, "window"]]:
    """The sum of what some heads cost alone, and what they cost together in each window."""
    ablation = sweeps["ablation"].sel(text=HELD_OUT)
    return sum(float(ablation.sel(set=name).values.mean()) for name in names), ablation.sel(set=together).values


def _mean(sweep: Sweep, text: str) -> float:
    return float(sweep.sel(text=text).values.mean())


def _control(sweeps: Sweeps, claim: str) -> float:
    return float(sweeps["control"].sel(claim=claim).values.mean()) if "control" in sweeps else math.nan
