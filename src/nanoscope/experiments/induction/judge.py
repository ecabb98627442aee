"""Experiment 01, from numbers to evidence: one function per claim, from stored sweeps alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping

import numpy as np
from jaxtyping import Float, Int

from nanoscope.evidence.claim import Sweeps
from nanoscope.evidence.finding import Evidence
from nanoscope.evidence.sweep import Sweep
from nanoscope.evidence.wording import Fact
from nanoscope.experiments.induction.select import Head, Selection, select
from nanoscope.experiments.induction.setting import JUDGED
from nanoscope.model.names import head_name
from nanoscope.statistics.intervals import mean_interval, percentile_interval, resampled_means, statistic_interval

Means = Float[np.ndarray, "resample"]
Sets = Float[np.ndarray, "resample direction set"]
Shares = Float[np.ndarray, "resample set"]
UNDEFINED = (math.nan, math.nan)
FEWEST_PLACES = 30
"""From fewer places nothing is concluded."""
OLDER = "it was not measured by that version"
INDUCTION = 0
"""The selected heads among the sets that are patched together."""
NEEDED = 0.1
"""The share of the difference that a head must carry to be named among those that are needed."""


# ---- behaviour -----------------------------------------------------------------------------------------------------


def gain_from_order(sweeps: Sweeps) -> Evidence:
    """Log-probability gained over the same characters in another order, in nats: knowing the characters alone does not help."""
    clean, fresh = _runs(sweeps["behaviour"], "log_prob")
    _, shuffled = _runs(sweeps["behaviour_shuffled"], "log_prob")
    facts = {"fresh": float((clean - fresh).mean())}
    return _mean(clean - shuffled, "gain", "sequences", _untrained(sweeps, "log_prob"), facts)


def gained_accuracy(sweeps: Sweeps) -> Evidence:
    """Share of the second copy predicted correctly, minus the share after other characters."""
    clean, corrupt = _runs(sweeps["behaviour"], "accuracy")
    unigram, bigram, *_ = sweeps["behaviour_tables"].mean("example").values
    shares = {"clean": clean.mean(), "corrupt": corrupt.mean(), "unigram": unigram, "bigram": bigram}
    facts = {name: float(share) for name, share in shares.items()}
    facts["order"] = float(gain_from_order(sweeps).value)
    return _mean(clean - corrupt, "accuracy", "sequences", _untrained(sweeps, "accuracy"), facts)


def gain_on_text(sweeps: Sweeps) -> Evidence:
    """Log-probability that a passage of real text gains from a copy in front of it, in nats per character."""
    clean, corrupt = _runs(sweeps["behaviour_natural"], "log_prob")
    return _mean(clean - corrupt, "behaviour_natural", "sequences", _untrained(sweeps, "log_prob"))


def loss_of_copies(sweeps: Sweeps) -> Evidence:
    """Nats lost when what could be copied is overwritten, more than when as many other tokens are: where five characters or
    more stood before and what followed them is right."""
    if "copy_costs" not in sweeps:
        return Evidence.too_little(OLDER, 0, "places", 0.0)
    costs, (windows, lengths) = sweeps["copy_costs"], sweeps["copy_places"].values.astype(np.int64)
    judged = lengths >= JUDGED
    if (places := int(judged.sum())) < FEWEST_PLACES:
        return Evidence.too_little(f"the text has fewer than {FEWEST_PLACES} such places", places, "places", 0.0)
    whole, copies, others, table = (costs.sel(run=run).values[judged] for run in costs.labels("run"))
    facts: dict[str, Fact] = {
        "model": float(whole.mean()),
        "table": float(table.mean()),
        "copies": float((copies - whole).mean()),
        "others": float((others - whole).mean()),
        "all": int(sweeps["copy_counts"].values[JUDGED:].sum()),
    }
    interval = clustered_interval(copies - others, windows[judged], "copies")
    return Evidence(float((copies - others).mean()), interval, places, "places", 0.0, facts)


def _runs(sweep: Sweep, measure: str) -> tuple[np.ndarray, np.ndarray]:
    """A measure in the clean and in the corrupt run, each `[example]`."""
    values = sweep.sel(measure=measure)
    return values.sel(run="clean").values, values.sel(run="corrupt").values


def clustered_interval(
    values: Float[np.ndarray, "place"], window: Int[np.ndarray, "place"], *labels: object
) -> tuple[float, float]:
    """The interval of a mean over places; places of one window are drawn together."""
    used, which = np.unique(window, return_inverse=True)
    sums = np.stack([np.bincount(which, values, len(used)), np.bincount(which, minlength=len(used))], axis=1)
    return statistic_interval(sums, lambda means: means[:, 0] / means[:, 1], *labels)


def _untrained(sweeps: Sweeps, measure: str) -> float:
    return float(sweeps["random_gain"].sel(measure=measure).values.mean())


def _mean(values: np.ndarray, label: str, unit: str, null: float, facts: Mapping[str, Fact] | None = None) -> Evidence:
    """A mean over examples with its bootstrap interval."""
    return Evidence(float(values.mean()), mean_interval(values, label), len(values), unit, null, facts or {})


# ---- attention and weights -----------------------------------------------------------------------------------------


def best_induction_head(sweeps: Sweeps) -> Evidence:
    """The first selected head's induction score, and how many heads were selected."""
    chosen = _chosen(sweeps)
    head = chosen.induction[0]
    found = _names(chosen.induction) if chosen.found else ()
    p = float(sweeps["permutation_p"].values[head])
    lengths = tuple(int(length) for length in sweeps["scores_report"].labels("length"))
    facts = {"layer": head[0], "p": p, "lengths": lengths, "all": found, "count": len(found)}
    return _reported(sweeps, head, "induction", facts)


