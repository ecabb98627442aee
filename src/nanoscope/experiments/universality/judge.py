"""Universality, from numbers to findings: each function gathers the evidence for one claim, from stored sweeps alone."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nanoscope.analysis.neurons.universality import UNIVERSAL
from nanoscope.evidence.finding import Evidence, Finding
from nanoscope.evidence.sweep import Sweep
from nanoscope.evidence.wording import number
from nanoscope.experiments.universality.claims import CLAIMS
from nanoscope.experiments.universality.measure import Params
from nanoscope.model.names import neuron_name
from nanoscope.statistics.intervals import seed_interval, share_interval, statistic_interval

Sweeps = Mapping[str, Sweep]
NAMED = 3


def judge(sweeps: Sweeps, params: Params) -> tuple[Finding, ...]:
    """All findings, in the order of the claims."""
    evidence = {
        "universality.sees": _sees(sweeps),
        "universality.some": _some(sweeps),
        "universality.alike": _alike(sweeps),
    }
    return tuple(claim.found(evidence[claim.id]) for claim in CLAIMS)


def _sees(sweeps: Sweeps) -> Evidence:
    """The share of the shared half that is called universal, less that of the other half."""
    shared = sweeps["shared"].values.ravel()
    called = (sweeps["planted"].sel(measure="excess").values.ravel() > UNIVERSAL).astype(float)
    found, false = (float(called[half].mean()) for half in (shared, ~shared))
    parts = np.stack([called * shared, called * ~shared, shared, ~shared], axis=1)

    def difference(means: np.ndarray) -> np.ndarray:
        return means[:, 0] / means[:, 2] - means[:, 1] / means[:, 3]

    strange = _percent(_share(sweeps["untrained"]))
    resemble = f" (neurons that resemble a shared one: with the untrained model alone it is {strange})"
    facts = {"found": _percent(found), "false": _percent(false), "resemble": resemble if false else ""}
    return Evidence(found - false, statistic_interval(parts, difference, "sees"), len(called), "neurons", 0.0, facts)


def _some(sweeps: Sweeps) -> Evidence:
    """Neurons whose excess correlation, averaged over the other trainings, is above 0.5."""
    excess = sweeps["excess"].sel(measure="excess").values
    mean = excess.mean(axis=0)
    universal = mean > UNIVERSAL
    null = _share(sweeps["untrained"])
    most = np.argsort(-mean, axis=None, kind="stable")[:NAMED]
    names = [(neuron_name(*map(int, np.unravel_index(at, mean.shape))), mean.ravel()[at]) for at in most]
    facts = {
        "count": f"{int(universal.sum()):,}",
        "others": f"{len(excess)} other training{'s' * (len(excess) > 1)}",
        "layers": ", ".join(_percent(float(share)) for share in universal.mean(axis=1)),
        "top": ", ".join(f"{name} {value:.2f}" for name, value in names),
    }
    interval = share_interval(int(universal.sum()), universal.size)
    return Evidence(float(universal.mean()), interval, universal.size, "neurons", null, facts)


def _alike(sweeps: Sweeps) -> Evidence:
    """The mean over neurons, with an interval over the other trainings."""
    per_twin = sweeps["excess"].sel(measure="excess").values.mean(axis=(1, 2))
    null = float(sweeps["untrained"].sel(measure="excess").values.mean())
    facts = {"best": number(float(sweeps["excess"].sel(measure="best").values.mean()))}
    return Evidence(float(per_twin.mean()), seed_interval(per_twin), len(per_twin), "other trainings", null, facts)


def _share(excess: Sweep) -> float:
    """Of all neurons, those that would be universal by one other model."""
    return float((excess.sel(measure="excess").values > UNIVERSAL).mean())


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
