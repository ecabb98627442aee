"""Experiment 03, from numbers to findings: each function gathers the evidence for one claim, from stored sweeps alone.

The unit that is resampled is the window. Means over places are ratios of sums, so each resample takes both anew.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from nanoscope.evidence.finding import Evidence, Finding
from nanoscope.evidence.sweep import Sweep
from nanoscope.evidence.wording import number
from nanoscope.experiments.lenses.claims import CLAIMS
from nanoscope.experiments.lenses.measure import Params
from nanoscope.statistics.intervals import percentile_interval, resampled_means
from nanoscope.statistics.ranks import monotonicity

Sweeps = Mapping[str, Sweep]
UNDEFINED = (math.nan, math.nan)
FEWEST_PLACES = 50
TABLES = {1: "unigram", 2: "bigram", 3: "trigram"}


def judge(sweeps: Sweeps, params: Params) -> tuple[Finding, ...]:
    """All findings of experiment 03, in the order of its claims."""
    evidence = {
        "lenses.gradual": _gradual(sweeps),
        "lenses.first_layer": _first_layer(sweeps),
        "lenses.deeper": _deeper(sweeps),
        "lenses.beyond": _beyond(sweeps),
        "lenses.settles": _settles(sweeps),
        "lenses.kinds": _kinds(sweeps),
        "lenses.training": _training(sweeps),
        "lenses.tuned": _tuned(sweeps),
        "lenses.computed": _computed(sweeps),
        "lenses.writers": _writers(sweeps),
        "lenses.reveals": _reveals(sweeps),
        "lenses.meaningful": _meaningful(sweeps),
        "lenses.cost": _cost(sweeps),
        "lenses.overhead": _overhead(sweeps),
    }
    return tuple(claim.found(evidence[claim.id]) for claim in CLAIMS)


# ---- how the prediction forms ----------------------------------------------------------------------------------------


def _gradual(sweeps: Sweeps) -> Evidence:
    """The largest share of any layer in the fall of KL(model || tuned lens) from the embedding to the output."""
    kl = sweeps["reading"].sel(lens="tuned lens", measure="kl").values
    layers = len(kl) - 1

    def shares(means: np.ndarray) -> np.ndarray:
        return -np.diff(means, axis=-1) / means[..., :1]

    steps = shares(kl.mean(-1))
    interval = percentile_interval(shares(resampled_means(kl.T, "gradual")).max(-1)) if layers > 2 else UNDEFINED
    facts = {"layer": f"L{steps.argmax()}", "steps": ", ".join(number(float(step)) for step in steps)}
    facts["why"] = "the threshold lies inside the interval" if layers > 2 else "that takes three layers at least"
    return Evidence(float(steps.max()), interval, kl.shape[1], "windows", 1 / layers, facts)


def nearest(distances: np.ndarray) -> np.ndarray:
    """Which n is nearest, of KL(table || lens) `[n, *any]`: `[*any]`."""
    return np.asarray(distances.argmin(axis=0) + 1)


def _tables(sweeps: Sweeps) -> np.ndarray:
    """KL(table || tuned lens), summed over places: `[n, layer, window]`."""
    return sweeps["distance"].sel(lens="tuned lens", direction="table to lens").values


def _first_layer(sweeps: Sweeps) -> Evidence:
    """Which n-gram table the tuned lens is nearest to after the first layer."""
    first = _tables(sweeps)[:, 1]
    drawn = resampled_means(first.T, "first layer")
    mean = sweeps["distance_by_kind"].sel(lens="tuned lens", direction="table to lens", kind="all").values[:, 1]
    n = int(nearest(mean))
    others = ", ".join(f"n = {i} {number(float(x))}" for i, x in enumerate(mean, start=1) if i != n)
    untrained = sweeps["untrained_distance"].sel(direction="table to lens").values[:, 1]
    facts = {"kl": number(float(mean[n - 1])), "others": others}
    return Evidence(n, percentile_interval(nearest(drawn.T)), first.shape[1], "windows", int(nearest(untrained)), facts)


def _deeper(sweeps: Sweeps) -> Evidence:
    """Nearest n at the output minus nearest n after the first layer."""
    tables = np.moveaxis(_tables(sweeps), -1, 0)
    drawn = np.moveaxis(resampled_means(tables, "deeper"), 0, -1)
    n, each = nearest(tables.mean(0)), nearest(drawn)
    interval = percentile_interval(each[-1] - each[1]) if len(n) > 2 else UNDEFINED
    facts = {"course": ", ".join(map(str, n)), "longest": str(tables.shape[1])}
    return Evidence(int(n[-1] - n[1]), interval, len(tables), "windows", 0.0, facts)


def _beyond(sweeps: Sweeps) -> Evidence:
    """Cross-entropy of the best table minus the model's, nats per character, on the same places."""
    places = sweeps["places"].sel(kind="all").values
    tables = sweeps["table_loss"].sel(kind="all").values
    model = sweeps["reading"].sel(lens="logit lens", measure="loss").values[-1]
    best = int(tables.sum(-1).argmin())
    value, interval = _ratio(tables[best] - model, places, "beyond")
    facts = {
        "loss": number(float(model.sum() / places.sum())),
        "best": str(best + 1),
        "table": number(float(tables[best].sum() / places.sum())),
    }
    return Evidence(value, interval, len(places), "windows", 0.0, facts)