def best_previous_token_head(sweeps: Sweeps) -> Evidence:
    """The best previous-token head's score, over all layers."""
    return _reported(sweeps, _chosen(sweeps).any_previous, "previous", {})


def _reported(sweeps: Sweeps, head: Head, score: str, facts: Mapping[str, Fact]) -> Evidence:
    """A selected head's score on the report split, at the block length where it is lowest."""
    per_example = sweeps["scores_report"].sel(score=score).values[:, head[0], head[1]].T
    several = per_example.shape[1] > 1
    interval = percentile_interval(resampled_means(per_example, score).min(axis=1)) if several else UNDEFINED
    why = "" if several else "one block length alone cannot tell tokens from distances"
    value, untrained = float(per_example.mean(0).min()), float(sweeps["random_heads"].sel(score=score).values.max())
    facts = {"head": head_name(*head), **facts}
    return Evidence(value, interval, len(per_example), "sequences per length", untrained, facts, why)


def most_attention_to_copies(sweeps: Sweeps) -> Evidence:
    """The most attention of any head to what followed an earlier occurrence: by one token in copies of random symbols, above
    uniform attention, at any block length; by five tokens in real text, above lookalikes.

    The best head of each is chosen on other examples than it is reported on. One-sided: a head that looks away has less.
    """
    if "prefix_text" not in sweeps:
        return Evidence.too_little(OLDER, 0, "sequences per length")
    heads, values, resamples = zip(*[*_best_in_copies(sweeps), *_best_in_text(sweeps)], strict=True)
    lengths = [str(length) for length in sweeps["scores_report"].labels("length")]
    best = int(np.argmax(values))
    where = f"copies of {lengths[best]} random characters" if best < len(lengths) else "real text"
    facts: dict[str, Fact] = {
        "head": head_name(*heads[best]),
        "where": where,
        "copies": float(max(values[: len(lengths)])),
        "text": tuple(float(value) for value in values[len(lengths) :]),
    }
    n, untrained = sweeps["scores_report"].values.shape[-1], sweeps["random_heads"].sel(score="induction").values.max()
    interval = percentile_interval(np.max(resamples, axis=0))
    return Evidence(float(max(values)), interval, n, "sequences per length", float(untrained), facts)


Best = tuple[Head, float, Means]
"""A head that was chosen on other examples, its score, and the score in every resample."""


def _best_in_copies(sweeps: Sweeps) -> list[Best]:
    """At each block length, the head that attends most to the target."""
    select, report = (sweeps[f"scores_{half}"].sel(score="induction").values for half in ("select", "report"))
    found = []
    for chosen, reported in zip(select, report, strict=True):
        layer, head = np.unravel_index(chosen.mean(-1).argmax(), chosen.shape[:2])
        mine = reported[layer, head]
        found.append(((int(layer), int(head)), float(mine.mean()), resampled_means(mine, "copies")))
    return found


