"""How well every method finds the edges of models whose circuit is known, and what it costs there."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np

from nanoscope.analysis.circuits.acdc import acdc_scores
from nanoscope.analysis.circuits.cost import forward_seconds
from nanoscope.analysis.circuits.methods import METHODS
from nanoscope.analysis.circuits.recovery import KINDS, recovery
from nanoscope.analysis.circuits.scores import EdgeScores
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.measuring import Sweeps
from nanoscope.model.gpt import GPT
from nanoscope.planted.circuits import CIRCUITS, GENTLE, PlantedCircuit
from nanoscope.tasks.metrics import Metric, logit_diff
from nanoscope.tasks.task import Task

SATURATED = 60.0
FLOOR = 1e-4
"""Scores that are 0 by construction come out as rounding errors of up to a hundred-thousandth of a logit."""
THRESHOLDS = (1e-3, 0.03, 0.3)
"""ACDC's, in nats: an edge's score is the largest that keeps it."""
MEASURES = ("AUROC", "precision", *(f"agreement {kind}" for kind in KINDS))
MODELS: Mapping[str, Callable[[], PlantedCircuit]] = {
    **{name: partial(make, GENTLE) for name, make in CIRCUITS.items()},
    "plain, saturated": partial(CIRCUITS["plain"], SATURATED),
}


def truth(models: Sequence[str] = tuple(MODELS)) -> Sweeps:
    """Every method on these planted models: `[model, method, measure]`, and the seconds that it took."""
    known = [MODELS[name]() for name in models]
    rows = [_measured(one) for one in known]
    coords = {"model": tuple(models), "method": (*METHODS, "acdc")}
    return {
        "truth": Sweep(
            np.array([[values for values, _ in row] for row in rows]), ("model", "method", "measure"), "share",
            {**coords, "measure": MEASURES},
        ),
        "truth_seconds": Sweep(np.array([[spent for _, spent in row] for row in rows]), ("model", "method"), "s", coords),
        "truth_forward": Sweep(
            np.array([forward_seconds(one.model, one.task) for one in known]), ("model",), "s", {"model": tuple(models)}
        ),
    }  # fmt: skip


def _measured(known: PlantedCircuit) -> list[tuple[list[float], float]]:
    """For each method all measures, and the seconds that it took."""
    scores, spent = [], []
    for method in (*METHODS.values(), _acdc):
        began = time.perf_counter()
        scores.append(method(known.model, known.task, logit_diff))
        spent.append(time.perf_counter() - began)
    found = [recovery(one, scores[0], known.edges, FLOOR) for one in scores]
    values = [[one.auroc, one.precision, *(one.agreement[kind] for kind in KINDS)] for one in found]
    return list(zip(values, spent, strict=True))


def _acdc(model: GPT, task: Task, metric: Metric) -> EdgeScores:
    return acdc_scores(model, task, THRESHOLDS, metric)
