"""All ways to score edges, by name, with one signature: `METHODS["eap-ig"](model, task, metric)`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from nanoscope.analysis.circuits.baselines import random_scores, weight_scores
from nanoscope.analysis.circuits.first_order import gradient_scores, integrated_scores, mask_scores, qk_fixed_scores
from nanoscope.analysis.circuits.scores import EdgeScores, exact_scores
from nanoscope.model.gpt import GPT
from nanoscope.model.rules import GIM, HELD, RELP
from nanoscope.tasks.metrics import Metric
from nanoscope.tasks.task import Task

Method = Callable[[GPT, Task, Metric], EdgeScores]

ESTIMATES: Mapping[str, Method] = {
    "eap": gradient_scores,
    "eap-ig": integrated_scores,
    "mask-ig": mask_scores,
    "eap-qk": qk_fixed_scores,
    "held-qk": partial(qk_fixed_scores, rules=HELD),
    "relp": partial(gradient_scores, rules=RELP),
    "gim": partial(gradient_scores, rules=GIM),
}
"""Estimates by gradients."""
BASELINES: Mapping[str, Method] = {"weights": weight_scores, "random": random_scores}
"""Scores that know nothing of the behaviour."""
METHODS: Mapping[str, Method] = {"exact": exact_scores, **ESTIMATES, **BASELINES}
