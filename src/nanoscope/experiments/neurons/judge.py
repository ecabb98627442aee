"""Neurons, from numbers to evidence: one function per claim, which reads stored sweeps only."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from nanoscope.analysis.neurons.selectivity import SELECTIVE, best_of_layers
from nanoscope.analysis.neurons.statistics import dead
from nanoscope.evidence.claim import Sweeps
from nanoscope.evidence.finding import Evidence
from nanoscope.evidence.wording import Fact
from nanoscope.experiments.neurons.labels import CONDITIONS, CONTEXT, FAMILIES, WRITTEN, concept_of
from nanoscope.model.names import neuron_name
from nanoscope.statistics.intervals import holm, mean_interval, share_interval, statistic_interval

SIGNIFICANT = 0.05
NAMED = 3
NO_CONTEXT = "in this text the current character decides every concept"
NOTHING_SELECTIVE = "no neuron is selective for a concept that the current character does not decide"
NEVER_ACTIVE = "the random neurons for comparison are never active"
NO_DIRECTION = "the model is too narrow for a direction that one character alone uses"


def planted_neuron(sweeps: Sweeps) -> Evidence:
    """The smallest of five scores, each 1 if the planted detector is measured correctly: its AUROC, whether it is the best of
    its layer, the share of examples that are its character, the smallest possible p, and an ablation without effect."""
    planted = sweeps["planted"]
    seen = dict(zip(planted.labels("measure"), planted.values[0, 0].tolist(), strict=True))
    symbols = [str(token) for token in sweeps["card_weights"].labels("token")]
    written = {concept_of("current", symbol): WRITTEN.get(symbol, symbol) for symbol in symbols}
    facts: dict[str, Fact] = {
        "neuron": str(planted.labels("neuron")[0]),
        "character": written[str(planted.labels("concept")[0])],
        "auroc": seen["auroc"],
        "p": seen["p"],
        "smallest": seen["smallest p"],
        "shifts": int(sweeps["shifts"].values),
        "share": seen["top share"],
        "change": seen["change"],
    }
    if math.isnan(seen["auroc"]):
        return Evidence.not_applicable(NO_DIRECTION, 1, "planted neuron", 0.5, facts)
    right = float(seen["p"] <= seen["smallest p"]), float(seen["change"] < 1e-6)
    value = min(seen["auroc"], seen["best"], seen["top share"], *right)
    return Evidence(value, (value, value), 1, "planted neuron", 0.5, facts)


def selective_concepts(sweeps: Sweeps) -> Evidence:
    """The share of context concepts with a selective neuron. The ends of the interval count the neurons whose own 95 %
    intervals lie wholly, or partly, at or above the required AUROC."""
    context = in_context(sweeps)
    if not context.any():
        return Evidence.not_applicable(NO_CONTEXT, 0, "concepts")
    value, error = (part[context] for part in best_neurons(sweeps))
    significant = corrected_p(sweeps)[context] <= SIGNIFICANT
    low, high = (float((significant & (value + side * 1.96 * error >= SELECTIVE)).mean()) for side in (-1, 1))
    selective = significant & (value >= SELECTIVE)
    untrained = best_neurons(sweeps, "untrained")[0][context] >= SELECTIVE
    facts: dict[str, Fact] = {
        "count": int(selective.sum()),
        "shifts": int(sweeps["shifts"].values),
        "untrained": int(untrained.sum()),
        "best": _best_known(sweeps, value),
    }
    return Evidence(float(selective.mean()), (low, high), len(value), "concepts", float(untrained.mean()), facts)


def _best_known(sweeps: Sweeps, value: np.ndarray) -> tuple[Fact, ...]:
    """The context concepts with the highest AUROCs `value [concept]`, each with its best neuron."""
    names, at = sweeps["families"].labels("concept"), np.flatnonzero(in_context(sweeps))
    order = np.argsort(-value, kind="stable")[:NAMED]
    return tuple((str(names[at[i]]), neuron_of(sweeps, int(at[i])), float(value[i])) for i in order)


def lead_over_untrained(sweeps: Sweeps) -> Evidence:
    """The best neuron's AUROC minus that of an untrained model's best neuron, averaged over context concepts."""
    mine, theirs = _per_window(sweeps, "neurons"), _per_window(sweeps, "untrained")
    return _difference(mine, theirs, "learned", {"trained": _mean(mine), "untrained": _mean(theirs)})


def lead_over_directions(sweeps: Sweeps) -> Evidence:
    """The best neuron's AUROC minus that of the best of as many random directions, averaged over context concepts."""
    mine, theirs = _per_window(sweeps, "neurons"), _per_window(sweeps, "directions")
    probe = sweeps["report"].sel(source="probe").values[:, in_context(sweeps)].mean(-1)
    facts = {"directions": _mean(theirs), "probe": _mean(probe.max(axis=0))}
    return _difference(mine, theirs, "basis", facts)