# ---- when it is made -------------------------------------------------------------------------------------------------


def _settles(sweeps: Sweeps) -> Evidence:
    """Mean reading from which on KL(model || tuned lens) stays below 0.1 nats, as a share of the layers."""
    depth, places = sweeps["depth"].sel(criterion="near", kind="all"), sweeps["places"].sel(kind="all").values
    layers = _layers(sweeps)
    value, interval = _ratio(depth.sel(lens="tuned lens").values / layers, places, "settles")
    untrained = sweeps["untrained_depth"].sel(criterion="near", kind="all").values.sum()
    never = sweeps["settled"].sel(lens="logit lens", criterion="half", kind="all").values[-1]
    facts = {
        "readings": number(value * layers),
        "layers": str(layers),
        "logit": number(float(depth.sel(lens="logit lens").values.sum() / places.sum() / layers)),
        "half": f"The top character's probability never comes to stay above one half in {100 * never:.0f} % of predictions.",
    }
    null = float(untrained / sweeps["untrained_places"].sel(kind="all").values.sum() / layers)
    return Evidence(value, interval, len(places), "windows", null, facts)


def _kinds(sweeps: Sweeps) -> Evidence:
    """Depth of the latest kind minus that of the earliest, as a share of the layers: chosen on even windows, compared on
    odd ones. Kinds with too few places are left out."""
    depth = sweeps["depth"].sel(lens="tuned lens", criterion="near")
    sums, places = depth.values / _layers(sweeps), sweeps["places"].values
    names = [str(kind) for kind in depth.labels("kind")]
    enough = np.minimum(places[:, ::2].sum(-1), places[:, 1::2].sum(-1)) >= FEWEST_PLACES
    chosen = np.flatnonzero(enough & (np.array(names) != "all"))
    means = sums.sum(-1) / places.sum(-1).clip(1)
    facts = {"depths": ", ".join(f"{names[k]} {number(float(means[k]))}" for k in chosen)}
    if len(chosen) < 2:
        return Evidence(math.nan, UNDEFINED, len(places[0]), "windows", 0.0, {**facts, "early": "none", "late": "none"})
    first = sums[chosen, ::2].sum(-1) / places[chosen, ::2].sum(-1)
    early, late = chosen[first.argmin()], chosen[first.argmax()]
    both = np.stack([sums[early], places[early], sums[late], places[late]])[:, 1::2].T

    def gap(means: np.ndarray) -> np.ndarray:
        return means[..., 2] / means[..., 3] - means[..., 0] / means[..., 1]

    interval = percentile_interval(gap(resampled_means(both, "kinds")))
    facts |= {"early": _spoken(names[early]), "late": _spoken(names[late])}
    return Evidence(float(gap(both.mean(0))), interval, len(both), "windows", 0.0, facts)


