"""Experiment 02, from numbers to evidence: heads are chosen on one split of the text and reported on the other."""

from __future__ import annotations

import math

import numpy as np

from nanoscope.analysis.attention.classes import PLACES, TOKENS
from nanoscope.evidence.claim import Sweeps
from nanoscope.evidence.finding import Evidence
from nanoscope.evidence.wording import Fact
from nanoscope.experiments.heads.groups import of_class
from nanoscope.experiments.heads.label import ALL_CLASSES, SIGNIFICANT
from nanoscope.experiments.heads.pairs import best_of_all_ways, better_than_impossible, strongest, without_each_head
from nanoscope.model.names import head_name, named
from nanoscope.statistics.intervals import jackknife_interval, mean_interval

UNDEFINED = (math.nan, math.nan)
PREVIOUS = PLACES[0]


def best_previous_token(sweeps: Sweeps) -> Evidence:
    """The head that attends most to the previous token."""
    return _best(sweeps, PLACES[:1])


def best_of_text(sweeps: Sweeps) -> Evidence:
    """The head that attends most by content."""
    return _best(sweeps, TOKENS)


def _best(sweeps: Sweeps, classes: tuple[str, ...]) -> Evidence:
    """The head with the highest score in any of these classes, chosen on one split and reported on the other."""
    rows = [ALL_CLASSES.index(name) for name in classes]
    select = sweeps["scores_select"].values[rows]
    which, layer, head = (int(i) for i in np.unravel_index(select.argmax(), select.shape))
    cls, at = rows[which], (layer, head)
    windows = sweeps["windows_report"].values[cls, layer, head].astype(np.float64)
    present = windows[~np.isnan(windows)]
    p = float(sweeps["p"].values[cls, layer, head])
    facts = {
        "head": head_name(*at),
        "cls": ALL_CLASSES[cls],
        "p": p,
        "random": float(sweeps["scores_random"].values[cls, layer, head]),
    }
    null = float(sweeps["untrained_scores"].values[:, rows].max(axis=(1, 2, 3)).mean())
    low, high = mean_interval(present, "best", *classes) if len(present) > 1 else UNDEFINED
    low = low if p <= SIGNIFICANT else min(low, 0.0)  # chance is not excluded
    value = float(present.mean()) if len(present) else math.nan
    return Evidence(value, (low, high), len(present), "windows", null, facts)


def previous_token_heads_needed(sweeps: Sweeps) -> Evidence:
    """Nats lost without all previous-token heads, beyond those lost without as many other heads of the same layers.

    Where layers leave several sets of others, their mean counts; the facts tell the worst of them.
    """
    cost = of_class(sweeps, PREVIOUS)
    if cost is None:
        return Evidence.not_applicable("no head is a previous-token head", 0, "windows")
    facts: dict[str, Fact] = {
        "heads": named(cost.heads),
        "together": float(cost.together.mean()),
        "sets": len(cost.others),
        **({} if math.isnan(cost.apart) else {"apart": cost.apart}),
    }
    if not len(cost.others):
        why = "their layers have too few other heads to compare with"
        return Evidence.not_applicable(why, len(cost.together), "windows", facts=facts)
    beyond, others = cost.beyond_others, cost.others.mean(-1)
    interval = mean_interval(beyond, "previous-token heads needed")
    facts |= {"worst": float(others.max())}
    return Evidence(float(beyond.mean()), interval, len(beyond), "windows", float(others.mean()), facts)


def pairs_that_can_compose(sweeps: Sweeps) -> Evidence:
    """The probability that a pair that can compose scores above one that cannot, by the best of Q, K and V.

    The interval is from the jackknife over heads, since each head belongs to many pairs; it is cut at 0 and 1.
    """
    scores = best_of_all_ways(sweeps["composition"])
    each = without_each_head(scores)
    if len(each) < 3 or np.isnan(each).any():
        return Evidence.not_applicable("there are too few heads below others", len(each), "heads", 0.5)
    value = better_than_impossible(scores)
    facts = {
        "most": strongest(sweeps["composition"], 3),
        "median": float(np.median(scores.possible)),
        "impossible": float(np.median(scores.impossible)),
    }
    low, high = jackknife_interval(value, each)
    return Evidence(value, (max(low, 0.0), min(high, 1.0)), len(each), "heads", 0.5, facts)
