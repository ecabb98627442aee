"""Stages: the units of a study. They run on any machine, in any order their dependencies allow, any number of times.

A stage's key is a hash of everything that determines its output: its kind, its recipe or parameters and version, the
text's checksum, and the outputs of the stages it needs (a checkpoint's checksum, a result's key). A finished stage leaves
`stages/KEY.json` in the study's folder, and is skipped while that record and its output exist.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

import nanoscope
from nanoscope import files
from nanoscope.checkpoints.checkpoint import load
from nanoscope.checkpoints.formats.nanoscope import DESCRIPTION
from nanoscope.errors import NanoscopeError
from nanoscope.evidence.result import load_result
from nanoscope.evidence.subject import StoredSubject
from nanoscope.experiments import open_experiment
from nanoscope.experiments.experiment import Group, Subject
from nanoscope.experiments.runner import describe, run_comparison, run_experiment
from nanoscope.planted.induction import planted_induction
from nanoscope.studies.members import Member
from nanoscope.text.corpora import Corpus
from nanoscope.training.loop import checkpoints, train
from nanoscope.training.recipe import ONE_THREAD
from nanoscope.training.release import release

Outputs = Mapping[str, str]
"""Stage name -> its output: a checkpoint's checksum or a result's key."""


@dataclass(frozen=True)
class Workspace:
    """A study's folder, shared by all machines that work on it, and the texts in it."""

    folder: Path
    corpus_name: str
    corpus_sha256: str
    others: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Further training texts: alias -> (name, sha256)."""
    command: str = ""
    """The user's command line, for the results' provenance."""
    version: str = nanoscope.__version__

    @property
    def results(self) -> Path:
        return self.folder / "results"

    def model(self, member: Member) -> Path:
        return self.folder / "models" / member.name

    def end(self, member: Member) -> Path:
        """The folder of the analysed model of a training: its release or its final checkpoint."""
        return self.folder / "trained_models" / member.name if member.released else self.model(member) / "final"

    def record(self, key: str, kind: str = "json") -> Path:
        return self.folder / "stages" / f"{key}.{kind}"

    def text(self, alias: str | None) -> tuple[str, str]:
        """Name and checksum of the study's text (None), or of another one."""
        return (self.corpus_name, self.corpus_sha256) if alias is None else self.others[alias]

    def corpus(self, alias: str | None = None) -> Corpus:
        """Open a text; NanoscopeError if it has changed since the study began."""
        path = self.folder / corpus_file(alias)
        name, sha256 = self.text(alias)
        try:
            data = path.read_bytes()
        except OSError as error:
            raise NanoscopeError(
                f"{socket.gethostname()} cannot read {path} ({error.strerror}); a study's folder must be on a disk "
                "that all machines share"
            ) from None
        if files.sha256(data) != sha256:
            raise NanoscopeError(f"{path} is not the text that this study began with; choose another folder with --out")
        return Corpus(name, data.decode())


def corpus_file(alias: str | None) -> str:
    """File name of a text in a study's folder."""
    return "corpus.txt" if alias is None else f"corpus-{alias}.txt"


def keep_corpora(corpus: Corpus, others: Mapping[str, Corpus], folder: Path, command: str = "") -> Workspace:
    """Write the texts into the study's folder, if they are not there, so that stages need not be sent them."""
    known = {alias: (other.name, other.sha256) for alias, other in others.items()}
    workspace = Workspace(folder, corpus.name, corpus.sha256, known, command)
    for alias, text in {None: corpus, **others}.items():
        if not (folder / corpus_file(alias)).exists():
            files.write_bytes(folder / corpus_file(alias), text.text.encode())
        workspace.corpus(alias)
    return workspace


# ---- kinds of work ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Training:
    """One model of a study. Its output is the final checkpoint's checksum."""

    member: Member

    @property
    def text(self) -> str | None:
        return self.member.corpus

    @property
    def identity(self) -> dict[str, Any]:
        assert self.member.recipe is not None
        released = {"released": True} if self.member.released else {}
        return {"recipe": self.member.recipe.stored(), **released}

    def make(self, workspace: Workspace, inputs: Outputs) -> str:
        assert self.member.recipe is not None
        corpus = workspace.corpus(self.member.corpus)
        trained = train(self.member.recipe, corpus, workspace.model(self.member), ONE_THREAD)
        return release(trained, corpus, workspace.end(self.member)).sha256 if self.member.released else trained.sha256

    def is_there(self, workspace: Workspace, output: str) -> bool:
        path = workspace.end(self.member) / DESCRIPTION
        return path.exists() and json.loads(path.read_text()).get("sha256") == output


class _GivesResult:
    """Shared by stages whose output is a result's key."""

    def is_there(self, workspace: Workspace, output: str) -> bool:
        return (workspace.results / output / "result.json").exists()


