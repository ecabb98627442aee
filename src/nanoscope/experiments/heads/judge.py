"""Experiment 02, from numbers to findings: heads and classes are chosen on one split of the text and reported on the other."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from nanoscope.analysis.attention.classes import PLACES, TOKENS, mean_of_present
from nanoscope.evidence.finding import Evidence, Finding, number
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.heads.claims import CLAIMS
from nanoscope.experiments.heads.label import ALL_CLASSES, SIGNIFICANT, STRONG, WEAK
from nanoscope.experiments.heads.setting import Params
from nanoscope.model.names import head_name, head_names
from nanoscope.statistics.intervals import mean_interval, share_interval

Sweeps = Mapping[str, Sweep]
UNDEFINED = (math.nan, math.nan)
STRONG_SIGNAL = 0.6


def judge(sweeps: Sweeps, params: Params) -> tuple[Finding, ...]:
    """All findings of experiment 02, in the order of its claims."""
    evidence = {
        "heads.classified": _classified(sweeps),
        "heads.focus": _focus(sweeps),
        "heads.previous": _best(sweeps, PLACES[:1]),
        "heads.offsets": _best(sweeps, PLACES[1:8]),
        "heads.tokens": _best(sweeps, TOKENS),
        "heads.ablation": _ablation(sweeps),
        "heads.composition": _composition(sweeps),
        "heads.categoriser": _categoriser(sweeps),
        "heads.cost": _cost(sweeps),
        "heads.overhead": _overhead(sweeps),
    }
    return tuple(claim.found(evidence[claim.id]) for claim in CLAIMS)


def members(sweeps: Sweeps) -> dict[str, list[tuple[int, int]]]:
    """The heads of every class that has any, the most frequent class first: named on one split, and at least weak on the
    other."""
    label, report = sweeps["label"].values, sweeps["scores_report"].values
    found = {
        name: [(int(layer), int(head)) for layer, head in np.argwhere((label == i) & (report[i] >= WEAK))]
        for i, name in enumerate(ALL_CLASSES)
    }
    return dict(sorted(((n, h) for n, h in found.items() if h), key=lambda item: -len(item[1])))


def _classified(sweeps: Sweeps) -> Evidence:
    """Share of heads with a class; the interval is Clopper and Pearson's over heads."""
    label, report, found = sweeps["label"].values, sweeps["scores_report"].values, members(sweeps)
    heads = [at for part in found.values() for at in part]
    strong = sum(report[label[at], *at] >= STRONG for at in heads)
    listed = "; ".join(f"{name} {head_names(part)}" for name, part in found.items()) or "none"
    facts = {"count": str(len(heads)), "strong": str(strong), "classes": listed}
    null = float((sweeps["untrained_label"].values >= 0).mean())
    return Evidence(len(heads) / label.size, share_interval(len(heads), label.size), label.size, "heads", null, facts)


def _focus(sweeps: Sweeps) -> Evidence:
    """Mean over heads of the share of attention that each head's best class explains, minus untrained models'. The best
    class is chosen on the selection split."""
    best = sweeps["scores_select"].values[:-1].argmax(axis=0)
    windows = np.take_along_axis(sweeps["windows_report"].values, best[None, :, :, None], axis=0)[0]
    per_window = mean_of_present(windows.astype(np.float64), axis=(0, 1))
    untrained = float(sweeps["untrained_scores"].values[:, :-1].max(axis=1).mean())
    trained = float(per_window.mean())
    low, high = mean_interval(per_window, "focus")
    facts = {"trained": number(trained), "breadth": number(float(sweeps["breadth"].values.mean()))}
    return Evidence(
        trained - untrained, (low - untrained, high - untrained), len(per_window), "windows", untrained, facts
    )


def _best(sweeps: Sweeps, classes: tuple[str, ...]) -> Evidence:
    """The head with the highest score in any of some classes, chosen on one split and reported on the other."""
    rows = [ALL_CLASSES.index(name) for name in classes]
    select = sweeps["scores_select"].values[rows]
    which, layer, head = (int(i) for i in np.unravel_index(select.argmax(), select.shape))
    cls, at = rows[which], (layer, head)
    windows = sweeps["windows_report"].values[cls, layer, head].astype(np.float64)
    there = windows[~np.isnan(windows)]
    p = float(sweeps["p"].values[cls, layer, head])
    facts = {
        "head": head_name(*at),
        "cls": ALL_CLASSES[cls],
        "p": number(p),
        "random": number(float(sweeps["scores_random"].values[cls, layer, head])),
    }
    null = float(sweeps["untrained_scores"].values[:, rows].max(axis=(1, 2, 3)).mean())
    low, high = mean_interval(there, "best", *classes) if len(there) > 1 else UNDEFINED
    low = low if p <= SIGNIFICANT else min(low, 0.0)  # chance is not excluded
    value = float(there.mean()) if len(there) else math.nan
    return Evidence(value, (low, high), len(there), "windows", null, facts)


