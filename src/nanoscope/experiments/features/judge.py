"""Features, from numbers to evidence: one function per claim, which reads stored sweeps only."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from nanoscope.analysis.features.verify import within
from nanoscope.analysis.neurons.selectivity import SELECTIVE
from nanoscope.evidence.claim import Sweeps
from nanoscope.evidence.finding import Evidence
from nanoscope.evidence.wording import Fact
from nanoscope.experiments.features.setting import OWN, TWIN
from nanoscope.experiments.neurons.labels import CONTEXT, FAMILIES
from nanoscope.seeds import seed_for
from nanoscope.statistics.intervals import holm, mean_interval, share_interval, statistic_interval

SAME = 0.7
"""Two dictionaries share a feature if the cosine of its directions is at least this."""
SIGNIFICANT, NAMED = 0.05, 3
BASIS = ("principal components", "coordinates")
NO_CONTEXT = "in this text the current character decides every concept"
NO_GRAPH = "there are no transcoders, so there is no graph"


def fvu(sweeps: Sweeps, coder: str) -> Float[np.ndarray, "part window"]:
    """Squared errors and squared distances from the mean of one coder, by window."""
    return sweeps["explained"].sel(coder=coder).values


def _share(sums: Float[np.ndarray, "resample part"]) -> Float[np.ndarray, "resample"]:
    return sums[:, 0] / sums[:, 1]


def beyond_twin(sweeps: Sweeps) -> Evidence:
    """The twin's unexplained share of variance minus the dictionary's."""
    both = np.concatenate([fvu(sweeps, OWN), fvu(sweeps, TWIN)]).T

    def gap(means: np.ndarray) -> np.ndarray:
        return _share(means[:, 2:]) - _share(means[:, :2])

    facts: dict[str, Fact] = {"own": _of(sweeps, OWN), "twin": _of(sweeps, TWIN), **_quality(sweeps)}
    return _evidence(both, gap, "twin", facts)


def beyond_basis(sweeps: Sweeps) -> Evidence:
    """The unexplained share of the better of principal components and coordinates minus the dictionary's."""
    every = np.concatenate([fvu(sweeps, name) for name in (OWN, *BASIS)]).T

    def gap(means: np.ndarray) -> np.ndarray:
        return np.minimum(_share(means[:, 2:4]), _share(means[:, 4:])) - _share(means[:, :2])

    others = tuple((name, _of(sweeps, name)) for name in BASIS)
    facts: dict[str, Fact] = {"own": _of(sweeps, OWN), "basis": others, "best": min(share for _, share in others)}
    return _evidence(every, gap, "basis", facts)


def _of(sweeps: Sweeps, coder: str) -> float:
    """A coder's unexplained share of the variance."""
    return float(_share(fvu(sweeps, coder).sum(1)[None])[0])


def _evidence(values: Float[np.ndarray, "window column"], gap, label: str, facts: dict[str, Fact]) -> Evidence:
    value = float(gap(values.mean(0, keepdims=True))[0])
    return Evidence(value, statistic_interval(values, gap, label), len(values), "windows", 0.0, facts)


def _quality(sweeps: Sweeps) -> dict[str, Fact]:
    """What the loss rises by, in nats, if the reconstruction replaces the activation; and if its mean does."""
    row = sweeps["quality"].sel(row=f"{OWN} of held-out text")
    plain, replaced, mean = (float(row.sel(measure=name).values) for name in ("loss", "replaced", "mean"))
    return {"cost": replaced - plain, "ablated": mean - plain, "l0": float(row.sel(measure="L0").values)}