@dataclass(frozen=True)
class Analysis(_GivesResult):
    """One experiment on one model: on the final model with its history, or on its checkpoint after `step` updates."""

    member: Member
    experiment: str
    step: int | None = None
    twins: tuple[Member, ...] = ()
    """Other trainings whose final models it is compared with."""

    @property
    def text(self) -> str | None:
        return self.member.corpus

    @property
    def identity(self) -> dict[str, Any]:
        return _identity(self.experiment, self.member.experiments[self.experiment]) | {"step": self.step}

    def make(self, workspace: Workspace, inputs: Outputs) -> str:
        twins = tuple(load(workspace.end(twin)) for twin in self.twins)
        subject = replace(open_member(self.member, workspace, self.step), twins=twins)
        params = self.member.experiments[self.experiment]
        experiment = open_experiment(self.experiment)
        return run_experiment(experiment, subject, params, workspace.results, workspace.command).key


@dataclass(frozen=True)
class Comparison(_GivesResult):
    """One experiment on stored results, of one `member` (its subject) or of several."""

    experiment: str
    params: Any
    label: str
    reads: tuple[str, ...]
    """Names of the stages whose results it reads, in the order of the models."""
    member: Member | None = None

    @property
    def text(self) -> str | None:
        return None if self.member is None else self.member.corpus

    @property
    def identity(self) -> dict[str, Any]:
        return _identity(self.experiment, self.params) | {"label": self.label}

    def make(self, workspace: Workspace, inputs: Outputs) -> str:
        results = tuple(load_result(workspace.results / inputs[name]) for name in self.reads)
        role, about = "seeds", StoredSubject(self.label, corpus=workspace.corpus_name)
        if self.member is not None:
            role, about = self.member.role, describe(open_member(self.member, workspace))
        group = Group(self.label, role, results, about)
        experiment = open_experiment(self.experiment)
        return run_comparison(experiment, group, self.params, workspace.results, workspace.command).key


Work = Training | Analysis | Comparison


def open_member(member: Member, workspace: Workspace, step: int | None = None) -> Subject:
    """A member's final model (or hand-built model), or its checkpoint of iteration `step`, as an experiment's subject."""
    corpus = workspace.corpus(member.corpus)
    if member.recipe is None:
        return Subject(planted_induction(corpus.vocabulary), corpus, member.label, member.role)
    history = checkpoints(workspace.model(member))
    if step is None:
        return Subject(load(workspace.end(member)), corpus, member.label, member.role, history, family=member.family)
    if step not in history:
        raise NanoscopeError(
            f"{workspace.model(member)} has no checkpoint of iteration {step}; remove that folder and run again"
        )
    label = f"{member.label}, iteration {step}"
    return Subject(load(history[step]), corpus, label, member.role, family=member.family)


def _identity(experiment: str, params: Any) -> dict[str, Any]:
    return {"experiment": experiment, "version": open_experiment(experiment).version, "params": asdict(params)}


# ---- performing a stage ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Stage:
    """One piece of work and the names of the stages it needs. `kind` and `label` are for display."""

    name: str
    kind: str
    label: str
    work: Work
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Record:
    """The record of a finished stage; `output` is a checkpoint's checksum or a result's key."""

    name: str
    output: str
    seconds: float


@dataclass(frozen=True)
class Problem:
    """Why a stage cannot be performed, in one line. A value, because not every engine returns exceptions intact."""

    text: str


def stage_key(stage: Stage, workspace: Workspace, inputs: Outputs) -> str:
    """Key of a stage: the name of its record."""
    determinants = {
        "kind": stage.kind,
        "work": stage.work.identity,
        "corpus": workspace.text(stage.work.text)[1],
        "inputs": [inputs[name] for name in stage.needs],
    }
    return f"{stage.kind}-{files.sha256(files.canonical_json(determinants).encode())[:16]}"


def recorded(stage: Stage, workspace: Workspace, key: str) -> Record | None:
    """The record of a finished stage, or None if the record or its output is missing."""
    path = workspace.record(key)
    if not path.exists():
        return None
    record = Record(**json.loads(path.read_text()))
    return record if stage.work.is_there(workspace, record.output) else None


def perform(stage: Stage, workspace: Workspace, inputs: Outputs) -> Record | Problem:
    """Run one stage in the current process. Engines are given this function.

    If a process of an earlier call is still running the stage, wait for it and use its output.
    """
    torch.set_num_threads(1)
    try:
        _require_version(workspace)
        key = stage_key(stage, workspace, inputs)
        with files.wait_for_lock(workspace.record(key, "lock")):
            record = recorded(stage, workspace, key) or _perform(stage, workspace, inputs, key)
    except NanoscopeError as error:
        return Problem(" ".join(str(error).splitlines()))
    return record


def _perform(stage: Stage, workspace: Workspace, inputs: Outputs, key: str) -> Record:
    began = time.monotonic()
    output = stage.work.make(workspace, inputs)
    record = Record(stage.name, output, round(time.monotonic() - began, 2))
    files.write_json(workspace.record(key), asdict(record))
    return record


def _require_version(workspace: Workspace) -> None:
    if nanoscope.__version__ != workspace.version:
        raise NanoscopeError(
            f"{socket.gethostname()} has nanoscope {nanoscope.__version__}, not {workspace.version}; install that version there"
        )
