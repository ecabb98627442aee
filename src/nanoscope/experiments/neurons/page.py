"""Finding 3b of the report: what the hidden units know. What is measured and is no claim is reported here."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from nanoscope.analysis.neurons.output_weights import ROLES
from nanoscope.analysis.neurons.statistics import dead
from nanoscope.evidence.claim import Sweeps
from nanoscope.evidence.result import Result
from nanoscope.evidence.stored_study import Study
from nanoscope.experiments.neurons.stored import (
    OF_INPUTS,
    best_aurocs,
    chosen_neuron,
    in_context,
    told,
)
from nanoscope.experiments.pages import Page


def values(study: Study, result: Result) -> Mapping[str, object]:
    """Shares of neurons that raise, and that lower, a few characters far beyond the others; the rest only of results of
    today."""
    roles = result["roles"].values
    shares = {role: float((roles == ROLES.index(role)).mean()) for role in ROLES}
    return {
        **shares,
        "today": OF_INPUTS in result.sweeps,
        **(_today(result.sweeps) if OF_INPUTS in result.sweeps else {}),
    }


def _today(sweeps: Sweeps) -> Mapping[str, object]:
    """The best neurons, what each control says, and how many neurons do nothing."""
    gone = dead(sweeps["statistics"])
    seen = dict(zip(sweeps["planted"].labels("measure"), sweeps["planted"].values[0, 0].tolist(), strict=True))
    lead = told(sweeps) - told(sweeps, "untrained")
    return {
        "best": best_neurons(sweeps),
        "dead": int(gone.sum()),
        "neurons": gone.size,
        "planted": {"neuron": str(sweeps["planted"].labels("neuron")[0]), **seen} if not math.isnan(seen["auroc"]) else None,
        "learned": float(lead.mean()) if lead.size else None,
        "nested": nested(sweeps),
    }  # fmt: skip


def best_neurons(sweeps: Sweeps) -> tuple[tuple[str, str], ...]:
    """Every context concept with the neuron that is most on for it, the clearest first."""
    names, found = sweeps["families"].labels("concept"), best_aurocs(sweeps, "neurons")
    order = sorted(np.flatnonzero(in_context(sweeps)), key=lambda c: -found[c])
    return tuple((str(names[c]), chosen_neuron(sweeps, int(c), "neurons")) for c in order)


def nested(sweeps: Sweeps) -> tuple[str, float] | None:
    """The nested concept whose best neuron has the lowest AUROC among characters that agree in the other one, if any."""
    found = sweeps["conditional"]
    means = zip(found.labels("condition"), found.values.mean(-1).tolist(), strict=True)
    return min(
        ((str(name), mean) for name, mean in means if not math.isnan(mean)), key=lambda one: one[1], default=None
    )


PAGE = Page("Finding 3b: What the hidden units know", figures=("neurons_concepts", "neurons_statistics"), values=values)
