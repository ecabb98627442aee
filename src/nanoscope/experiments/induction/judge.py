"""Experiment 01, from numbers to findings: each function gathers the evidence for one claim, from stored sweeps alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from nanoscope.evidence.finding import Evidence, Finding
from nanoscope.evidence.sweep import Sweep
from nanoscope.evidence.wording import number
from nanoscope.experiments.induction.claims import CLAIMS
from nanoscope.experiments.induction.select import Selection, select
from nanoscope.experiments.induction.setting import Params
from nanoscope.model.names import head_name, head_names
from nanoscope.statistics.intervals import mean_interval, percentile_interval, resampled_means

Sweeps = Mapping[str, Sweep]
Share = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""From mean metrics, clean `[resample]`, corrupt `[resample]` and sets `[resample, direction, set]`, to `[resample]`."""
UNDEFINED = (math.nan, math.nan)
FEWEST_PLACES = 10


def judge(sweeps: Sweeps, params: Params) -> tuple[Finding, ...]:
    """All findings of experiment 01, in the order of its claims."""
    chosen = select(sweeps["scores_select"], sweeps["permutation_p"])
    evidence = {
        "induction.gain": _ordered_gain(sweeps),
        "induction.accuracy": _accuracy(sweeps),
        "induction.natural": _gain(sweeps, "behaviour_natural"),
        "induction.long_match": _long_match(sweeps),
        "induction.heads": _best_head(sweeps, chosen.induction[0], "induction", chosen),
        "induction.absent": _every_head(sweeps),
        "induction.previous_token": _best_head(sweeps, chosen.any_previous, "previous", chosen),
        "induction.copying": _copying(sweeps, chosen),
        "induction.k_composition": _k_composition(sweeps, chosen),
        "induction.ablation": _ablation(sweeps, chosen),
        "induction.localised": _localised(sweeps, chosen),
        "induction.and_gate": _and_gate(sweeps, chosen),
        "induction.convergence": _convergence(sweeps),
        "induction.cost": _cost(sweeps),
    }
    return tuple(claim.found(evidence[claim.id]) for claim in CLAIMS)


def _ordered_gain(sweeps: Sweeps) -> Evidence:
    """Log-probability gained over a first copy of the same characters in another order, nats: no bag of symbols helps."""
    clean = sweeps["behaviour"].sel(measure="log_prob", run="clean").values
    shuffled = sweeps["behaviour_shuffled"].sel(measure="log_prob", run="corrupt").values
    fresh = sweeps["behaviour"].sel(measure="log_prob", run="corrupt").values
    gain = clean - shuffled
    untrained = float(sweeps["random_gain"].sel(measure="log_prob").values.mean())
    facts = {"fresh": number(float((clean - fresh).mean()))}
    return Evidence(float(gain.mean()), mean_interval(gain, "gain"), len(gain), "sequences", untrained, facts)


def _gain(sweeps: Sweeps, task: str) -> Evidence:
    """Log-probability gained by the copy, clean minus corrupt, nats."""
    runs = sweeps[task].sel(measure="log_prob")
    gain = runs.sel(run="clean").values - runs.sel(run="corrupt").values
    untrained = float(sweeps["random_gain"].sel(measure="log_prob").values.mean())
    return Evidence(float(gain.mean()), mean_interval(gain, task), len(gain), "sequences", untrained)


def _accuracy(sweeps: Sweeps) -> Evidence:
    runs = sweeps["behaviour"].sel(measure="accuracy")
    clean, corrupt = runs.sel(run="clean").values, runs.sel(run="corrupt").values
    tables = sweeps["behaviour_tables"].mean("example").values
    facts = {
        "clean": _percent(clean.mean()),
        "corrupt": _percent(corrupt.mean()),
        "unigram": _percent(tables[0]),
        "bigram": _percent(tables[1]),
    }
    null = float(sweeps["random_gain"].sel(measure="accuracy").values.mean())
    return Evidence(
        float((clean - corrupt).mean()),
        mean_interval(clean - corrupt, "accuracy"),
        len(clean),
        "sequences",
        null,
        facts,
    )


def _long_match(sweeps: Sweeps) -> Evidence:
    """Log-probability lost when the earlier occurrence of the last characters is overwritten, nats."""
    runs = sweeps["behaviour_places"].sel(measure="log_prob")
    gain = runs.sel(run="clean").values - runs.sel(run="corrupt").values
    if len(gain) < FEWEST_PLACES:
        return Evidence(math.nan, UNDEFINED, len(gain), "places", 0.0)
    return Evidence(float(gain.mean()), mean_interval(gain, "places"), len(gain), "places", 0.0)


