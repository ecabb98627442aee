"""Experiment 03, from numbers to evidence: one function per claim, which reads stored sweeps only.

Intervals resample windows. A mean over positions is a ratio of two sums, and each resample computes both sums again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from nanoscope.evidence.claim import Sweeps
from nanoscope.evidence.finding import Evidence
from nanoscope.evidence.wording import Fact
from nanoscope.statistics.intervals import percentile_interval, resampled_means

FEWEST = 50
"""Fewest positions of a kind, or settled and unsettled predictions of a layer, from which anything is concluded."""

# ---- how the prediction forms ----------------------------------------------------------------------------------------


def largest_step(sweeps: Sweeps) -> Evidence:
    """The largest share that a single layer has in the fall of KL(model || tuned lens) from the embedding to the output."""
    kl = sweeps["reading"].sel(lens="tuned lens", measure="kl").values
    layers, windows = len(kl) - 1, kl.shape[1]

    def shares(means: np.ndarray) -> np.ndarray:
        return -np.diff(means, axis=-1) / means[..., :1]

    steps = shares(kl.mean(-1))
    facts = {"layer": f"L{steps.argmax()}", "steps": tuple(steps.tolist())}
    drawn = shares(resampled_means(kl.T, "gradual")).max(-1)
    why = "the claim needs at least three layers" if layers < 3 else ""
    return _evidence(float(steps.max()), drawn, windows, 1 / layers, facts, why)


def nearest_after_first_layer(sweeps: Sweeps) -> Evidence:
    """The n of the n-gram table that the tuned lens is nearest to after the first layer."""
    first = _distances(sweeps)[:, 1]
    mean = sweeps["distance_by_kind"].sel(lens="tuned lens", direction="table to lens", kind="all").values[:, 1]
    untrained = sweeps["untrained_distance"].sel(direction="table to lens").values[:, 1]
    facts = {"distances": tuple(enumerate(mean.tolist(), start=1))}
    drawn = nearest(resampled_means(first.T, "first layer").T)
    return _evidence(int(nearest(mean)), drawn, first.shape[1], int(nearest(untrained)), facts)


def rise_of_nearest(sweeps: Sweeps) -> Evidence:
    """The n of the nearest table at the output minus that after the first layer."""
    tables = np.moveaxis(_distances(sweeps), -1, 0)
    n = nearest(tables.mean(0))
    each = nearest(np.moveaxis(resampled_means(tables, "deeper"), 0, -1))
    facts = {"course": tuple(n.tolist()), "longest": tables.shape[1]}
    why = "the claim needs at least two layers" if len(n) < 3 else ""
    return _evidence(int(n[-1] - n[1]), each[-1] - each[1], len(tables), 0.0, facts, why)


def gain_over_tables(sweeps: Sweeps) -> Evidence:
    """Loss of the best table minus the model's loss on the same positions, in nats per character."""
    positions = sweeps["places"].sel(kind="all").values
    tables = sweeps["table_loss"].sel(kind="all").values
    model = sweeps["reading"].sel(lens="logit lens", measure="loss").values[-1]
    best = int(tables.sum(-1).argmin())
    facts = {
        "loss": _ratio(model, positions),
        "best": best + 1,
        "table": _ratio(tables[best], positions),
    }
    return _ratio_evidence(tables[best] - model, positions, "beyond", 0.0, facts)


def nearest(distances: np.ndarray) -> np.ndarray:
    """The n of the nearest table `[*any]`, from KL(table || lens) `[n, *any]`."""
    return np.asarray(distances.argmin(axis=0) + 1)


def _distances(sweeps: Sweeps) -> np.ndarray:
    """KL(table || tuned lens), summed over positions: `[n, layer, window]`."""
    return sweeps["distance"].sel(lens="tuned lens", direction="table to lens").values


# ---- when it is made -------------------------------------------------------------------------------------------------


def settling_depth(sweeps: Sweeps) -> Evidence:
    """Mean depth from which KL(model || tuned lens) stays below 0.1 nats, as a share of the layers."""
    depth, positions = sweeps["depth"].sel(criterion="near", kind="all"), sweeps["places"].sel(kind="all").values
    layers = _layers(sweeps)
    tuned = depth.sel(lens="tuned lens").values / layers
    untrained = sweeps["untrained_depth"].sel(criterion="near", kind="all").values / layers
    facts = {
        "readings": _ratio(tuned, positions) * layers,
        "layers": layers,
        "logit": _ratio(depth.sel(lens="logit lens").values / layers, positions),
        "never_half": never_above_half(sweeps),
    }
    null = _ratio(untrained, sweeps["untrained_places"].sel(kind="all").values)
    return _ratio_evidence(tuned, positions, "settles", null, facts)


def never_above_half(sweeps: Sweeps) -> float:
    """The share of predictions that never settle by the criterion "half": no character's logit-lens probability stays above
    one half up to the output."""
    return float(sweeps["settled"].sel(lens="logit lens", criterion="half", kind="all").values[-1])


