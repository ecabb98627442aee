"""When did the circuit form? The effect of each of its edges at some checkpoints of the training, spaced evenly: it can form at
any time."""

from __future__ import annotations

import numpy as np

from nanoscope.analysis.circuits.circuit import Circuit
from nanoscope.analysis.circuits.scores import exact_scores
from nanoscope.checkpoints.checkpoint import load
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.circuits.setting import Setting
from nanoscope.experiments.experiment import Subject
from nanoscope.experiments.following import spaced
from nanoscope.experiments.measuring import Sweeps

EXAMPLES = 8


def over_training(subject: Subject, s: Setting, circuit: Circuit) -> Sweeps:
    """The effect of each edge of the final circuit, and the metric, at checkpoints spread evenly over the training.

    Nothing if the training's checkpoints are not at hand."""
    steps = spaced(sorted(subject.history), s.params.checkpoints)
    if not steps:
        return {}
    task, edges = s.select[s.main][:EXAMPLES], circuit.edges
    found = [exact_scores(load(subject.history[step]).model, task, edges=edges) for step in steps]
    effects = np.array([[one.of(edge) for edge in edges] for one in found])
    ends = np.array([[one.clean, one.corrupt] for one in found])
    return {
        "training": Sweep(
            effects, ("step", "edge", "example"), "logits", {"step": steps, "edge": tuple(str(edge) for edge in edges)}
        ),
        "training_ends": Sweep(
            ends, ("step", "run", "example"), "logits", {"step": steps, "run": ("clean", "corrupt")}
        ),
    }
