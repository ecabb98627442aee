"""What each method of scoring edges costs on the main task: seconds, and the most memory that its tensors hold.

Memory is that of a few examples. Exact effects are made in packs of as many edges as a budget allows, so that every eighth
edge tells it.
"""

from __future__ import annotations

import time
from functools import partial

import numpy as np

from nanoscope.analysis.circuits.cost import peak_bytes
from nanoscope.analysis.circuits.methods import METHODS, Method
from nanoscope.analysis.circuits.scores import EdgeScores, exact_scores
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.circuits.setting import Setting
from nanoscope.experiments.measuring import Sweeps
from nanoscope.interventions.edges.graph import graph_of
from nanoscope.tasks.metrics import logit_diff
from nanoscope.tasks.task import Task

EXAMPLES, EVERY = 8, 8


def timed(s: Setting, task: Task, method: Method) -> tuple[EdgeScores, float]:
    """A method's scores, and how many seconds they took."""
    began = time.perf_counter()
    found = method(s.model, task, logit_diff)
    return found, time.perf_counter() - began


def memory(s: Setting) -> Sweeps:
    """The most bytes that each method holds on a few examples of the main task: `held[method]`."""
    task, some = s.select[s.main][:EXAMPLES], graph_of(s.model.config).edges[::EVERY]
    methods = {**METHODS, "exact": partial(exact_scores, edges=some)}
    held = [peak_bytes(partial(method, s.model, task, logit_diff)) for method in methods.values()]
    return {"held": Sweep(np.array(held), ("method",), "bytes", {"method": tuple(methods)})}
