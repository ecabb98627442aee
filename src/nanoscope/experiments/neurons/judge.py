"""Neurons, from numbers to findings: each function gathers the evidence for one claim, from stored sweeps alone."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from nanoscope.analysis.neurons.selectivity import best_of_layers
from nanoscope.analysis.neurons.statistics import dead
from nanoscope.evidence.finding import Evidence, Finding
from nanoscope.evidence.sweep import Sweep
from nanoscope.evidence.wording import number
from nanoscope.experiments.neurons.claims import CLAIMS, SELECTIVE, SIGNIFICANT
from nanoscope.experiments.neurons.labels import CONDITIONS, CONTEXT, FAMILIES
from nanoscope.experiments.neurons.measure import Params
from nanoscope.model.names import neuron_name
from nanoscope.statistics.intervals import holm, mean_interval, share_interval, statistic_interval

Sweeps = Mapping[str, Sweep]
UNDEFINED = (math.nan, math.nan)
NAMED = 3
NO_CONTEXT = "in this text the current character decides every concept"


def judge(sweeps: Sweeps, params: Params) -> tuple[Finding, ...]:
    """All findings, in the order of the claims."""
    evidence = {
        "neurons.planted": _planted(sweeps),
        "neurons.selective": _selective(sweeps),
        "neurons.learned": _learned(sweeps),
        "neurons.basis": _basis(sweeps),
        "neurons.depth": _depth(sweeps),
        "neurons.conditional": _conditional(sweeps),
        "neurons.ablation": _ablation(sweeps),
        "neurons.dead": _dead(sweeps),
        "neurons.cost": _cost(sweeps),
    }
    return tuple(claim.found(evidence[claim.id]) for claim in CLAIMS)


def _planted(sweeps: Sweeps) -> Evidence:
    """The least of what a neuron that is seen through has: AUROC 1, the best place, examples of its character only,
    the smallest p, and an ablation that changes nothing."""
    planted = sweeps["planted"]
    seen = dict(zip(planted.labels("measure"), planted.values[0, 0], strict=True))
    character = str(planted.labels("concept")[0]).removeprefix("current ")
    smallest = float(seen["p"] <= seen["smallest p"])
    unchanged = float(seen["change"] < 1e-6)
    value = math.nan
    if not math.isnan(seen["auroc"]):
        value = float(min(seen["auroc"], seen["best"], seen["top share"], smallest, unchanged))
    facts = {
        "neuron": str(planted.labels("neuron")[0]),
        "character": f"the {character}" if len(character) > 1 else f"`{character}`",
        "auroc": number(seen["auroc"]),
        "p": number(seen["p"]),
        "smallest": number(seen["smallest p"]),
        "shifts": f"{int(sweeps['shifts'].values):,}",
        "share": _percent(seen["top share"]),
        "change": number(seen["change"]),
    }
    return Evidence(value, (value, value), 1, "planted neuron", 0.5, facts)


def _selective(sweeps: Sweeps) -> Evidence:
    """The share of context concepts with a selective neuron; the ends of the interval count the neurons whose own
    intervals lie above the floor, and reach it."""
    context, names = in_context(sweeps), sweeps["families"].labels("concept")
    value, error = best_neurons(sweeps)
    significant = corrected_p(sweeps) <= SIGNIFICANT
    if not context.any():
        return Evidence(math.nan, UNDEFINED, 0, "concepts", math.nan, {"state": NO_CONTEXT})
    selective = significant & (value >= SELECTIVE)
    ends = [(significant & (value + side * 1.96 * error >= SELECTIVE))[context].mean() for side in (-1, 1)]
    untrained = (best_neurons(sweeps, "untrained")[0] >= SELECTIVE)[context]
    order = [c for c in np.argsort(-np.where(context, value, -1), kind="stable") if context[c]][:NAMED]
    share, null = float(selective[context].mean()), float(untrained.mean())
    interval = (float(ends[0]), float(ends[1]))
    best = ", ".join(f"{names[c]} ({neuron_of(sweeps, c)}, {value[c]:.2f})" for c in order)
    facts = {
        "count": str(int(selective[context].sum())),
        "shifts": f"{int(sweeps['shifts'].values):,}",
        "untrained": str(int(untrained.sum())),
        "best": best,
        "state": f"{_with_interval(share, interval)} of {int(context.sum())} have one; the best: {best}",
    }
    return Evidence(share, interval, int(context.sum()), "concepts", null, facts)


def _learned(sweeps: Sweeps) -> Evidence:
    mine, theirs = _per_window(sweeps, "neurons"), _per_window(sweeps, "untrained")
    facts = {"trained": number(_mean(mine)), "untrained": number(_mean(theirs))}
    words = f"the best neuron's AUROC is {facts['trained']} on average, above an untrained model's by"
    return _difference(mine, theirs, "learned", facts, words)


def _basis(sweeps: Sweeps) -> Evidence:
    mine, theirs = _per_window(sweeps, "neurons"), _per_window(sweeps, "directions")
    probe = sweeps["report"].sel(source="probe").values[:, in_context(sweeps)].mean(-1)
    facts = {"directions": number(_mean(theirs)), "probe": number(_mean(probe.max(axis=0)) if probe.size else math.nan)}
    words = f"over the best of as many random directions ({facts['directions']}) the best neuron's lead is"
    return _difference(mine, theirs, "basis", facts, words)


def _depth(sweeps: Sweeps) -> Evidence:
    """Mean AUROC over context concepts of a layer's best neuron: second half of the layers minus the first."""
    layers = sweeps["report"].sel(source="neurons").values[:, in_context(sweeps)]
    depth = len(layers)
    if depth == 1 or not layers.size:
        state = "there is one layer" if depth == 1 else NO_CONTEXT
        return Evidence(math.nan, UNDEFINED, 0, "windows", 0.0, {"state": state})
    curve = layers.mean(axis=1)
    facts = {"layers": "layer by layer " + ", ".join(number(value) for value in curve.mean(-1))}
    words = f"{facts['layers']}; second half minus first half is"
    return _difference(curve[depth - depth // 2 :].mean(0), curve[: depth // 2].mean(0), "depth", facts, words)


def _conditional(sweeps: Sweeps) -> Evidence:
    """The mean over the conditions on context concepts of the AUROC where the nested concept is fixed."""
    found, names = sweeps["conditional"], sweeps["families"].labels("concept")
    context = {name for name, mine in zip(names, in_context(sweeps), strict=True) if mine}
    kept = [i for i, (name, _, _) in enumerate(CONDITIONS) if name in context and not np.isnan(found.values[i]).any()]
    if not kept:
        return Evidence(math.nan, UNDEFINED, 0, "windows", 0.5, {"state": "the text has none that are nested"})
    values = found.values[kept]
    each = ", ".join(f"{found.labels('condition')[i]} {found.values[i].mean():.2f}" for i in kept)
    per_window = values.mean(0)
    value, interval = float(per_window.mean()), mean_interval(per_window, "conditional")
    facts = {
        "each": each,
        "state": f"their mean AUROC with the other one fixed is {_with_interval(value, interval)}: {each}",
    }
    return Evidence(value, interval, len(per_window), "windows", 0.5, facts)


def _ablation(sweeps: Sweeps) -> Evidence:
    """Nats per active character: the mean over chosen neurons, less the mean over random ones."""
    change, count = sweeps["ablation"], sweeps["ablation_count"].values
    group, passing = sweeps["ablation_group"].values, sweeps["ablation_passing"].values.astype(bool)
    some = count[:, 0].sum(-1) > 0
    chosen, random = passing & some, (group == 1) & some
    names = np.array(change.labels("neuron"))

    def cost(effect: str, which: np.ndarray, part: int) -> float:
        if not which.any():
            return math.nan
        totals = change.sel(effect=effect).values[which, part].sum(-1) / np.maximum(1, count[which, part].sum(-1))
        return float(totals.mean())

    alone, null = cost("mean", chosen, 0), cost("mean", random, 0)
    facts = {
        "neurons": ", ".join(names[chosen]) or "no neuron",
        "alone": number(alone),
        "elsewhere": number(cost("mean", chosen, 1)),
        "direct": number(cost("mean, direct", chosen, 0)),
        "zeroed": number(cost("zero", chosen, 0)),
    }
    windows = count.shape[-1]
    if math.isnan(alone) or math.isnan(null):
        state = "no neuron is selective for a concept that the current character does not decide"
        return Evidence(math.nan, UNDEFINED, windows, "windows", null, {"state": state})
    sums = np.stack([change.sel(effect="mean").values[:, 0], count[:, 0]])[:, chosen | random]
    mine = chosen[chosen | random]

    def beyond(means: np.ndarray) -> np.ndarray:
        each = means[:, 0] / np.maximum(means[:, 1], 1e-9)
        return each[:, mine].mean(1) - each[:, ~mine].mean(1)

    interval = statistic_interval(np.moveaxis(sums, -1, 0), beyond, "ablation")
    state = (
        f"mean ablation of {facts['neurons']}, one at a time, costs {number(alone)} nats on a character where the neuron is "
        f"active; beyond random neurons of the same layers: {_with_interval(alone - null, interval)}"
    )
    return Evidence(alone - null, interval, windows, "windows", null, {**facts, "state": state})


def _dead(sweeps: Sweeps) -> Evidence:
    statistics = sweeps["statistics"]
    gone = dead(statistics)
    facts = {
        "count": f"{int(gone.sum()):,}",
        "median": number(float(np.median(statistics.sel(statistic="max").values))),
        "characters": f"{int(sweeps['counts'].sel(part='characters').values):,}",
        "positive": _percent(float(np.median(statistics.sel(statistic="positive").values))),
        "sparsity": _percent(float(np.nanmedian(statistics.sel(statistic="sparsity").values)))
        if not gone.all()
        else "none",
    }
    interval = share_interval(int(gone.sum()), gone.size)
    return Evidence(float(gone.mean()), interval, gone.size, "neurons", 0.0, facts)


def _cost(sweeps: Sweeps) -> Evidence:
    seconds = sweeps["seconds"]
    layers, per_layer = sweeps["statistics"].values.shape[1:]
    value = 1000 * float(seconds.values.sum()) / layers
    stages = zip(seconds.labels("stage"), seconds.values, strict=True)
    facts = {
        "seconds": number(float(seconds.values.sum())),
        "stages": ", ".join(f"{name} {number(float(of))}" for name, of in stages),
    }
    return Evidence(value, (value, value), layers * per_layer, "neurons", 0.0, facts)


# ---- the best neurons ----------------------------------------------------------------------------------------------


def in_context(sweeps: Sweeps) -> np.ndarray:
    """Which concepts the current character does not decide."""
    return sweeps["families"].values == FAMILIES.index(CONTEXT)


def best_neurons(sweeps: Sweeps, source: str = "neurons") -> tuple[np.ndarray, np.ndarray]:
    """For each concept the AUROC of its best neuron over all layers, on the reporting split, and its standard error."""
    best = best_of_layers(sweeps["selected"], sweeps["report"], source)
    return best.mean(1), best.std(1, ddof=1) / math.sqrt(best.shape[1])


def corrected_p(sweeps: Sweeps) -> np.ndarray:
    """p-values over all neurons (max-T) and all concepts of a family (Holm); NaN where shifts test nothing."""
    p, families = sweeps["p"].values, sweeps["families"].values
    corrected = np.full(p.shape, np.nan)
    for family in np.unique(families[~np.isnan(p)]):
        corrected[families == family] = holm(p[families == family])
    return corrected


def neuron_of(sweeps: Sweeps, concept: int) -> str:
    """The name of a concept's best neuron."""
    layer = int(sweeps["selected"].sel(source="neurons").values[:, concept].argmax())
    return neuron_name(layer, int(sweeps["chosen"].sel(source="neurons").values[layer, concept]))


def _per_window(sweeps: Sweeps, source: str) -> np.ndarray:
    """Pseudo-values of the best over all layers, averaged over context concepts: `[window]`."""
    best = best_of_layers(sweeps["selected"], sweeps["report"], source)[in_context(sweeps)]
    return best.mean(0) if len(best) else np.empty(0)


def _difference(one: np.ndarray, other: np.ndarray, label: str, facts: Mapping[str, str], words: str) -> Evidence:
    """The mean over windows of one less the other; `words` say what it is, where it decides nothing."""
    if not one.size:
        return Evidence(math.nan, UNDEFINED, 0, "windows", 0.0, {"state": NO_CONTEXT})
    gap = (one - other).astype(np.float64)
    value, interval = float(gap.mean()), mean_interval(gap, label)
    state = f"{words} {_with_interval(value, interval)}"
    return Evidence(value, interval, len(gap), "windows", 0.0, {**facts, "state": state})


def _with_interval(value: float, interval: tuple[float, float]) -> str:
    return f"{number(value)} [{number(interval[0])}, {number(interval[1])}]"


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else math.nan


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
