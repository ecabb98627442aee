"""What an experiment is, and how one is run on a subject.

An experiment is declared once: its question, its settings, what it measures, which claims it judges and which figures
it draws. The command line, the study, the notebooks, the report and the tests all use that one declaration.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

import nanoscope
from nanoscope.checkpoint import Checkpoint
from nanoscope.checks import require_sound
from nanoscope.corpora.corpus import Corpus
from nanoscope.errors import NanoscopeError
from nanoscope.experiments.digest import source_digest
from nanoscope.findings import Claim, Finding
from nanoscope.model import GPT
from nanoscope.results import Result, Sweep, load_result, save_result
from nanoscope.seeds import seed_for

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Sweeps = dict[str, Sweep]


@dataclass(frozen=True)
class Subject:
    """What is analysed: a checkpoint, the text it is measured on, and what the report calls it."""

    checkpoint: Checkpoint
    corpus: Corpus
    label: str
    role: str = "model"
    """"model", "control" or "planted": where the report puts it."""
    history: Mapping[int, Path] = field(default_factory=dict)
    """Earlier checkpoints of the same training, by step."""
    twins: tuple[Checkpoint, ...] = ()
    """Other trainings of the same recipe, for an experiment that is `twinned`."""

    @property
    def start(self) -> int | None:
        """The start symbol that every text must begin with, if the model was made with one."""
        return self.checkpoint.vocabulary.start if self.checkpoint.vocabulary else None


@dataclass(frozen=True)
class Group:
    """What a comparison reads: the stored results of several models, such as the checkpoints of one training, the
    trainings of one recipe, or a range of sizes."""

    label: str
    role: str
    results: tuple[Result, ...]
    about: Mapping[str, Any] = field(default_factory=dict)
    """What a report says of them all."""

    def of(self, experiment: str) -> tuple[Result, ...]:
        """One experiment's results, in the order of the models."""
        return tuple(result for result in self.results if result.experiment == experiment)


@dataclass(frozen=True)
class Experiment:
    """A question with all that it takes to answer it.

    `measure(subject, params)` gives the numbers; `judge(sweeps, params)` gives the findings from the numbers alone.
    An experiment that `reads` other experiments' results is a comparison: its subject is a `Group`.
    """

    module: str
    """Its module's `__name__`, whose last part is the experiment's name."""
    question: str
    version: int
    params: type
    measure: Callable[[Any, Any], Sweeps]
    judge: Callable[[Mapping[str, Sweep], Any], tuple[Finding, ...]]
    claims: tuple[Claim, ...]
    figures: Mapping[str, Callable[[Result], Figure]]
    reads: tuple[str, ...] = ()
    of_training: bool = False
    """What it reads are the checkpoints of one training, so that it tells of a model."""
    twinned: bool = False
    """It compares the model with other trainings of its recipe, which its subject's `twins` are."""

    @property
    def name(self) -> str:
        return self.module.rpartition(".")[2]


def require_least(params: Any, **least: int) -> None:
    """Refuse a setting below its least, which is 1 where none is named; a seed may be anything."""
    for name, value in asdict(params).items():
        needed = least.get(name, 1)
        if name != "seed" and isinstance(value, int) and value < needed:
            raise NanoscopeError(f"--{name.replace('_', '-')} must be at least {needed}, not {value}")


def run_experiment(experiment: Experiment, subject: Subject, params: Any, folder: Path, command: str = "") -> Result:
    """Measure, judge and store; a result that is there already is read instead. Refuses a model that fails a check.

    `command` is what the user typed, for the result's provenance; empty where it was called from Python.
    """
    identity = {
        "version": experiment.version,
        "params": asdict(params),
        "checkpoint": subject.checkpoint.sha256,
        "history": sorted(subject.history),
        "corpus": subject.corpus.sha256,
        "dtype": str(subject.checkpoint.model.wte.weight.dtype).removeprefix("torch."),
        **({"twins": [twin.sha256 for twin in subject.twins]} if subject.twins else {}),
    }
    wanted = Result(experiment.name, _plain(identity), describe(subject), {})
    if (folder / wanted.key).exists():
        return load_result(folder / wanted.key)
    require_sound(subject.checkpoint.model)
    return _answered(experiment, wanted, subject, params, folder, command)


