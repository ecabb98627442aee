"""Finding 2 of the report: what each attention head does."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nanoscope.evidence.markdown import table
from nanoscope.evidence.result import Result
from nanoscope.evidence.stored_study import Study
from nanoscope.evidence.wording import number
from nanoscope.experiments.heads.census import (
    Named,
    by_strength,
    confusion,
    on_random_text,
    with_a_class,
)
from nanoscope.experiments.heads.groups import EVERY, Cost, by_class, costs, singles
from nanoscope.experiments.heads.label import ALL_CLASSES, WEAK, classes_of, in_words
from nanoscope.experiments.pages import Page
from nanoscope.model.names import head_name

LISTED = 3
"""Single heads that are listed by what the loss without them is."""


def values(study: Study, result: Result) -> Mapping[str, object]:
    """The tables of the section; those that an older version did not measure are empty."""
    first = result["scores_report"].sel(cls="first token").values
    sink = np.unravel_index(first.argmax(), first.shape)
    return {
        "groups": groups_table(result),
        "largest": largest(result),
        "with_a_class": with_a_class(result.sweeps, WEAK),
        "heads": result["label"].values.size,
        "random": on_random_text(result.sweeps),
        "weak": f"{WEAK:g}",
        "planted": planted(result),
        "cost": cost(result),
        "sink": head_name(int(sink[0]), int(sink[1])),
        "sink_score": float(first[sink]),
        "sink_value": float(result["first_value"].values[sink]),
    }


def groups_table(result: Result) -> str:
    """A table of groups of heads that were ablated: classes with their heads and scores, the first layer, those above, and all.

    The figure has every layer.
    """
    classes = by_class(result["label"].values)
    rows = [
        [one.name, _members(result, one) if one.name in classes else f"{len(one.heads)} heads", *_costs(one)]
        for one in costs(result.sweeps)
        if one.name in classes or one.name in ("heads of L0", "heads above L0", EVERY)
    ]
    head = ["heads", "members (score)", "single ablations, summed", "joint ablation", "as many of the same layers"]
    return table(head, rows)


def _members(result: Result, one: Cost) -> str:
    score = result["scores_report"].values[ALL_CLASSES.index(one.name)]
    named = [(at, f"{head_name(*at)} {number(score[at], 2)}") for at in sorted(one.heads, key=lambda at: -score[at])]
    return ", ".join(text if score[at] >= WEAK else f"({text})" for at, text in named)


def _costs(one: Cost) -> tuple[str, str, str]:
    beside = one.others.mean(-1)
    worst = f", worst {beside.max():+.3f} of {len(beside)}" if len(beside) > 1 else ""
    others = f"{beside.mean():+.3f}{worst}" if len(beside) else ""
    return "" if np.isnan(one.apart) else f"{one.apart:+.3f}", f"{one.together.mean():+.3f}", others


def largest(result: Result) -> str:
    """The single heads whose ablation costs most, with their classes, or with their largest score if they have none."""
    if "costs" not in result.sweeps:
        return ""
    cost = singles(result.sweeps)
    mean, error = cost.mean(-1), cost.std(-1, ddof=1) / np.sqrt(cost.shape[-1])
    order = np.dstack(np.unravel_index((-mean).argsort(axis=None, kind="stable"), mean.shape))[0][:LISTED]
    return "; ".join(f"{_head(result, *at)} {mean[*at]:+.3f} ± {1.96 * error[*at]:.3f}" for at in order)


def _head(result: Result, layer: int, head: int) -> str:
    """`L0H3 (no class, same character 0.29)`."""
    name, classes = head_name(int(layer), int(head)), classes_of(result.sweeps, int(layer), int(head))
    if classes:
        return f"{name} ({in_words(classes)})"
    scores = result["scores_report"].values[:, layer, head]
    return f"{name} (no class, {ALL_CLASSES[int(scores.argmax())]} {number(float(scores.max()), 2)})"


def planted(result: Result) -> Mapping[str, object]:
    """What becomes of planted heads: shares named right by strength, named wrong, and of no class and named."""
    if "planted_scores" not in result.sweeps:
        return {}
    every = Named.of(confusion(result.sweeps).sum(0))
    right = tuple((strength, one.right) for strength, one in by_strength(result.sweeps).items())
    return {"right": right, "wrong": every.wrong, "invented": every.invented}


def cost(result: Result) -> Mapping[str, float]:
    """What attention patterns cost: milliseconds per layer to extract and judge, and a forward pass beside a plain one."""
    plain, kept, judging = np.median(result["cost"].values, axis=1)
    layers = len(result["label"].values)
    return {
        "per_layer": 1000 * float(max(kept - plain, 0) + judging) / layers,
        "times": float(np.median(result["cost"].values[1] / result["cost"].values[0])),
    }


PAGE = Page(
    "Finding 2: What each attention head does",
    figures=("heads_taxonomy", "heads_ablation", "heads_thresholds"),
    values=values,
)