def growth_with_depth(sweeps: Sweeps) -> Evidence:
    """The AUROC of a layer's best neuron, averaged over context concepts: second half of the layers minus the first."""
    layers = sweeps["report"].sel(source="neurons").values[:, in_context(sweeps)]
    depth = len(layers)
    if depth == 1:
        return Evidence.not_applicable("there is one layer", 0, "windows", 0.0)
    if not layers.size:
        return Evidence.not_applicable(NO_CONTEXT, 0, "windows", 0.0)
    curve = layers.mean(axis=1)
    facts = {"layers": tuple(curve.mean(-1).tolist())}
    return _difference(curve[depth - depth // 2 :].mean(0), curve[: depth // 2].mean(0), "depth", facts)


def nested_concepts(sweeps: Sweeps) -> Evidence:
    """The AUROC where the nested concept is fixed, averaged over the conditions on context concepts."""
    found, names = sweeps["conditional"], sweeps["families"].labels("concept")
    context = {name for name, mine in zip(names, in_context(sweeps), strict=True) if mine}
    kept = [i for i, (name, _, _) in enumerate(CONDITIONS) if name in context and not np.isnan(found.values[i]).any()]
    if not kept:
        return Evidence.not_applicable("the text has no nested concepts", 0, "windows", 0.5)
    values = found.values[kept]
    each = tuple((str(found.labels("condition")[i]), float(found.values[i].mean())) for i in kept)
    per_window = values.mean(0)
    interval = mean_interval(per_window, "conditional")
    return Evidence(float(per_window.mean()), interval, len(per_window), "windows", 0.5, {"aurocs": each})


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


def dead_neurons(sweeps: Sweeps) -> Evidence:
    """The share of neurons that are dead, with facts about the median neuron."""
    statistics = sweeps["statistics"]
    gone = dead(statistics)
    largest, positive, sparsity = (statistics.sel(statistic=name).values for name in ("max", "positive", "sparsity"))
    facts: dict[str, Fact] = {
        "count": int(gone.sum()),
        "median": float(np.median(largest)),
        "characters": int(sweeps["counts"].sel(part="characters").values),
        "positive": float(np.median(positive)),
        "sparsity": math.nan if gone.all() else float(np.nanmedian(sparsity)),
    }
    return Evidence(float(gone.mean()), share_interval(int(gone.sum()), gone.size), gone.size, "neurons", 0.0, facts)


def milliseconds_per_layer(sweeps: Sweeps) -> Evidence:
    """The experiment's total time per layer, in milliseconds."""
    seconds, (layers, per_layer) = sweeps["seconds"], sweeps["statistics"].values.shape[1:]
    total = float(seconds.values.sum())
    value = 1000 * total / layers
    stages = tuple(zip(map(str, seconds.labels("stage")), seconds.values.tolist(), strict=True))
    return Evidence(value, (value, value), layers * per_layer, "neurons", 0.0, {"seconds": total, "stages": stages})


# ---- the best neurons ----------------------------------------------------------------------------------------------


def in_context(sweeps: Sweeps) -> np.ndarray:
    """The context concepts `[concept]`: those that the current character does not decide."""
    return sweeps["families"].values == FAMILIES.index(CONTEXT)


def best_neurons(sweeps: Sweeps, source: str = "neurons") -> tuple[np.ndarray, np.ndarray]:
    """For each concept the AUROC of its best neuron over all layers, on the reporting split, and the standard error."""
    best = best_of_layers(sweeps["selected"], sweeps["report"], source)
    return best.mean(1), best.std(1, ddof=1) / math.sqrt(best.shape[1])


def corrected_p(sweeps: Sweeps) -> np.ndarray:
    """p-values corrected over all neurons (max-T) and all concepts of a family (Holm); NaN for positions, which shifts
    cannot test."""
    p, families = sweeps["p"].values, sweeps["families"].values
    corrected = np.full(p.shape, np.nan)
    for family in np.unique(families[~np.isnan(p)]):
        corrected[families == family] = holm(p[families == family])
    return corrected


def best_neuron(sweeps: Sweeps, concept: int) -> tuple[int, int]:
    """The layer and the index of a concept's best neuron."""
    layer = int(sweeps["selected"].sel(source="neurons").values[:, concept].argmax())
    return layer, int(sweeps["chosen"].sel(source="neurons").values[layer, concept])


def neuron_of(sweeps: Sweeps, concept: int) -> str:
    """The name of a concept's best neuron."""
    return neuron_name(*best_neuron(sweeps, concept))


def _per_window(sweeps: Sweeps, source: str) -> np.ndarray:
    """Pseudo-values `[window]` of the best over all layers, averaged over context concepts; empty if there are none."""
    best = best_of_layers(sweeps["selected"], sweeps["report"], source)[in_context(sweeps)]
    return best.mean(0) if len(best) else np.empty(0)


def _difference(one: np.ndarray, other: np.ndarray, label: str, facts: Mapping[str, Fact]) -> Evidence:
    """The mean over windows of one minus the other. `label` seeds the interval."""
    if not one.size:
        return Evidence.not_applicable(NO_CONTEXT, 0, "windows", 0.0)
    gap = (one - other).astype(np.float64)
    return Evidence(float(gap.mean()), mean_interval(gap, label), len(gap), "windows", 0.0, facts)


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else math.nan