def single_features(sweeps: Sweeps) -> Evidence:
    """The share of context concepts that one feature tells, counted again on resampled windows."""
    context = sweeps["families"].values == FAMILIES.index(CONTEXT)
    if not context.any():
        return Evidence.not_applicable(NO_CONTEXT, 0, "concepts")
    counts = {name: _told(sweeps, name, context) for name in sweeps["told"].labels("source")}
    values, sure = counts[OWN]

    def share(means: np.ndarray) -> np.ndarray:
        return ((means >= SELECTIVE) & sure).mean(-1)

    names = sweeps["told"].labels("concept")
    units = sweeps["chosen"].sel(source=OWN).values[context]
    best = np.argsort(-values.mean(1), kind="stable")[:NAMED]
    facts: dict[str, Fact] = {
        "count": _count(*counts[OWN]),
        "twin": _count(*counts[TWIN]),
        "neurons": _count(*counts["neurons"]) if "neurons" in counts else "no",
        "best": tuple((str(names[at]), str(int(units[at])), float(values[at].mean())) for at in best),
        "absorbed": float(sweeps["absorption"].sel(measure="absorbed").values[context].mean()),
    }
    value, null = float(share(values.mean(1))), _count(*counts[TWIN]) / len(values)
    return Evidence(value, statistic_interval(values.T, share, "features"), len(values), "concepts", null, facts)


def _told(sweeps: Sweeps, source: str | float, context: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of one kind of unit: the AUROC of every context concept by window, and whether the search beat shifted labels."""
    p = sweeps["p"].sel(source=source).values[context]
    return sweeps["told"].sel(source=source).values.astype(np.float64), holm(p) <= SIGNIFICANT


def _count(values: np.ndarray, sure: np.ndarray) -> int:
    return int(((values.mean(1) >= SELECTIVE) & sure).sum())


def recurring(sweeps: Sweeps) -> Evidence:
    """The share of live features that another dictionary has too, averaged over the other dictionaries."""
    *others, turned = sweeps["recurrence"].values
    if not turned.size:
        return Evidence.too_little("no feature of the dictionary is ever active", 0, "features")
    found = np.mean([other >= SAME for other in others], axis=0)
    facts: dict[str, Fact] = {
        "others": len(others),
        "cosine": float(np.mean(others)),
        "turned": float(turned.mean()),
        "planted": float(sweeps["known"].sel(stream="planted").values),
        "noise": float(sweeps["known"].sel(stream="noise").values),
    }
    again, _ = sweeps["recurrence_twin"].values
    facts["twin"] = float((again >= SAME).mean()) if again.size else 0.0
    null = float((turned >= SAME).mean())
    return Evidence(float(found.mean()), mean_interval(found, "recurrence"), len(found), "features", null, facts)


def graph_holds(sweeps: Sweeps) -> Evidence:
    """The share of a graph's strongest edges that an intervention finds within a fifth of their size; the null pairs each
    prediction with the effect of another edge."""
    if "edges" not in sweeps:
        return Evidence.not_applicable(NO_GRAPH, 0, "edges")
    predicted, measured = sweeps["edges"].values
    if not len(predicted):
        return Evidence.not_applicable("no feature of the graph is active", 0, "edges")
    near = within(predicted, measured)
    order = np.random.default_rng(seed_for("other edges")).permutation(len(measured))
    replacement, completeness = sweeps["graph_scores"].values
    effects = {step: whole_effects(sweeps, step) for step in ("norms free", "nothing held", "a tenth of it")}
    facts: dict[str, Fact] = {
        "signs": float((np.sign(predicted) == np.sign(measured)).mean()),
        "effects": float(within(*effects["nothing held"]).mean()),
        "effect_signs": float((np.sign(effects["nothing held"][0]) == np.sign(effects["nothing held"][1])).mean()),
        "norms": float(within(*effects["norms free"]).mean()),
        "tenth": float(within(*effects["a tenth of it"]).mean()),
        "replacement": float(replacement),
        "completeness": float(completeness),
        "answer": str(sweeps["graph_answers"].labels("symbol")[0]),
        "text": "".join(map(str, sweeps["graph_symbols"].labels("pos"))).replace("\n", "↵"),
    }
    null = float(within(predicted, measured[order]).mean())
    interval = share_interval(int(near.sum()), len(near))
    return Evidence(float(near.mean()), interval, len(near), "edges", null, facts)


def whole_effects(sweeps: Sweeps, step: str) -> Float[np.ndarray, "both feature"]:
    """The graph's largest whole effects, and what was measured at this step."""
    return np.stack([sweeps["effects"].sel(which=which).values for which in ("predicted", step)])
