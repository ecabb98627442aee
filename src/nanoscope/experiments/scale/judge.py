"""Finding 4b, from numbers to evidence: one function per claim. The unit is a training."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from nanoscope.evidence.claim import Sweeps
from nanoscope.evidence.finding import Evidence
from nanoscope.evidence.sweep import Sweep
from nanoscope.evidence.wording import Fact
from nanoscope.statistics.intervals import seed_interval

COPIES = 0.5
"""A size copies if its accuracy gain from a copy is at least this."""
SAME_BUDGET = 0.1
"""How far the numbers of parameters of two models of the same budget may be apart, as a share."""
NOT_RUN = Evidence.too_little("the sizes that the claim compares were not run", 0, "trainings")


def copying_of_one_layer(sweeps: Sweeps) -> Evidence:
    """Accuracy that one layer gains from a copy, at its best width.

    A width at which no training of any depth copies was not learned at all and says nothing about one layer: it is left
    out, and named in the facts (since the first run of all sizes)."""
    copies = _copies(sweeps)
    layers, widths = _sizes(copies)
    rows = copies.sel(layers=min(layers)).values
    learned = np.array([(copies.sel(width=width).values >= COPIES).any() for width in widths])
    silent = tuple(width for width, any_copies in zip(widths, learned, strict=True) if not any_copies)
    best = _best(np.where(learned[:, None], rows, np.nan))
    if best is None:
        return Evidence.not_applicable("no training of any size copies", 0, "trainings")
    facts: dict[str, Fact] = {"silent": silent, "deeper": best_of_deeper(copies)}
    return _over_seeds(rows[best], 0.0, facts)


def best_of_deeper(copies: Sweep) -> tuple[Fact, ...]:
    """What more than one layer gains from a copy where it gains most: `2 x 128`, and the mean gain. Empty if none was run."""
    layers, widths = _sizes(copies)
    sizes = [(depth, width) for depth in layers if depth > min(layers) for width in widths]
    rows = np.array([copies.sel(layers=depth, width=width).values for depth, width in sizes])
    best = _best(rows)
    return () if best is None else ("{} x {}".format(*sizes[best]), float(np.nanmean(rows[best])))


def loss_saved_by_shape(sweeps: Sweeps) -> Evidence:
    """How much lower the loss on text of the deepest models is than that of the shallowest with as many parameters, in nats.

    Over pairs of trainings with the same seed; the pairs of one seed are averaged first. All had the same tokens.
    """
    loss = sweeps["scores"].sel(measure="loss", task="text")
    shallow, deep = (end(_sizes(loss)[0]) for end in (min, max))
    matched = matched_widths(sweeps, shallow, deep)
    if not matched:
        return NOT_RUN
    of_shallow = np.array([loss.sel(layers=shallow, width=wide).values for wide, _ in matched])
    less = of_shallow - np.array([loss.sel(layers=deep, width=narrow).values for _, narrow in matched])
    seeds = np.nanmean(less[:, ~np.isnan(less).all(0)], axis=0)
    if len(seeds) == 0:
        return NOT_RUN
    shapes = tuple((f"{deep} x {narrow}", f"{shallow} x {wide}") for wide, narrow in matched)
    facts: dict[str, Fact] = {"shallow": shallow, "deep": deep, "within": SAME_BUDGET, "shapes": shapes}
    return Evidence(float(seeds.mean()), seed_interval(seeds), int((~np.isnan(less)).sum()), "pairs", 0.0, facts)


def matched_widths(sweeps: Sweeps, shallow: int, deep: int) -> list[tuple[int, int]]:
    """The widths (of the shallow model, of the deep one) with which both were run and have about as many parameters."""
    sizes = sweeps["sizes"].sel(size="parameters", task="text")
    widths = _sizes(sizes)[1]

    def parameters(layers: int, width: int) -> float:
        """NaN for a size that was not run."""
        return float(np.fmax.reduce(sizes.sel(layers=layers, width=width).values))

    return [
        (wide, narrow)
        for wide in widths
        for narrow in widths
        if abs(parameters(shallow, wide) / parameters(deep, narrow) - 1) <= SAME_BUDGET
    ]


def _copies(sweeps: Sweeps) -> Sweep:
    return sweeps["scores"].sel(measure="copying accuracy", task="echo")


def _sizes(sweep: Sweep) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The depths and widths of the range, run or not."""
    layers, widths = (tuple(int(label) for label in sweep.labels(axis)) for axis in ("layers", "width"))
    return layers, widths


def _best(rows: Float[np.ndarray, "size seed"]) -> int | None:
    """The row with the highest mean among those that were run."""
    means = {row: float(np.nanmean(values)) for row, values in enumerate(rows) if not np.isnan(values).all()}
    return max(means, key=lambda row: means[row]) if means else None


def _over_seeds(values: Float[np.ndarray, "seed"], null: float, facts: Mapping[str, Fact]) -> Evidence:
    run = values[~np.isnan(values)]
    if len(run) < 2:
        one = float(run.mean())
        return Evidence(one, (math.nan, math.nan), 1, "trainings", null, facts, "one training has no interval")
    return Evidence(float(run.mean()), seed_interval(run), len(run), "trainings", null, facts)