def _spoken(kind: str) -> str:
    """A kind as the subject of a sentence about the character that is predicted."""
    spoken = {
        "speaker name": "a character of a speaker's name",
        "line start": "the first character of a line",
        "word start": "the first letter of a word",
        "within word": "a later letter of a word",
        "other": "a space or punctuation",
        "repeated passage": "the continuation of a repeated passage",
    }
    return spoken[kind]


def _training(sweeps: Sweeps) -> Evidence:
    """Of pairs of checkpoints with different nearest tables, the share in which the later one has the longer table minus
    the share in which it has the shorter one."""
    training = sweeps["training"].sel(direction="table to lens")
    steps = [int(step) for step in training.labels("step")]
    if len(steps) < 3:
        facts = {"course": "the training's checkpoints are not there"}
        return Evidence(math.nan, UNDEFINED, len(steps), "checkpoints", 0.0, facts)
    n = nearest(np.moveaxis(training.values.sum(-1), 0, -1))
    drawn = resampled_means(np.moveaxis(training.values, -1, 0), "training")
    each = nearest(np.moveaxis(drawn, 2, 0))
    orders = np.array([monotonicity(row) for row in each])
    reached = {int(k): steps[int((n >= k).argmax())] for k in np.unique(n)}
    facts = {"course": ", ".join(f"{_table(k)} from iteration {step:,}" for k, step in reached.items())}
    return Evidence(monotonicity(n), percentile_interval(orders), len(steps), "checkpoints", 0.0, facts)


def _table(n: int) -> str:
    return TABLES.get(n, f"{n}-gram")


# ---- is the instrument any good? -------------------------------------------------------------------------------------


def _tuned(sweeps: Sweeps) -> Evidence:
    """Share of the logit lens's KL at the inner layers that the tuned lens takes away, averaged over these layers."""
    kl = sweeps["reading"].sel(measure="kl").values[:, 1:-1]
    places = sweeps["places"].sel(kind="all").values.sum()
    logit, tuned = (number(float(one.sum(-1).mean() / places)) if one.size else "none" for one in kl)
    facts = {"logit": logit, "tuned": tuned, "why": _inner(kl.shape[1])}
    if kl.shape[1] == 0:
        return Evidence(math.nan, UNDEFINED, kl.shape[-1], "windows", 0.0, facts)

    def taken(means: np.ndarray) -> np.ndarray:
        return (1 - means[..., 1, :] / means[..., 0, :]).mean(-1)

    windows = np.moveaxis(kl, -1, 0)
    interval = percentile_interval(taken(resampled_means(windows, "tuned")))
    return Evidence(float(taken(windows.mean(0))), interval, len(windows), "windows", 0.0, facts)


def _computed(sweeps: Sweeps) -> Evidence:
    """KL of the lens fitted to an untrained model's streams minus the tuned lens's own, at the inner layers, nats."""
    probe = sweeps["probe"].values
    gap = probe[1] - probe[0]
    null = float(gap[0].mean())
    inner, own = (number(float(one[1:].mean())) if len(gap) > 1 else "none" for one in (probe[1], probe[0]))
    facts = {"probe": inner, "own": own, "why": _inner(len(gap) - 1)}
    if len(gap) < 2:
        return Evidence(math.nan, UNDEFINED, gap.shape[1], "windows", null, facts)
    per_window = gap[1:].mean(0)
    interval = percentile_interval(resampled_means(per_window, "computed"))
    return Evidence(float(per_window.mean()), interval, len(per_window), "windows", null, facts)


def _writers(sweeps: Sweeps) -> Evidence:
    """Share of the direct contributions to the next character's logit that MLPs write."""
    writers = sweeps["writers"]
    names = [str(name) for name in writers.labels("component")]
    mlps = np.array([name.startswith("MLP") for name in names])
    means = writers.values.sum(-1) / sweeps["writers_places"].values.sum()
    largest = sorted(zip(means, names, strict=True), reverse=True)[:4]
    facts = {"largest": ", ".join(f"{name} ({value:+.2f} logits)" for value, name in largest)}
    facts["why"] = "the threshold lies inside the interval" if mlps.any() else "there are no MLPs"
    windows = np.stack([writers.values[mlps].sum(0), writers.values.sum(0)]).T
    drawn = resampled_means(windows, "writers")
    interval = percentile_interval(drawn[:, 0] / drawn[:, 1]) if mlps.any() else UNDEFINED
    value = float(windows[:, 0].sum() / windows[:, 1].sum()) if mlps.any() else math.nan
    return Evidence(value, interval, len(windows), "windows", float(mlps.mean()), facts)