def _ablation(sweeps: Sweeps) -> Evidence:
    """Nats lost without the class with the most heads that has others to compare with, beyond what is lost without them."""
    intact, ablated = sweeps["ablation_intact"].values, sweeps["ablation"]
    names = [str(name) for name in ablated.labels("cls")]
    lost = ablated.values - intact
    costs = [f"{name} {lost[names.index(name), 0].mean():+.3f}" for name in members(sweeps)]
    each = ", ".join(costs) or "there is none"
    comparable = [name for name in members(sweeps) if not np.isnan(lost[names.index(name), 1]).any()]
    if not comparable:
        why = "no head has a class" if not names else "no layer has heads left to compare with"
        facts = {"each": each, "cls": "", "heads": "none", "own": "none", "why": why}
        return Evidence(math.nan, UNDEFINED, len(intact), "windows", math.nan, facts)
    cls = comparable[0]
    own, others = lost[names.index(cls)]
    facts = {
        "each": each,
        "cls": cls,
        "heads": head_names(members(sweeps)[cls]),
        "own": number(float(own.mean())),
        "why": f"the {cls} heads cost {number(float((own - others).mean()))} nats more than others of the same layers",
    }
    gap = own - others
    return Evidence(
        float(gap.mean()), mean_interval(gap, "class ablation"), len(gap), "windows", float(others.mean()), facts
    )


def possible(sweeps: Sweeps) -> np.ndarray:
    """Which pairs can compose, the first head below the second: `[layer, head, later_layer, later_head]`."""
    shape = sweeps["composition"].values.shape[1:]
    layers = np.arange(shape[0])
    return np.broadcast_to((layers[:, None] < layers[None, :])[:, None, :, None], shape)


def _composition(sweeps: Sweeps) -> Evidence:
    """Share of possible pairs (best of Q, K, V) above the 97.5th percentile of the impossible ones."""
    scores, can = sweeps["composition"], possible(sweeps)
    best = scores.values.max(axis=0)
    if not can.any():
        facts = {"most": "there is one layer only", "random": "none"}
        return Evidence(math.nan, UNDEFINED, 0, "pairs", 0.025, facts)
    limit = np.percentile(best[~can], 97.5)
    above = int((best[can] > limit).sum())
    order = np.argsort(np.where(can, best, -1), axis=None)[::-1][:3]
    most = ", ".join(_pair(scores, np.unravel_index(i, best.shape)) for i in order)
    facts = {"most": most, "random": number(1 / math.sqrt(float(sweeps["width"].values)))}
    return Evidence(above / can.sum(), share_interval(above, int(can.sum())), int(can.sum()), "pairs", 0.025, facts)


def _pair(scores: Sweep, at: tuple) -> str:
    """`L0H1 -> L1H0 by K 0.21`."""
    values = scores.values[(slice(None), *at)]
    way = scores.labels("way")[int(values.argmax())]
    return f"{head_name(int(at[0]), int(at[1]))} -> {head_name(int(at[2]), int(at[3]))} by {way} {number(float(values.max()))}"


def _categoriser(sweeps: Sweeps) -> Evidence:
    """Share of planted heads with their own label, from a strength of 0.6 on."""
    planted = sweeps["planted"]
    right = np.einsum("scc->sc", planted.values[:, :, : planted.values.shape[1]])
    total, strengths = planted.values.sum(-1), [float(s) for s in planted.labels("strength")]
    enough = np.array(strengths) >= STRONG_SIGNAL - 1e-9
    hit, count = int(right[enough].sum()), int(total[enough].sum())
    course = ", ".join(
        f"{s:g}: {100 * r.sum() / t.sum():.0f} %" for s, r, t in zip(strengths, right, total, strict=True)
    )
    facts = {"course": course}
    return Evidence(hit / count, share_interval(hit, count), count, "planted heads", 1 / right.shape[1], facts)


def _cost(sweeps: Sweeps) -> Evidence:
    """Milliseconds per layer to extract patterns (what they add to a forward pass) and to judge them."""
    plain, kept, judging = np.median(sweeps["cost"].values, axis=1)
    layers = len(sweeps["label"].values)
    value = 1000 * float(max(kept - plain, 0) + judging) / layers
    return Evidence(value, (value, value), int(sweeps["cost_tokens"].values), "tokens", 0.0)


def _overhead(sweeps: Sweeps) -> Evidence:
    """Time of a forward pass that keeps every pattern over a plain one, pair by pair."""
    ratios = sweeps["cost"].values[1] / sweeps["cost"].values[0]
    value = float(np.median(ratios))
    return Evidence(value, (value, value), len(ratios), "pairs", 1.0)