def _best_head(sweeps: Sweeps, head: tuple[int, int], score: str, chosen: Selection) -> Evidence:
    """A chosen head's score on the other split, at the block length where it is lowest."""
    report = sweeps["scores_report"]
    per_example = report.sel(score=score).values[:, head[0], head[1]].T
    lengths = report.labels("length")
    interval = percentile_interval(resampled_means(per_example, score).min(axis=1)) if len(lengths) > 1 else UNDEFINED
    random = float(sweeps["random_heads"].sel(score=score).values.max())
    facts = {
        "head": head_name(*head),
        "layer": head[0],
        "p": number(float(sweeps["permutation_p"].values[head])),
        "lengths": ", ".join(str(length) for length in lengths),
        "all": head_names(sorted(chosen.induction)) if chosen.found else "none",
        "count": str(len(chosen.induction) if chosen.found else 0),
    }
    return Evidence(float(per_example.mean(0).min()), interval, len(per_example), "sequences per length", random, facts)


def _every_head(sweeps: Sweeps) -> Evidence:
    """The largest distance from uniform attention of any head at any block length."""
    scores = np.moveaxis(sweeps["scores_report"].sel(score="induction").values, -1, 0)
    flat = scores.reshape(len(scores), -1)
    interval = percentile_interval(np.abs(resampled_means(flat, "every head")).max(axis=1))
    random = float(np.abs(sweeps["random_heads"].sel(score="induction").values).max())
    return Evidence(float(np.abs(flat.mean(0)).max()), interval, len(flat), "sequences per length", random)


def _copying(sweeps: Sweeps, chosen: Selection) -> Evidence:
    """The first induction head's eigenvalue copying score; a property of the weights, so the interval is a point."""
    head = chosen.induction[0]
    value = float(sweeps["copying_effective"].values[head])
    interval = (value, value) if chosen.found else UNDEFINED
    null = float(np.percentile(sweeps["copying_null"].values, 97.5))
    facts = {"head": head_name(*head), "raw": number(float(sweeps["copying"].values[head]))}
    return Evidence(value, interval, 1, "head", null, facts)


def _k_composition(sweeps: Sweeps, chosen: Selection) -> Evidence:
    """K-composition of the two heads over what random rotations between them give: 1 is no composition.

    The ends of the interval are the score over the rotations' 97.5 and 2.5 percentiles. Undefined where there is no
    pair of a previous-token head and a later induction head: many pairs compose more than chance for other reasons.
    """
    earlier, later = chosen.previous, chosen.induction[0]
    null = sweeps["k_composition_null"].values
    facts = {"pair": f"{head_name(*earlier)} -> {head_name(*later)}"}
    score = float(sweeps["k_composition"].values[(*earlier, *later)])
    size = float(np.sqrt((null**2).mean()))
    if score == 0 or size == 0 or not (chosen.found and chosen.fed):
        return Evidence(math.nan, UNDEFINED, len(null), "rotations", 1.0, {**facts, "score": number(score)})
    low, high = np.percentile(null, (2.5, 97.5))
    facts["score"] = number(score)
    return Evidence(score / size, (score / float(high), score / float(low)), len(null), "rotations", 1.0, facts)


def _ablation(sweeps: Sweeps, chosen: Selection) -> Evidence:
    """Nats of copying gain lost without the chosen heads, beyond what is lost without layer-matched random ones."""
    losses = sweeps["ablation_mean_loss"]
    gain = losses.sel(run="corrupt").values - losses.sel(run="clean").values
    lost = gain[0] - gain
    accuracy = sweeps["ablation_zero_accuracy"].sel(run="clean").mean("example").values
    facts = {
        "heads": head_names(sorted(chosen.induction)),
        "alone": number(float(lost[1].mean())),
        "intact": _percent(accuracy[0]),
        "without": _percent(accuracy[1]),
        "sets": "1 set" if len(gain) == 4 else f"{len(gain) - 3} sets",
    }
    if len(gain) == 3:
        return Evidence(math.nan, UNDEFINED, gain.shape[1], "sequences", math.nan, facts)
    beyond = lost[1] - lost[3:].mean(0)
    null = float(lost[3:].mean())
    return Evidence(float(beyond.mean()), mean_interval(beyond, "ablation"), len(beyond), "sequences", null, facts)


def _localised(sweeps: Sweeps, chosen: Selection) -> Evidence:
    """Share of the clean-corrupt difference that the induction heads' clean outputs restore."""
    restored = _share(sweeps, "denoise", 0)
    low, high = restored[1]
    facts = {
        "heads": head_names(sorted(chosen.induction)),
        "difference": number(_difference(sweeps)),
        "share": ""
        if math.isnan(low)
        else f": {number(restored[0])} of the difference [{number(low)}, {number(high)}]",
    }
    rest = _others_effect(sweeps, chosen)
    return Evidence(restored[0], restored[1], _examples(sweeps), "sequences", rest, facts)