def gap_between_kinds(sweeps: Sweeps) -> Evidence:
    """Settling depth of the latest kind of characters minus that of the earliest, as a share of the layers. The two kinds are
    chosen on even windows and compared on odd ones; kinds with too few positions are left out."""
    depth = sweeps["depth"].sel(lens="tuned lens", criterion="near")
    sums, positions = depth.values / _layers(sweeps), sweeps["places"].values
    names = [str(kind) for kind in depth.labels("kind")]
    enough = np.minimum(positions[:, ::2].sum(-1), positions[:, 1::2].sum(-1)) >= FEWEST
    chosen = np.flatnonzero(enough & (np.array(names) != "all"))
    if len(chosen) < 2:
        why = f"fewer than two kinds of characters have {FEWEST} positions in both halves of the windows"
        return Evidence.too_little(why, positions.shape[1], "windows", 0.0)
    first = sums[chosen, ::2].sum(-1) / positions[chosen, ::2].sum(-1)
    early, late = chosen[first.argmin()], chosen[first.argmax()]
    both = np.stack([sums[early], positions[early], sums[late], positions[late]])[:, 1::2].T

    def gap(means: np.ndarray) -> np.ndarray:
        return means[..., 2] / means[..., 3] - means[..., 0] / means[..., 1]

    depths = tuple((names[k], _ratio(sums[k], positions[k])) for k in chosen)
    facts = {"depths": depths, "early": names[early], "late": names[late]}
    return _evidence(float(gap(both.mean(0))), gap(resampled_means(both, "kinds")), len(both), 0.0, facts)


# ---- which components write it, and validation of the lens -------------------------------------------------------------


def mlp_share(sweeps: Sweeps) -> Evidence:
    """The MLPs' share of the direct contributions to the next character's logit."""
    writers = sweeps["writers"]
    names = [str(name) for name in writers.labels("component")]
    mlps = np.array([name.startswith("MLP") for name in names])
    null, windows = float(mlps.mean()), writers.values.shape[1]
    if not mlps.any():
        return Evidence.not_applicable("there are no MLPs", windows, "windows", null)
    means = writers.values.sum(-1) / sweeps["writers_places"].values.sum()
    largest = sorted(zip(means.tolist(), names, strict=True), reverse=True)[:4]
    facts = {"largest": tuple((name, value) for value, name in largest)}
    return _ratio_evidence(writers.values[mlps].sum(0), writers.values.sum(0), "writers", null, facts)


def gain_over_bigrams(sweeps: Sweeps) -> Evidence:
    """KL(model || bigram table) minus KL(model || logit lens), averaged over the inner layers, in nats."""
    positions = sweeps["places"].sel(kind="all").values
    distances = sweeps["distance"].sel(lens="logit lens", direction="lens to table")
    lens = sweeps["reading"].sel(lens="logit lens", measure="kl").values[1:-1]
    if len(lens) == 0:
        return Evidence.not_applicable("there are no inner layers", len(positions), "windows", 0.0)
    table = distances.values[min(2, len(distances.labels("n"))) - 1, -1]
    facts = {"table": _ratio(table, positions), "lens": _ratio(lens.mean(0), positions)}
    return _ratio_evidence(table - lens.mean(0), positions, "reveals", 0.0, facts)


def damage_to_settled(sweeps: Sweeps) -> Evidence:
    """Damage to settled predictions divided by damage to unsettled ones, averaged over the layers with enough of both."""
    damage = sweeps["damage"].values
    layers = [layer for layer in range(len(damage)) if damage[layer, :, 1].sum(-1).min() >= FEWEST]
    if not layers:
        why = f"no layer has {FEWEST} settled and {FEWEST} unsettled predictions"
        return Evidence.too_little(why, damage.shape[-1], "windows", 1.0)

    def ratio(means: np.ndarray) -> np.ndarray:
        """Ratio of damages `[*any, layer]`, from mean damages and positions `[*any, layer, state, quantity]`."""
        each = means[..., 0] / np.maximum(means[..., 1], 1e-9)
        return each[..., 0] / each[..., 1]

    windows = np.moveaxis(damage[layers], -1, 0)
    each = ratio(windows.mean(0))
    drawn = ratio(resampled_means(windows, "meaningful")).mean(-1)
    facts = {"layers": tuple((f"L{layer}", float(x)) for layer, x in zip(layers, each, strict=True))}
    return _evidence(float(each.mean()), drawn, len(windows), 1.0, facts)


def cost_of_a_layer(sweeps: Sweeps) -> Evidence:
    """Milliseconds to read one layer."""
    seconds = np.median(sweeps["cost"].sel(what="lens alone").values)
    value = 1000 * float(seconds) / _layers(sweeps)
    return Evidence(value, (value, value), int(sweeps["cost_tokens"].values), "tokens", 0.0)


def cost_beside_a_forward(sweeps: Sweeps) -> Evidence:
    """Time of a forward pass with the lens divided by that of a plain one: the median over pairs of runs."""
    cost = sweeps["cost"]
    ratios = cost.sel(what="forward with the lens").values / cost.sel(what="plain forward").values
    value = float(np.median(ratios))
    return Evidence(value, (value, value), len(ratios), "pairs", 1.0)


# ---- ratios of sums --------------------------------------------------------------------------------------------------


def _evidence(
    value: float, drawn: np.ndarray, windows: int, null: float, facts: Mapping[str, Fact], why: str = ""
) -> Evidence:
    """Evidence over windows, with the interval of the resampled values; without one where `why` gives a reason."""
    interval = (math.nan, math.nan) if why else percentile_interval(drawn)
    return Evidence(value, interval, windows, "windows", null, facts, why, "not applicable")


def _ratio_evidence(sums: np.ndarray, of: np.ndarray, label: str, null: float, facts: Mapping[str, Fact]) -> Evidence:
    """The ratio of two quantities, both summed within each window. Divided by the number of positions, a sum becomes a mean
    over positions. `label` seeds the resamples."""
    drawn = resampled_means(np.stack([sums, of]).T, label)
    return _evidence(_ratio(sums, of), drawn[:, 0] / drawn[:, 1], len(sums), null, facts)


def _ratio(sums: np.ndarray, of: np.ndarray) -> float:
    return float(sums.sum() / of.sum())


def _layers(sweeps: Sweeps) -> int:
    return len(sweeps["reading"].labels("layer")) - 1
