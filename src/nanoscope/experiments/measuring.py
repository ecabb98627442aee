"""Measuring in stages: each is announced and timed, and kept until the result is stored.

An interrupted measurement goes on at the stage it was in; a long stage (a training) goes on from its own state, in a folder
that it is given. Every stage reads the earlier ones from disk, whether they were measured a moment ago or before an
interruption: so both ways end with the same bits.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import safetensors

from nanoscope import files
from nanoscope.errors import Interrupted
from nanoscope.evidence import sweep_files
from nanoscope.evidence.sweep import Sweep
from nanoscope.progress import Progress, silent

Sweeps = dict[str, Sweep]
SECONDS = "seconds"
PRIVATE = "_"
"""Names of sweeps that only later stages need begin with it; they are not part of a result."""


@dataclass(frozen=True)
class Stage:
    """One part of a measurement: a function of the model, the settings and what earlier stages measured."""

    share: int
    """Its usual part of the whole time, in percent, for the time left."""
    measure: Callable[[Sweeps], Sweeps]
    """Given all sweeps of the stages before it."""


Told = Callable[[float], None]
"""Called with the share of a long stage that is done."""


@dataclass(frozen=True)
class LongStage:
    """A stage that keeps its own state in a folder: given the same folder again, it goes on from there."""

    share: int
    measure: Callable[[Sweeps, Path, Told], Sweeps]


Stages = Mapping[str, Stage | LongStage]


def in_one_stage(measure: Callable[[Any, Any], Sweeps]) -> Callable[[Any, Any], Stages]:
    """The stages of an experiment that takes seconds: one."""
    return lambda subject, params: {"measuring": Stage(100, lambda before: measure(subject, params))}


@dataclass(frozen=True)
class Kept:
    """Where finished stages are kept: a folder beside the result, and in it one for each state of code and machine."""

    folder: Path
    made_by: str
    """Hash of all that a stage's numbers depend on beside the result's key. What another hash left is not read."""

    def path(self, stage: str) -> Path:
        return self.folder / self.made_by / f"{stage}.safetensors"

    def work(self, stage: str) -> Path:
        """Where a long stage keeps its state until it is finished."""
        return self.folder / self.made_by / f"{stage}.work"

    def load(self, stage: str) -> Sweeps | None:
        """The sweeps of a finished stage; None if it has to be measured."""
        try:
            return sweep_files.load(self.path(stage))
        except (OSError, ValueError, KeyError, safetensors.SafetensorError):
            return None

    def save(self, stage: str, sweeps: Sweeps) -> Sweeps:
        """Keep a finished stage, and nothing of another hash; returns its sweeps as a later call loads them."""
        for other in self.folder.glob("*"):
            if other.name != self.made_by:
                shutil.rmtree(other)
        files.write_bytes(self.path(stage), sweep_files.packed(sweeps))
        shutil.rmtree(self.work(stage), ignore_errors=True)
        return sweep_files.load(self.path(stage))

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


def in_memory(stages: Stages) -> Sweeps:
    """Measure all stages in order, and keep nothing on disk."""
    sweeps: Sweeps = {}
    for name, stage in stages.items():
        with tempfile.TemporaryDirectory() as folder:
            sweeps |= _timed(name, stage, sweeps, Path(folder))
    return _result(stages, sweeps)


def measured(stages: Stages, kept: Kept, progress: Progress = silent) -> Sweeps:
    """Measure the stages that no earlier call has kept. The last one is not kept: the result itself comes next.

    Progress is told of what this call has to measure. Ctrl-C raises `Interrupted`, which says how many stages the next call
    will find.
    """
    sweeps: Sweeps = {}
    done, last, total = 0, len(stages) - 1, _left(stages, kept, progress)
    for number, (name, stage) in enumerate(stages.items()):
        try:
            found = kept.load(name)
            if found is None:
                progress(name, min(done, total), total)
                inside = partial(_told_inside, progress, name, stage, done, total)
                found = _timed(name, stage, sweeps, kept.work(name), inside)
                found = kept.save(name, found) if number < last else found
                done += stage.share
        except Interrupted as stopped:  # a long stage says what of itself is kept
            raise Interrupted(f"{name}: {stopped}") from None
        except KeyboardInterrupt:
            raise Interrupted(_what_is_kept(number, len(stages), name)) from None
        sweeps |= found
    progress("", total, total)
    return _result(stages, sweeps)


def _left(stages: Stages, kept: Kept, progress: Progress) -> int:
    """The sum of the shares of the stages that are not kept; it is told if some are."""
    missing = [stage.share for name, stage in stages.items() if not kept.path(name).exists()]
    total = max(1, sum(missing))
    if len(missing) < len(stages):
        progress(f"{len(stages) - len(missing)} of {len(stages)} stages are kept from before", 0, total)
    return total


def _told_inside(progress: Progress, name: str, stage: Stage | LongStage, done: int, total: int, share: float) -> None:
    progress(name, min(done + int(share * stage.share), total), total)


def _timed(
    name: str, stage: Stage | LongStage, before: Sweeps, folder: Path, told: Told = lambda share: None
) -> Sweeps:
    """A stage's sweeps, and the seconds that it took in this call."""
    began = time.perf_counter()
    found = stage.measure(before) if isinstance(stage, Stage) else stage.measure(before, folder, told)
    return {**found, _clock(name): Sweep(np.array(time.perf_counter() - began), (), "s")}


def _clock(stage: str) -> str:
    return f"{PRIVATE}{SECONDS} of {stage}"


def _result(stages: Stages, sweeps: Sweeps) -> Sweeps:
    """What is stored: without what only stages need; with the seconds of each stage, if there are several."""
    stored = {name: sweep for name, sweep in sweeps.items() if not name.startswith(PRIVATE)}
    if len(stages) == 1:
        return stored
    seconds = np.array([float(sweeps[_clock(name)].values) for name in stages])
    return {**stored, SECONDS: Sweep(seconds, ("stage",), "s", {"stage": tuple(stages)})}


def _what_is_kept(done: int, total: int, name: str) -> str:
    if total == 1:
        return "nothing of it is kept, as it is measured in one piece"
    if not done:
        return f"nothing is kept, as the first of {total} stages ({name}) was not finished"
    return f"{done} of {total} stages are kept, and the same command goes on with the next ({name})"


# ---- arrays that only later stages need ------------------------------------------------------------------------------


def private(name: str, arrays: Mapping[str, Any]) -> Sweeps:
    """Named arrays or tensors as sweeps that are not part of a result."""
    values = {part: np.asarray(array) for part, array in arrays.items()}
    axes = {part: tuple(f"axis {axis}" for axis in range(array.ndim)) for part, array in values.items()}
    return {f"{PRIVATE}{name} {part}": Sweep(array, axes[part], "") for part, array in values.items()}


def arrays_of(name: str, sweeps: Sweeps) -> dict[str, Any]:
    """What `private` was given under this name, as arrays."""
    start = f"{PRIVATE}{name} "
    return {key.removeprefix(start): sweep.values for key, sweep in sweeps.items() if key.startswith(start)}
