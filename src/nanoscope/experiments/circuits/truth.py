"""How well every method finds the edges of models whose circuit is known, and what it costs there."""

from __future__ import annotations

import time

import numpy as np

from nanoscope.analysis.circuits.acdc import acdc_scores
from nanoscope.analysis.circuits.methods import METHODS
from nanoscope.analysis.circuits.recovery import KINDS, recovery
from nanoscope.analysis.circuits.scores import EdgeScores, whole_runs
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.measuring import Sweeps
from nanoscope.planted.circuits import CIRCUITS, GENTLE, PlantedCircuit
from nanoscope.tasks.metrics import logit_diff

SATURATED = 60.0
FLOOR = 1e-4
"""Scores that are 0 by construction come out as rounding errors of up to a hundred-thousandth of a logit."""
THRESHOLDS = (1e-4, 1e-3, 0.01, 0.03, 0.1, 0.3, 1.0)
"""ACDC's, in nats: an edge's score is the largest that keeps it."""
MEASURES = ("AUROC", "precision", *(f"agreement {kind}" for kind in KINDS), "forwards")


def truth() -> Sweeps:
    """Every method on every planted model, and on the plain one with saturated attention: `[model, method, measure]`."""
    known = {name: make(GENTLE) for name, make in CIRCUITS.items()}
    known["plain, saturated"] = CIRCUITS["plain"](SATURATED)
    methods = (*METHODS, "acdc")
    values = [[_measured(one, method) for method in methods] for one in known.values()]
    coords = {"model": tuple(known), "method": methods, "measure": MEASURES}
    return {"truth": Sweep(np.array(values), ("model", "method", "measure"), "share; plain forwards", coords)}


def _measured(known: PlantedCircuit, method: str) -> list[float]:
    forward = _seconds(lambda: whole_runs(known.model, known.task, logit_diff)) / 2
    exact = METHODS["exact"](known.model, known.task, logit_diff)
    began = time.perf_counter()
    scores = _scores(known, method)
    spent = time.perf_counter() - began
    found = recovery(scores, exact, known.edges, FLOOR)
    return [found.auroc, found.precision, *(found.agreement[kind] for kind in KINDS), spent / forward]


def _scores(known: PlantedCircuit, method: str) -> EdgeScores:
    if method == "acdc":
        return acdc_scores(known.model, known.task, THRESHOLDS)
    return METHODS[method](known.model, known.task, logit_diff)


def _seconds(run) -> float:
    run()
    began = time.perf_counter()
    run()
    return time.perf_counter() - began
