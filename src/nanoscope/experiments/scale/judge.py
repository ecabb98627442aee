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

COPIES, HEAD = 0.5, 0.3
"""A size has a capability if its accuracy gain from a copy, or its head score, is at least this."""
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
    return _over_seeds(rows[best], 0.0, {"silent": silent})


def copying_of_two_layers(sweeps: Sweeps) -> Evidence:
    """Accuracy that two layers gain from a copy, at their best width. The null is one layer of that width."""
    copies = _copies(sweeps)
    _, widths = _sizes(copies)
    rows = copies.sel(layers=2).values
    best = _best(rows)
    if best is None:
        return NOT_RUN
    one = float(np.nanmean(copies.sel(layers=1, width=widths[best]).values))
    return _over_seeds(rows[best], one, {"width": widths[best], "smallest": _smallest(copies, sweeps["sizes"])})


def best_induction_head_on_text(sweeps: Sweeps) -> Evidence:
    """The best induction score on text of any size. Facts: the sizes at which all trainings form a previous-token head."""
    scores = sweeps["scores"].sel(task="text")
    layers, widths = _sizes(scores)
    sizes = [(depth, width) for depth in layers for width in widths]
    induction, previous = (
        scores.sel(measure=name).values.reshape(len(sizes), -1) for name in ("induction head", "previous-token head")
    )
    best = _best(induction)
    if best is None:
        return NOT_RUN
    have = tuple(size for size, values in zip(sizes, previous, strict=True) if (values >= HEAD).all())
    facts: dict[str, Fact] = {"layers": sizes[best][0], "width": sizes[best][1], "have_previous": have}
    return _over_seeds(induction[best], 0.0, facts)


def loss_saved_by_depth(sweeps: Sweeps) -> Evidence:
    """How much lower the loss of the deepest models is than that of the shallowest of the same width, in nats."""
    return _saved(sweeps["scores"], "layers")


def loss_saved_by_width(sweeps: Sweeps) -> Evidence:
    """How much lower the loss of the widest models is than that of the narrowest of the same depth, in nats."""
    return _saved(sweeps["scores"], "width")


def _copies(sweeps: Sweeps) -> Sweep:
    return sweeps["scores"].sel(measure="copying accuracy", task="echo")


def _sizes(sweep: Sweep) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The depths and widths of the range, run or not."""
    layers, widths = (tuple(int(label) for label in sweep.labels(axis)) for axis in ("layers", "width"))
    return layers, widths


def _smallest(copies: Sweep, sizes: Sweep) -> tuple[Fact, ...]:
    """The smallest size at which all trainings copy; empty if there is none."""
    parameters = sizes.sel(size="parameters", task="echo")
    layers, widths = _sizes(copies)
    passing = [
        (int(parameters.sel(layers=depth, width=width).values.max()), depth, width)
        for depth in layers
        for width in widths
        if (copies.sel(layers=depth, width=width).values >= COPIES).all()
    ]
    return tuple(zip(("parameters", "layers", "width"), min(passing), strict=True)) if passing else ()


def _saved(scores: Sweep, axis: str) -> Evidence:
    """How much lower the loss is at the upper end of an axis than at the lower, over pairs of trainings that are otherwise
    equal. The pairs of one seed are averaged first."""
    loss = scores.sel(measure="loss", task="text")
    small, large = (end(int(label) for label in loss.labels(axis)) for end in (min, max))
    less = loss.sel(**{axis: small}).values - loss.sel(**{axis: large}).values
    seeds = np.nanmean(less[:, ~np.isnan(less).all(0)], axis=0)
    if len(seeds) == 0:
        return NOT_RUN
    pairs, facts = int((~np.isnan(less)).sum()), {"small": small, "large": large}
    return Evidence(float(seeds.mean()), seed_interval(seeds), pairs, "pairs", 0.0, facts)


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