def _best_in_text(sweeps: Sweeps) -> list[Best]:
    """In real text, the head that most prefers what followed the last five tokens to lookalikes; none without such queries."""
    sums, queries = sweeps["prefix_text"], sweeps["prefix_text_queries"]
    most = {"baseline": "above lookalikes", "match": JUDGED}
    attended, counts = sums.sel(**most).values.astype(np.float64), queries.sel(**most).values
    if counts[::2].sum() < FEWEST_PLACES or counts[1::2].sum() < FEWEST_PLACES:
        return []
    chosen = attended[..., ::2].sum(-1)
    layer, head = np.unravel_index(chosen.argmax(), chosen.shape)
    both = np.stack([attended[layer, head, 1::2], counts[1::2]], axis=1)
    means = resampled_means(both, "text")
    return [((int(layer), int(head)), float(both[:, 0].sum() / both[:, 1].sum()), means[:, 0] / means[:, 1])]


def copying_by_weights(sweeps: Sweeps) -> Evidence:
    """The first induction head's eigenvalue copying score; weights have no sampling error, so the interval is a point."""
    chosen = _chosen(sweeps)
    head = chosen.induction[0]
    value, raw = (float(sweeps[name].values[head]) for name in ("copying_effective", "copying"))
    null = float(np.percentile(sweeps["copying_null"].values, 97.5))
    why = "" if chosen.found else "there is no induction head whose OV circuit it would be"
    interval = (value, value) if chosen.found else UNDEFINED
    return Evidence(value, interval, 1, "head", null, {"head": head_name(*head), "raw": raw}, why, "not applicable")


def _chosen(sweeps: Sweeps) -> Selection:
    return select(sweeps["scores_select"], sweeps["permutation_p"])


def _names(heads: Iterable[Head]) -> tuple[str, ...]:
    return tuple(head_name(*head) for head in sorted(heads))


# ---- interventions -------------------------------------------------------------------------------------------------


def gain_lost_without_heads(sweeps: Sweeps) -> Evidence:
    """Nats of copying gain lost without the selected heads, beyond those lost without layer-matched random heads."""
    losses = sweeps["ablation_mean_loss"]
    gain = losses.sel(run="corrupt").values - losses.sel(run="clean").values
    _, lost, _, *others = gain[0] - gain  # sets: none, the induction heads, the previous-token head, random sets
    intact, without, *_ = sweeps["ablation_zero_accuracy"].sel(run="clean").mean("example").values
    facts = {
        "heads": _names(_chosen(sweeps).induction),
        "alone": float(lost.mean()),
        "intact": float(intact),
        "without": float(without),
        "sets": len(others),
    }
    if not others:
        return Evidence.not_applicable("their layers hold no other heads", len(lost), "sequences", facts=facts)
    beyond = lost - np.mean(others, axis=0)
    return _mean(beyond, "ablation", "sequences", float(np.mean(others)), facts)


def restored_by_heads(sweeps: Sweeps) -> Evidence:
    """Share of the clean-corrupt difference that the induction heads' clean outputs restore."""
    chosen, n = _chosen(sweeps), _examples(sweeps)
    routes = routes_into_heads(sweeps)
    facts: dict[str, Fact] = {
        "heads": _names(chosen.induction),
        "difference": _difference(sweeps),
        "needed": needed_heads(sweeps) if sweeps["patch_informative"].values else (),
        **{name.replace(" ", "_"): share for name, share in routes.items()},
        "routed": not math.isnan(routes["both restore"]),
    }
    if not sweeps["patch_informative"].values:
        return Evidence.not_applicable(
            "the copy changes the logit difference by less than ten standard errors", n, "sequences", facts=facts
        )
    value, interval = _patched(sweeps, lambda *means: _restored(*means)[:, INDUCTION])
    return Evidence(value, interval, n, "sequences", _best_other(sweeps, chosen), facts)


def needed_heads(sweeps: Sweeps) -> tuple[tuple[str, float], ...]:
    """Every head without whose clean output a tenth or more of the difference is gone, with that share; the largest first."""
    clean, _ = sweeps["patch_plain"].values.mean(-1)
    shares = (clean - sweeps["patch_heads"].values[1].mean(-1)) / _difference(sweeps)
    found = [
        (head_name(layer, head), float(shares[layer, head])) for layer, head in np.argwhere(shares >= NEEDED).tolist()
    ]
    return tuple(sorted(found, key=lambda one: -one[1]))


