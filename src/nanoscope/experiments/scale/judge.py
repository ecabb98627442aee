"""Finding 4b, from numbers to findings."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from nanoscope.evidence.finding import Evidence, Finding
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.scale.claims import CLAIMS, COPIES, HEAD
from nanoscope.experiments.scale.measure import Params
from nanoscope.statistics.intervals import seed_interval

NOT_RUN = Evidence(math.nan, (math.nan, math.nan), 0, "trainings", math.nan)


def judge(sweeps: Mapping[str, Sweep], params: Params) -> tuple[Finding, ...]:
    """All findings, in the order of the claims."""
    scores = sweeps["scores"]
    copies = scores.sel(measure="copying accuracy", task="echo")
    evidence = {
        "scale.one_layer": _one_layer(copies, params),
        "scale.two_layers": _two_layers(copies, params, sweeps["sizes"]),
        "scale.text_heads": _text_heads(scores, params),
        "scale.depth": _better(scores, {"layers": min(params.layers)}, {"layers": max(params.layers)}),
        "scale.width": _better(scores, {"width": min(params.widths)}, {"width": max(params.widths)}),
    }
    return tuple(claim.found(evidence[claim.id]) for claim in CLAIMS)


def _one_layer(copies: Sweep, params: Params) -> Evidence:
    """The best width at one layer. A width at which no training copies, however deep, was not learned at all: that one
    layer does not copy there says nothing, and it is left out and named (so since the first run of all sizes)."""
    rows = copies.sel(layers=min(params.layers)).values
    learned = np.array([(copies.sel(width=width).values >= COPIES).any() for width in params.widths])
    silent = ", ".join(str(width) for width, any_copies in zip(params.widths, learned, strict=True) if not any_copies)
    told = f" Left out: width {silent}, where no training of any depth copies, so that depth is not what it lacks."
    facts = {"silent": told if silent else ""}
    best = _best(np.where(learned[:, None], rows, np.nan))
    return replace(NOT_RUN, facts=facts) if best is None else _over_seeds(rows[best], 0.0, facts)


def _two_layers(copies: Sweep, params: Params, sizes: Sweep) -> Evidence:
    """The best width at two layers, beside one layer of that width."""
    rows, facts = copies.sel(layers=2).values, {"smallest": _smallest(copies, sizes, params), "width": "unknown"}
    best = _best(rows)
    if best is None:
        return replace(NOT_RUN, facts=facts)
    one = float(np.nanmean(copies.sel(layers=1, width=params.widths[best]).values))
    return _over_seeds(rows[best], one, {**facts, "width": str(params.widths[best])})


def _smallest(copies: Sweep, sizes: Sweep, params: Params) -> str:
    """The smallest size all of whose trainings copy."""
    passing = [
        (float(sizes.sel(size="parameters", task="echo", layers=layers, width=width).values.max()), layers, width)
        for layers in params.layers
        for width in params.widths
        if (copies.sel(layers=layers, width=width).values >= COPIES).all()
    ]
    if not passing:
        return "At no size were all trainings run and found to copy."
    parameters, layers, width = min(passing)
    return f"The smallest size all of whose trainings copy: {layers} layers of width {width} ({parameters:,.0f} parameters)."


def _text_heads(scores: Sweep, params: Params) -> Evidence:
    """The size with the best induction head on text, and where there are previous-token heads."""
    rows = scores.sel(measure="induction head", task="text").values
    cells = [(layers, width) for layers in params.layers for width in params.widths]
    flat = rows.reshape(len(cells), -1)
    best = _best(flat)
    previous = scores.sel(measure="previous-token head", task="text").values.reshape(len(cells), -1)
    have = [_cell(*cell) for cell, values in zip(cells, previous, strict=True) if (values >= HEAD).all()]
    facts = {
        "previous": f"All trainings form a previous-token head at: {'; '.join(have)}."
        if have
        else "At no size do all trainings form a previous-token head.",
        "cell": "unknown",
    }
    if best is None:
        return replace(NOT_RUN, facts=facts)
    return _over_seeds(flat[best], 0.0, {**facts, "cell": _cell(*cells[best])})


def _cell(layers: int, width: int) -> str:
    return f"{layers} layer{'s' * (layers > 1)} of width {width}"


def _better(scores: Sweep, small: Mapping[str, int], large: Mapping[str, int]) -> Evidence:
    """How much lower the larger model's loss is, over pairs that are alike else; a seed's pairs are averaged first."""
    loss = scores.sel(measure="loss", task="text")
    less = loss.sel(**small).values - loss.sel(**large).values
    seeds = np.nanmean(less[:, ~np.isnan(less).all(0)], axis=0)
    if len(seeds) == 0:
        return NOT_RUN
    return Evidence(float(seeds.mean()), seed_interval(seeds), int((~np.isnan(less)).sum()), "pairs", 0.0)


def _best(rows: np.ndarray) -> int | None:
    """The row with the highest mean among those that were run."""
    means = {row: float(np.nanmean(values)) for row, values in enumerate(rows) if not np.isnan(values).all()}
    return max(means, key=lambda row: means[row]) if means else None


def _over_seeds(values: np.ndarray, null: float, facts: Mapping[str, str]) -> Evidence:
    there = values[~np.isnan(values)]
    low, high = seed_interval(there) if len(there) > 1 else (math.nan, math.nan)
    return Evidence(float(there.mean()), (low, high), len(there), "trainings", null, facts)
