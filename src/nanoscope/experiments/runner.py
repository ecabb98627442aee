"""Running an experiment on a subject or a group of stored results, and judging a stored result again."""

from __future__ import annotations

import platform
import re
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

import nanoscope
from nanoscope import files
from nanoscope.evidence.result import Result, load_result, save_result
from nanoscope.evidence.subject import StoredSubject
from nanoscope.evidence.sweep_files import in_single
from nanoscope.experiments.code_digest import source_digest
from nanoscope.experiments.experiment import Experiment, Group, Measured, Settings, Subject, plain_settings
from nanoscope.experiments.measuring import SECONDS, Kept, Sweeps, measured
from nanoscope.experiments.self_checks import require_sound
from nanoscope.progress import Progress, silent
from nanoscope.training.recipe import native_precision


def run_experiment(
    experiment: Experiment[Subject, Settings],
    subject: Subject,
    params: Settings,
    folder: Path,
    command: str = "",
    progress: Progress = silent,
) -> Result:
    """Measure, judge and store a result; one that is stored already is read instead.

    Finished stages are kept beside it until it is stored: a call after an interruption measures only the others.
    NanoscopeError if the model fails a self-check. `command` is the command line, kept in the result's provenance; it is
    empty for a call from Python.
    """
    identity = {
        "version": experiment.version,
        "params": plain_settings(params),
        "checkpoint": subject.checkpoint.sha256,
        "history": sorted(subject.history),
        "corpus": subject.corpus.sha256,
        "dtype": str(subject.checkpoint.model.wte.weight.dtype).removeprefix("torch."),
        **({"twins": [twin.sha256 for twin in subject.twins]} if subject.twins else {}),
    }
    unmeasured = Result(experiment.name, _plain(identity), describe(subject), {})
    if (folder / unmeasured.key).exists():
        return load_result(folder / unmeasured.key)
    progress("checking the model", 0, 100)
    require_sound(subject.checkpoint.model)
    return _measure_and_store(experiment, unmeasured, subject, params, folder, command, progress)


def run_comparison(
    experiment: Experiment[Group, Settings], group: Group, params: Settings, folder: Path, command: str = ""
) -> Result:
    """Compare, judge and store a result; one that is stored already is read instead. `command` as in `run_experiment`."""
    read = [result for result in group.results if result.experiment in experiment.reads]
    identity = {
        "version": experiment.version,
        "params": plain_settings(params),
        "results": sorted(result.key for result in read),
    }
    models = tuple(dict.fromkeys(result.subject.name for result in read))
    described = replace(group.about, label=group.label, role=group.role, models=models)
    unmeasured = Result(experiment.name, _plain(identity), described, {})
    if (folder / unmeasured.key).exists():
        return load_result(folder / unmeasured.key)
    return _measure_and_store(experiment, unmeasured, replace(group, results=tuple(read)), params, folder, command)


def _measure_and_store(
    experiment: Experiment[Measured, Settings],
    unmeasured: Result,
    subject: Measured,
    params: Settings,
    folder: Path,
    command: str,
    progress: Progress = silent,
) -> Result:
    began = time.monotonic()
    kept = Kept(folder / f".{unmeasured.key}.stages", _made_by(experiment.name))
    found = measured(experiment.stages(subject, params), kept, progress)
    sweeps = {name: in_single(sweep) for name, sweep in found.items()}
    result = Result(
        experiment.name,
        unmeasured.identity,
        unmeasured.subject,
        sweeps,
        experiment.judge(sweeps),
        {**provenance(experiment.name, command), "seconds": round(max(time.monotonic() - began, _seconds(sweeps)), 2)},
    )
    path = save_result(result, folder)
    kept.remove()
    return load_result(path)


def _seconds(sweeps: Sweeps) -> float:
    """The time of all stages, those of an interrupted call included."""
    return float(sweeps[SECONDS].values.sum()) if SECONDS in sweeps else 0.0


def _made_by(experiment: str) -> str:
    """Hash of what a measurement's last bits depend on beside its result's key: code, libraries, processor, threads."""
    return files.sha256(files.canonical_json(_origin(experiment)).encode())[:16]


def judged_again(experiment: Experiment[Measured, Settings], result: Result) -> Result:
    """Measurements of an earlier version with the findings of this one, for a change that affects only claims.

    Its provenance names the code that measured and the code that judged.
    """
    history = {
        **result.provenance,
        "source": source_digest(experiment.name),
        "measured_by": result.provenance.get("measured_by", result.provenance["source"]),
    }
    identity = {**result.identity, "version": experiment.version}
    findings = experiment.judge(result.sweeps)
    return replace(result, identity=identity, findings=findings, provenance=history)


def describe(subject: Subject) -> StoredSubject:
    """The model's metadata, as stored with its results."""
    model, training = subject.checkpoint.model, subject.checkpoint.training
    return StoredSubject(
        label=subject.label,
        role=subject.role,
        corpus=subject.corpus.name,
        family=subject.family,
        seed=training.get("seed"),
        step=training.get("step"),
        parameters=model.parameter_count,
        config=_plain(model.config.stored()),
        training=_plain(training),
        notes=tuple(subject.checkpoint.notes),
        twins=tuple(_plain(twin.training) for twin in subject.twins),
    )


def provenance(experiment: str, command: str) -> dict[str, Any]:
    """How a result was made: date and time (UTC), code, libraries, machine and command."""
    now = time.gmtime()
    when = {"date": time.strftime("%Y-%m-%d", now), "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", now)}
    return {**when, **_origin(experiment), "command": command}


def _origin(experiment: str) -> dict[str, Any]:
    return {
        "source": source_digest(experiment),
        "nanoscope": nanoscope.__version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "threads": torch.get_num_threads(),
        "products": products(),
        "native_precision": native_precision("cpu"),
    }


def products() -> str:
    """The library and the instruction set of torch's matrix products on this processor: `mkl AVX2`."""
    library = re.search(r"BLAS_INFO=(\w+)", torch.__config__.show())
    return f"{library[1] if library else 'unknown'} {torch.backends.cpu.get_cpu_capability()}"


def _plain(value: Any) -> Any:
    """Tuples become lists, as in JSON, so that a stored identity equals a fresh one."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value
