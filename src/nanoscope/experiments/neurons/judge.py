"""Neurons, from numbers to evidence: one function per claim, which reads stored sweeps only.

Concepts and neurons are counted exhaustively, so no interval is over them: intervals are over windows of the text.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from nanoscope.analysis.neurons.selectivity import SELECTIVE
from nanoscope.evidence.claim import Sweeps
from nanoscope.evidence.finding import Evidence
from nanoscope.evidence.wording import Fact
from nanoscope.experiments.neurons.stored import (
    aurocs,
    chosen_neuron,
    context_names,
    depth,
    in_context,
    told,
)
from nanoscope.statistics.intervals import holm, mean_interval, statistic_interval

SIGNIFICANT = 0.05
NAMED = 3
NO_CONTEXT = "in this text the current character decides every concept"
NOTHING_SELECTIVE = "no neuron is selective for a concept that the current character does not decide"
NEVER_ACTIVE = "the random neurons for comparison are never active"


def selective_concepts(sweeps: Sweeps) -> Evidence:
    """The share of context concepts with a selective neuron, counted again on resampled windows.

    The null is the share that the best of as many random directions tells by the same AUROC.
    """
    if not in_context(sweeps).any():
        return Evidence.not_applicable(NO_CONTEXT, 0, "concepts")
    values, significant = told(sweeps), corrected_p(sweeps)[in_context(sweeps)] <= SIGNIFICANT

    def share(means: np.ndarray) -> np.ndarray:
        return ((means >= SELECTIVE) & significant).mean(-1)

    interval = statistic_interval(values.T, share, "selective")
    count = {source: _told_by(sweeps, source) for source in ("directions", "untrained")}
    facts: dict[str, Fact] = {
        "count": int(((values.mean(1) >= SELECTIVE) & significant).sum()),
        "shifts": int(sweeps["shifts"].values),
        **count,
        "best": _best_known(sweeps),
    }
    value = float(share(values.mean(1)))
    return Evidence(value, interval, len(values), "concepts", count["directions"] / len(values), facts)


def _told_by(sweeps: Sweeps, source: str) -> int:
    """How many context concepts something tells with the AUROC of a selective neuron."""
    return int((told(sweeps, source).mean(1) >= SELECTIVE).sum())


def _best_known(sweeps: Sweeps) -> tuple[Fact, ...]:
    """The context concepts with the highest AUROCs, each with its best neuron."""
    names, at, value = context_names(sweeps), np.flatnonzero(in_context(sweeps)), told(sweeps).mean(1)
    order = np.argsort(-value, kind="stable")[:NAMED]
    return tuple((names[i], chosen_neuron(sweeps, int(at[i])), float(value[i])) for i in order)


def lead_over_directions(sweeps: Sweeps) -> Evidence:
    """The best neuron's AUROC minus that of the best of as many random directions, averaged over context concepts."""
    mine, theirs = _per_window(sweeps, "neurons"), _per_window(sweeps, "directions")
    probe = aurocs(sweeps).sel(source="probe").values[:, in_context(sweeps)]
    facts = {"trained": _mean(mine), "directions": _mean(theirs), "probe": _mean(probe.max(axis=0))}
    return _difference(mine, theirs, "basis", facts)


def growth_with_depth(sweeps: Sweeps) -> Evidence:
    """The AUROC of a layer's best neuron, averaged over context concepts: second half of the layers minus the first."""
    curve = depth(sweeps)
    layers = len(curve)
    if layers == 1:
        return Evidence.not_applicable("there is one layer", 0, "windows", 0.0)
    if not in_context(sweeps).any():
        return Evidence.not_applicable(NO_CONTEXT, 0, "windows", 0.0)
    facts = {"layers": tuple(curve.mean(-1).tolist())}
    return _difference(curve[layers - layers // 2 :].mean(0), curve[: layers // 2].mean(0), "depth", facts)


def cost_of_ablation(sweeps: Sweeps) -> Evidence:
    """Loss added per active character, in nats: the mean over chosen neurons minus the mean over random ones."""
    active = sweeps["ablation_count"].values[:, 0].sum(-1) > 0
    chosen = sweeps["ablation_passing"].values.astype(bool) & active
    random = (sweeps["ablation_group"].values == 1) & active
    windows, null = sweeps["ablation_count"].values.shape[-1], _cost(sweeps, "mean", random)
    if not (chosen.any() and random.any()):
        return Evidence.not_applicable(NEVER_ACTIVE if chosen.any() else NOTHING_SELECTIVE, windows, "windows", null)
    names = np.array(sweeps["ablation"].labels("neuron"))
    alone = _cost(sweeps, "mean", chosen)
    facts = {
        "neurons": tuple(names[chosen].tolist()),
        "alone": alone,
        "elsewhere": _cost(sweeps, "mean", chosen, part=1),
        "direct": _cost(sweeps, "mean, direct", chosen),
        "zeroed": _cost(sweeps, "zero", chosen),
    }
    return Evidence(alone - null, _beyond_random(sweeps, chosen, random), windows, "windows", null, facts)


def _cost(sweeps: Sweeps, effect: str, which: np.ndarray, part: int = 0) -> float:
    """Loss added per character on which the ablated neuron is active (part 0) or not active (1): the mean over neurons."""
    if not which.any():
        return math.nan
    change = sweeps["ablation"].sel(effect=effect).values[which, part].sum(-1)
    return float((change / np.maximum(1, sweeps["ablation_count"].values[which, part].sum(-1))).mean())


def _beyond_random(sweeps: Sweeps, chosen: np.ndarray, random: np.ndarray) -> tuple[float, float]:
    """The interval, over windows, of the chosen neurons' mean cost minus that of the random ones."""
    change, count = sweeps["ablation"].sel(effect="mean").values[:, 0], sweeps["ablation_count"].values[:, 0]
    sums = np.stack([change, count])[:, chosen | random]
    mine = chosen[chosen | random]

    def beyond(means: np.ndarray) -> np.ndarray:
        each = means[:, 0] / np.maximum(means[:, 1], 1e-9)
        return each[:, mine].mean(1) - each[:, ~mine].mean(1)

    return statistic_interval(np.moveaxis(sums, -1, 0), beyond, "ablation")


def corrected_p(sweeps: Sweeps) -> np.ndarray:
    """p-values corrected over all neurons (max-T) and all concepts of a family (Holm); NaN for positions, which shifts
    cannot test."""
    p, families = sweeps["p"].values, sweeps["families"].values
    corrected = np.full(p.shape, np.nan)
    for family in np.unique(families[~np.isnan(p)]):
        corrected[families == family] = holm(p[families == family])
    return corrected


def _per_window(sweeps: Sweeps, source: str) -> np.ndarray:
    """Pseudo-values `[window]` of what was chosen over all layers, averaged over context concepts; empty if there are none."""
    return told(sweeps, source).mean(0) if in_context(sweeps).any() else np.empty(0)


def _difference(one: np.ndarray, other: np.ndarray, label: str, facts: Mapping[str, Fact]) -> Evidence:
    """The mean over windows of one minus the other. `label` seeds the interval."""
    if not one.size:
        return Evidence.not_applicable(NO_CONTEXT, 0, "windows", 0.0)
    gap = (one - other).astype(np.float64)
    return Evidence(float(gap.mean()), mean_interval(gap, label), len(gap), "windows", 0.0, facts)


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else math.nan