def _reveals(sweeps: Sweeps) -> Evidence:
    """KL(model || bigram table) minus KL(model || logit lens) averaged over the inner layers, nats."""
    places = sweeps["places"].sel(kind="all").values
    distances = sweeps["distance"].sel(lens="logit lens", direction="lens to table")
    lens = sweeps["reading"].sel(lens="logit lens", measure="kl").values[1:-1]
    table = distances.values[min(2, len(distances.labels("n"))) - 1, -1]
    facts = {"table": number(float(table.sum() / places.sum())), "lens": "none", "distance": "none"}
    facts["why"] = _inner(len(lens))
    if len(lens) == 0:
        return Evidence(math.nan, UNDEFINED, len(places), "windows", 0.0, facts)
    value, interval = _ratio(table - lens.mean(0), places, "reveals")
    facts |= {"lens": number(float(lens.mean(0).sum() / places.sum())), "distance": number(-value)}
    return Evidence(value, interval, len(places), "windows", 0.0, facts)


def _meaningful(sweeps: Sweeps) -> Evidence:
    """Damage to settled predictions over damage to open ones, averaged over the layers with enough of both."""
    damage = sweeps["damage"].values
    layers = [layer for layer in range(len(damage)) if damage[layer, :, 1].sum(-1).min() >= FEWEST_PLACES]

    def ratio(means: np.ndarray) -> np.ndarray:
        """Of mean damages and places `[*any, layer, state, quantity]`: `[*any, layer]`."""
        each = means[..., 0] / np.maximum(means[..., 1], 1e-9)
        return each[..., 0] / each[..., 1]

    if not layers:
        facts = {"layers": "no layer has enough of both"}
        return Evidence(math.nan, UNDEFINED, damage.shape[-1], "windows", 1.0, facts)
    windows = np.moveaxis(damage[layers], -1, 0)
    each = ratio(windows.mean(0))
    interval = percentile_interval(ratio(resampled_means(windows, "meaningful")).mean(-1))
    facts = {"layers": ", ".join(f"L{layer} {number(float(x))}" for layer, x in zip(layers, each, strict=True))}
    return Evidence(float(each.mean()), interval, len(windows), "windows", 1.0, facts)


def _cost(sweeps: Sweeps) -> Evidence:
    """Milliseconds for each layer that is read."""
    seconds = np.median(sweeps["cost"].sel(what="lens alone").values)
    value = 1000 * float(seconds) / _layers(sweeps)
    return Evidence(value, (value, value), int(sweeps["cost_tokens"].values), "tokens", 0.0)


def _overhead(sweeps: Sweeps) -> Evidence:
    """Time of a forward pass with the lens over a plain one, pair by pair."""
    cost = sweeps["cost"]
    ratios = cost.sel(what="forward with the lens").values / cost.sel(what="plain forward").values
    value = float(np.median(ratios))
    return Evidence(value, (value, value), len(ratios), "pairs", 1.0)


def _ratio(sums: np.ndarray, places: np.ndarray, *labels: str) -> tuple[float, tuple[float, float]]:
    """Mean over places of a quantity summed in each window, with its interval over windows."""
    drawn = resampled_means(np.stack([sums, places]).T, *labels)
    return float(sums.sum() / places.sum()), percentile_interval(drawn[:, 0] / drawn[:, 1])


def _inner(layers: int) -> str:
    """Why a claim about the readings between the embedding and the output may be undecided."""
    return "the threshold lies inside the interval" if layers else "there are no inner layers"


def _layers(sweeps: Sweeps) -> int:
    return len(sweeps["reading"].labels("layer")) - 1