def _and_gate(sweeps: Sweeps, chosen: Selection) -> Evidence:
    """The least of what an AND gate needs: noising either part destroys, restoring both restores, and restoring the
    previous-token head alone falls short of what noising it destroys. Undefined without two such parts."""
    facts = {
        "previous": head_name(*chosen.previous),
        "induction": head_names(sorted(chosen.induction)),
        "needed": number(_share(sweeps, "noise", 1)[0]),
        "alone": number(_share(sweeps, "denoise", 1)[0]),
        "both": number(_share(sweeps, "denoise", 2)[0]),
        "induction_needed": number(_share(sweeps, "noise", 0)[0]),
    }
    if not (chosen.found and chosen.fed and sweeps["patch_informative"].values):
        why = "the copy changes too little to patch" if chosen.found and chosen.fed else "there are no two such parts"
        return Evidence(math.nan, UNDEFINED, _examples(sweeps), "sequences", 0.0, {**facts, "why": why})
    plain, sets = sweeps["patch_plain"].values.mean(-1)[:, None], sweeps["patch_sets"].values.mean(-1)[None]
    value, interval = float(_gate(plain[0], plain[1], sets)[0]), _resampled_share(sweeps, _gate)
    facts["why"] = f"the least of what it needs is {number(value)} [{number(interval[0])}, {number(interval[1])}]"
    return Evidence(value, interval, _examples(sweeps), "sequences", 0.0, facts)


def _gate(clean: np.ndarray, corrupt: np.ndarray, sets: np.ndarray) -> np.ndarray:
    gap = (clean - corrupt)[:, None]
    restored, destroyed = (sets[:, 0] - corrupt[:, None]) / gap, (clean[:, None] - sets[:, 1]) / gap
    induction, previous, both = 0, 1, 2
    parts = (destroyed[:, induction], destroyed[:, previous] - restored[:, previous], restored[:, both])
    return np.min(parts, axis=0)


def _convergence(sweeps: Sweeps) -> Evidence:
    """Mean first layer from which on the lens's top token is the model's, as a share of the depth."""
    lens = sweeps["lens"]
    depth = len(lens.labels("layer")) - 1
    settled = sweeps["lens_settled"].values / depth
    answer = lens.sel(measure="answer").mean("example").values
    halfway = np.flatnonzero(answer > 0.5)
    facts = {
        "layer": number(float(sweeps["lens_settled"].values.mean())),
        "depth": str(depth),
        "half": f"after {halfway[0]} layers" if len(halfway) else "after no layer",
        "final": _percent(answer[-1]),
    }
    predicted = _accuracy(sweeps).interval[0] > 0
    interval = mean_interval(settled, "lens") if predicted else UNDEFINED
    value = float(settled.mean())
    ends = f"{number(value)} of the depth [{number(interval[0])}, {number(interval[1])}]"
    facts["why"] = ends if predicted else "the copy is not predicted"
    return Evidence(value, interval, len(settled), "sequences", 0.0, facts)


def _cost(sweeps: Sweeps) -> Evidence:
    """Milliseconds of patching per layer: every position of one query, and every head, in both directions."""
    seconds = float(sweeps["seconds"].sel(stage="patching").values)
    layers = len(sweeps["position_change"].labels("layer")) - 1
    cells = sweeps["position_change"].values.size + sweeps["patch_heads"].values[..., 0].size
    value = 1000 * seconds / layers
    facts = {"cells": str(cells), "seconds": number(seconds)}
    return Evidence(value, (value, value), cells, "patched runs", 0.0, facts)


# ---- shares of the clean-corrupt difference ------------------------------------------------------------------------


def _share(sweeps: Sweeps, direction: str, which: int) -> tuple[float, tuple[float, float]]:
    """Effect of patching one of the sets, with its interval; undefined where there is nothing to localise."""
    d = 0 if direction == "denoise" else 1

    def share(clean: np.ndarray, corrupt: np.ndarray, sets: np.ndarray) -> np.ndarray:
        moved = sets[:, d, which] - corrupt if d == 0 else clean - sets[:, d, which]
        return moved / (clean - corrupt)

    clean, corrupt = sweeps["patch_plain"].values.mean(-1)
    value = share(np.array([clean]), np.array([corrupt]), sweeps["patch_sets"].values.mean(-1)[None])[0]
    informative = bool(sweeps["patch_informative"].values)
    return (float(value) if informative else math.nan), _resampled_share(sweeps, share)


def _resampled_share(sweeps: Sweeps, share: Share) -> tuple[float, float]:
    if not sweeps["patch_informative"].values:
        return UNDEFINED
    plain, sets = sweeps["patch_plain"].values, sweeps["patch_sets"].values
    together = np.concatenate([plain, sets.reshape(-1, sets.shape[-1])]).T
    means = resampled_means(together, "patching")
    return percentile_interval(share(means[:, 0], means[:, 1], means[:, 2:].reshape(-1, *sets.shape[:-1])))


def _difference(sweeps: Sweeps) -> float:
    clean, corrupt = sweeps["patch_plain"].values.mean(-1)
    return float(clean - corrupt)


def _others_effect(sweeps: Sweeps, chosen: Selection) -> float:
    """The largest denoising effect among the heads that were not chosen."""
    if not sweeps["patch_informative"].values:
        return math.nan
    _, corrupt = sweeps["patch_plain"].values.mean(-1)
    effects = (sweeps["patch_heads"].values[0].mean(-1) - corrupt) / _difference(sweeps)
    for head in chosen.induction:
        effects[head] = -np.inf
    return float(effects.max()) if np.isfinite(effects).any() else math.nan


def _examples(sweeps: Sweeps) -> int:
    return sweeps["patch_plain"].values.shape[-1]


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
