"""Experiment 02, from numbers to evidence: heads are chosen on one split of the text and reported on the other."""

from __future__ import annotations

import math

import numpy as np

from nanoscope.analysis.attention.classes import PLACES, TOKENS
from nanoscope.evidence.claim import Sweeps
from nanoscope.evidence.finding import Evidence
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.heads.label import ALL_CLASSES, SIGNIFICANT, STRONG, WEAK
from nanoscope.model.names import head_name, named
from nanoscope.statistics.intervals import mean_interval, share_interval

UNDEFINED = (math.nan, math.nan)
STRONG_SIGNAL = 0.6


def members(sweeps: Sweeps) -> dict[str, list[tuple[int, int]]]:
    """The heads of every class that has any, the largest class first.

    A head is labelled on one split, and must score at least weak on the other.
    """
    label, report = sweeps["label"].values, sweeps["scores_report"].values
    found = {
        name: [(int(layer), int(head)) for layer, head in np.argwhere((label == i) & (report[i] >= WEAK))]
        for i, name in enumerate(ALL_CLASSES)
    }
    return dict(sorted(((n, h) for n, h in found.items() if h), key=lambda item: -len(item[1])))


def with_a_class(sweeps: Sweeps) -> Evidence:
    """Share of heads with a class; the interval is Clopper-Pearson over heads."""
    label, report, found = sweeps["label"].values, sweeps["scores_report"].values, members(sweeps)
    heads = [at for part in found.values() for at in part]
    strong = sum(report[label[at], *at] >= STRONG for at in heads)
    classes = tuple((name, named(part)) for name, part in found.items())
    facts = {"count": len(heads), "strong": int(strong), "classes": classes}
    null = float((sweeps["untrained_label"].values >= 0).mean())
    return Evidence(len(heads) / label.size, share_interval(len(heads), label.size), label.size, "heads", null, facts)


def best_previous_token(sweeps: Sweeps) -> Evidence:
    """The head that attends most to the previous token."""
    return _best(sweeps, PLACES[:1])


def best_offset(sweeps: Sweeps) -> Evidence:
    """The head that attends most to one fixed distance of two or more."""
    return _best(sweeps, PLACES[1:8])


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


def cost_of_the_largest_class(sweeps: Sweeps) -> Evidence:
    """Nats lost without the largest class that has a control, beyond those lost without its control.

    The control is as many other heads of the same layers.
    """
    intact, ablated = sweeps["ablation_intact"].values, sweeps["ablation"]
    names = [str(name) for name in ablated.labels("cls")]
    lost = ablated.values - intact
    classes = members(sweeps)
    each = tuple((name, float(lost[names.index(name), 0].mean())) for name in classes)
    comparable = [name for name in classes if not np.isnan(lost[names.index(name), 1]).any()]
    if not comparable:
        why = "no head has a class" if not names else "no layer has heads left to compare with"
        return Evidence.not_applicable(why, len(intact), "windows", facts={"each_class": each})
    cls = comparable[0]
    own, others = lost[names.index(cls)]
    gap = own - others
    facts = {"each_class": each, "cls": cls, "heads": named(classes[cls]), "own": float(own.mean())}
    interval = mean_interval(gap, "class ablation")
    return Evidence(float(gap.mean()), interval, len(gap), "windows", float(others.mean()), facts)


def possible(sweeps: Sweeps) -> np.ndarray:
    """Which pairs can compose, the first head in an earlier layer than the second: `[layer, head, later_layer, later_head]`."""
    shape = sweeps["composition"].values.shape[1:]
    layers = np.arange(shape[0])
    return np.broadcast_to((layers[:, None] < layers[None, :])[:, None, :, None], shape)


def composing_pairs(sweeps: Sweeps) -> Evidence:
    """Share of possible pairs (best of Q, K, V) above the 97.5th percentile of the impossible ones."""
    scores, can = sweeps["composition"], possible(sweeps)
    best = scores.values.max(axis=0)
    if not can.any():
        return Evidence.not_applicable("there is one layer only", 0, "pairs", 0.025)
    limit = np.percentile(best[~can], 97.5)
    above = int((best[can] > limit).sum())
    order = np.argsort(np.where(can, best, -1), axis=None)[::-1][:3]
    most = tuple(_pair(scores, np.unravel_index(i, best.shape)) for i in order)
    facts = {"most": most, "random": 1 / math.sqrt(float(sweeps["width"].values))}
    pairs = int(can.sum())
    return Evidence(above / pairs, share_interval(above, pairs), pairs, "pairs", 0.025, facts)


def _pair(scores: Sweep, at: tuple[np.intp, ...]) -> tuple[str, float]:
    """`L0H1 -> L1H0 by K`, and its score."""
    values = scores.values[(slice(None), *at)]
    layer, head, later_layer, later_head = (int(i) for i in at)
    way = scores.labels("way")[int(values.argmax())]
    return f"{head_name(layer, head)} -> {head_name(later_layer, later_head)} by {way}", float(values.max())


def planted_heads_named(sweeps: Sweeps) -> Evidence:
    """Share of planted heads labelled correctly, from a strength of 0.6 on."""
    planted = sweeps["planted"]
    right = np.einsum("scc->sc", planted.values[:, :, : planted.values.shape[1]])
    total, strengths = planted.values.sum(-1), [float(s) for s in planted.labels("strength")]
    enough = np.array(strengths) >= STRONG_SIGNAL - 1e-9
    hit, count = int(right[enough].sum()), int(total[enough].sum())
    course = tuple((s, float(r.sum() / t.sum())) for s, r, t in zip(strengths, right, total, strict=True))
    facts = {"course": course}
    return Evidence(hit / count, share_interval(hit, count), count, "planted heads", 1 / right.shape[1], facts)


def milliseconds_per_layer(sweeps: Sweeps) -> Evidence:
    """Milliseconds per layer to extract patterns (what they add to a forward pass) and to judge them."""
    plain, kept, judging = np.median(sweeps["cost"].values, axis=1)
    layers = len(sweeps["label"].values)
    value = 1000 * float(max(kept - plain, 0) + judging) / layers
    return Evidence(value, (value, value), int(sweeps["cost_tokens"].values), "tokens", 0.0)


def forward_with_patterns(sweeps: Sweeps) -> Evidence:
    """Median ratio of the time of a forward pass that keeps every pattern to that of a plain one."""
    ratios = sweeps["cost"].values[1] / sweeps["cost"].values[0]
    value = float(np.median(ratios))
    return Evidence(value, (value, value), len(ratios), "pairs", 1.0)