def run_comparison(experiment: Experiment, group: Group, params: Any, folder: Path, command: str = "") -> Result:
    """Compare, judge and store; a result that is there already is read instead. `command` as in `run_experiment`."""
    read = [result for result in group.results if result.experiment in experiment.reads]
    identity = {
        "version": experiment.version,
        "params": asdict(params),
        "results": sorted(result.key for result in read),
    }
    models = list(dict.fromkeys(result.subject["label"] for result in read))
    described = {**group.about, "label": group.label, "role": group.role, "models": models}
    wanted = Result(experiment.name, _plain(identity), _plain(described), {})
    if (folder / wanted.key).exists():
        return load_result(folder / wanted.key)
    return _answered(experiment, wanted, replace(group, results=tuple(read)), params, folder, command)


def _answered(
    experiment: Experiment, wanted: Result, subject: Subject | Group, params: Any, folder: Path, command: str
) -> Result:
    began = time.monotonic()
    sweeps = experiment.measure(subject, params)
    result = Result(
        experiment.name,
        wanted.identity,
        wanted.subject,
        sweeps,
        experiment.judge(sweeps, params),
        {**provenance(experiment.name, command), "seconds": round(time.monotonic() - began, 2)},
    )
    return load_result(save_result(result, folder))


def stored_params(experiment: Experiment, result: Result) -> Any:
    """The settings that a stored result was made with."""
    plain = result.identity["params"]
    return experiment.params(**{name: tuple(x) if isinstance(x, list) else x for name, x in plain.items()})


def judged_again(experiment: Experiment, result: Result) -> Result:
    """What was measured under an earlier version, with the findings of this one: for a change of judgement or of words.

    Its provenance tells which code measured and which judged."""
    told = {**result.provenance, "source": source_digest(experiment.name), "measured_by": result.provenance["source"]}
    identity = {**result.identity, "version": experiment.version}
    findings = experiment.judge(result.sweeps, stored_params(experiment, result))
    return replace(result, identity=identity, findings=findings, provenance=told)


def timed(stages: Mapping[str, Callable[[], Sweeps]]) -> Sweeps:
    """The sweeps of all stages, in order, and how long each stage took."""
    sweeps, seconds = {}, []
    for stage in stages.values():
        began = time.perf_counter()
        sweeps |= stage()
        seconds.append(time.perf_counter() - began)
    return {**sweeps, "seconds": Sweep(np.array(seconds), ("stage",), "s", {"stage": tuple(stages)})}


def untrained(model: GPT, *labels: object) -> GPT:
    """A model of the same shape as it is before any training, decided by the labels: what has to be learned is not in it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for(*labels))
        return GPT(model.config).eval().requires_grad_(False)


def describe(subject: Subject) -> dict[str, Any]:
    """What a report says of the model."""
    model = subject.checkpoint.model
    return _plain(
        {
            "label": subject.label,
            "role": subject.role,
            "parameters": model.parameter_count,
            "config": asdict(model.config),
            "training": dict(subject.checkpoint.training),
            "corpus": subject.corpus.name,
            "notes": list(subject.checkpoint.notes),
            **({"twins": [dict(twin.training) for twin in subject.twins]} if subject.twins else {}),
        }
    )


def provenance(experiment: str, command: str) -> dict[str, Any]:
    """How a result came to be: when, by which code and libraries, on what, by which command."""
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "source": source_digest(experiment),
        "nanoscope": nanoscope.__version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "threads": torch.get_num_threads(),
        "command": command,
    }


def _plain(value: Any) -> Any:
    """Tuples become lists, as JSON would make them, so that a stored identity equals a fresh one."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value