def routes_into_heads(sweeps: Sweeps) -> Mapping[str, float]:
    """Shares of the difference: what clean keys, clean values or both restore of the induction heads' inputs, and what corrupt
    ones destroy. NaN where it was not measured."""
    names = {"keys": "k", "values": "v", "queries": "q", "both": "kv"}
    if "route_inputs" not in sweeps:
        return {f"{name} {what}": math.nan for what in ("restore", "destroy") for name in names}
    clean, corrupt = sweeps["route_plain"].values.mean(-1)
    inputs = sweeps["route_inputs"].mean("example")
    restore = {
        f"{name} restore": (inputs.sel(direction="denoise", inputs=way).values - corrupt) for name, way in names.items()
    }
    destroy = {
        f"{name} destroy": (clean - inputs.sel(direction="noise", inputs=way).values) for name, way in names.items()
    }
    return {name: float(change / (clean - corrupt)) for name, change in (restore | destroy).items()}


def _restored(clean: Means, corrupt: Means, sets: Sets) -> Shares:
    """Share of the clean-corrupt difference that each set's clean outputs bring back."""
    return (sets[:, 0] - corrupt[:, None]) / (clean - corrupt)[:, None]


def _patched(sweeps: Sweeps, share: Callable[[Means, Means, Sets], Means]) -> tuple[float, tuple[float, float]]:
    """A share of mean metrics, with its bootstrap interval over sequences."""
    plain, sets = sweeps["patch_plain"].values, sweeps["patch_sets"].values
    together = np.concatenate([plain, sets.reshape(-1, sets.shape[-1])]).T
    means = resampled_means(together, "patching")
    resampled = share(means[:, 0], means[:, 1], means[:, 2:].reshape(-1, *sets.shape[:-1]))
    return float(share(*_means(sweeps))[0]), percentile_interval(resampled)


def _means(sweeps: Sweeps) -> tuple[Means, Means, Sets]:
    """Metrics averaged over sequences: clean `[1]`, corrupt `[1]`, and every set `[1, direction, set]`."""
    plain = sweeps["patch_plain"].values.mean(-1)
    return plain[:1], plain[1:], sweeps["patch_sets"].values.mean(-1)[None]


def _best_other(sweeps: Sweeps, chosen: Selection) -> float:
    """The largest share restored by a head that was not selected; NaN if all were selected."""
    _, corrupt = sweeps["patch_plain"].values.mean(-1)
    effects = (sweeps["patch_heads"].values[0].mean(-1) - corrupt) / _difference(sweeps)
    for head in chosen.induction:
        effects[head] = -np.inf
    return float(effects.max()) if np.isfinite(effects).any() else math.nan


def _difference(sweeps: Sweeps) -> float:
    clean, corrupt = sweeps["patch_plain"].values.mean(-1)
    return float(clean - corrupt)


def _examples(sweeps: Sweeps) -> int:
    return sweeps["patch_plain"].values.shape[-1]


# ---- prediction formation, and time --------------------------------------------------------------------------------


def depth_of_settling(sweeps: Sweeps) -> Evidence:
    """Mean layer from which the lens's top token stays the model's, as a share of the depth."""
    lens = sweeps["lens"]
    depth = len(lens.labels("layer")) - 1
    answer = lens.sel(measure="answer").mean("example").values
    likely = tuple(int(layer) for layer in np.flatnonzero(answer > 0.5)[:1])
    layer = float(sweeps["lens_settled"].values.mean())
    facts = {"layer": layer, "depth": depth, "likely": likely, "final": float(answer[-1])}
    settled = _mean(sweeps["lens_settled"].values / depth, "lens", "sequences", 0.0, facts)
    if gained_accuracy(sweeps).interval[0] > 0:
        return settled
    why = "the copy is not predicted"
    return Evidence(settled.value, UNDEFINED, settled.n, "sequences", 0.0, facts, why, "not applicable")


def time_of_patching(sweeps: Sweeps) -> Evidence:
    """Milliseconds of patching per layer: every position of one query, and every head, in both directions."""
    seconds = float(sweeps["seconds"].sel(stage="patching").values)
    layers = len(sweeps["position_change"].labels("layer")) - 1
    cells = sweeps["position_change"].values.size + sweeps["patch_heads"].values[..., 0].size
    value = 1000 * seconds / layers
    return Evidence(value, (value, value), cells, "patched runs", 0.0, {"cells": cells, "seconds": seconds})
