"""An experiment on one training: a snapshot of every checkpoint, then the comparison that reads them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from nanoscope.checkpoints.checkpoint import load
from nanoscope.errors import Interrupted
from nanoscope.evidence.result import Result
from nanoscope.experiments import open_experiment
from nanoscope.experiments.experiment import Experiment, Group, Settings, Subject
from nanoscope.experiments.runner import describe, run_comparison, run_experiment
from nanoscope.progress import Progress, silent

SNAPSHOT = "snapshot"


def at_step(subject: Subject, step: int) -> Subject:
    """The subject at an earlier checkpoint of its training."""
    label = f"{subject.label}, iteration {step}"
    return Subject(load(subject.history[step]), subject.corpus, label, subject.role, family=subject.family)


def spaced(steps: Sequence[int], most: int, by: Callable[[np.ndarray], np.ndarray] = np.asarray) -> tuple[int, ...]:
    """At most so many of the steps, the first and the last among them, evenly spread in `by` of the step."""
    if len(steps) <= most:
        return tuple(steps)
    places = by(np.array(steps))
    wanted = np.linspace(places[0], places[-1], most)
    return tuple(sorted({steps[int(np.abs(places - at).argmin())] for at in wanted}))


def snapshot(subject: Subject, step: int, params: object, folder: Path, command: str = "") -> Result:
    """The snapshot of one checkpoint: read from the folder, or measured if it is not there."""
    return run_experiment(open_experiment(SNAPSHOT), at_step(subject, step), params, folder, command)


def follow(
    experiment: Experiment[Group, Settings],
    subject: Subject,
    params: object,
    folder: Path,
    progress: Progress = silent,
    command: str = "",
) -> Result:
    """Take snapshots of all checkpoints with these settings, then compare them. Stored results are reused."""
    shots = []
    for step in sorted(subject.history):
        progress(f"checkpoint of iteration {step}", len(shots), len(subject.history))
        try:
            shots.append(snapshot(subject, step, params, folder, command))
        except KeyboardInterrupt:
            raise Interrupted(
                f"{len(shots)} of {len(subject.history)} checkpoints are kept, and the same command goes on with the next"
            ) from None
    progress("", len(shots), len(subject.history))
    group = Group(subject.label, subject.role, tuple(shots), describe(subject))
    return run_comparison(experiment, group, experiment.params(), folder, command)
