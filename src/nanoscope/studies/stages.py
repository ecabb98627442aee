"""Stages: the pieces of a study that can be run anywhere, in any order that their needs allow, and any number of times.

A stage's key is the hash of what decides its output: its kind, its recipe or parameters and version, the text's
checksum, and the outputs of the stages that it needs (a checkpoint's checksum, a result's key). A stage that has ended
leaves `stages/KEY.json` in the study's folder, so it is skipped wherever the record and its output are there.
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
class Place:
    """Where a study lies, for every machine that works on it: a folder that all see, and the text in it."""

    folder: Path
    corpus_name: str
    corpus_sha256: str
    others: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Further texts that members are trained on: alias -> (name, sha256)."""
    command: str = ""
    """What the user typed, for the results' provenance."""
    version: str = nanoscope.__version__

    @property
    def results(self) -> Path:
        return self.folder / "results"

    def model(self, member: Member) -> Path:
        return self.folder / "models" / member.name

    def end(self, member: Member) -> Path:
        """What is analysed of a training."""
        return self.folder / "trained_models" / member.name if member.released else self.model(member) / "final"

    def record(self, key: str, kind: str = "json") -> Path:
        return self.folder / "stages" / f"{key}.{kind}"

    def text(self, alias: str | None) -> tuple[str, str]:
        """Name and checksum of the study's text, or of another one."""
        return (self.corpus_name, self.corpus_sha256) if alias is None else self.others[alias]

    def corpus(self, alias: str | None = None) -> Corpus:
        """A text, as long as it is the one that the study began with."""
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
    """Where a text lies in a study's folder."""
    return "corpus.txt" if alias is None else f"corpus-{alias}.txt"


def keep_corpora(corpus: Corpus, others: Mapping[str, Corpus], folder: Path, command: str = "") -> Place:
    """Write the texts into the study's folder, once, so that a task need not carry them."""
    known = {alias: (other.name, other.sha256) for alias, other in others.items()}
    place = Place(folder, corpus.name, corpus.sha256, known, command)
    for alias, text in {None: corpus, **others}.items():
        if not (folder / corpus_file(alias)).exists():
            files.write_bytes(folder / corpus_file(alias), text.text.encode())
        place.corpus(alias)
    return place


# ---- what there is to do -------------------------------------------------------------------------------------------


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
        return {"recipe": self.member.recipe.stored(), "machine": asdict(ONE_THREAD), **released}

    def make(self, place: Place, inputs: Outputs) -> str:
        assert self.member.recipe is not None
        corpus = place.corpus(self.member.corpus)
        trained = train(self.member.recipe, corpus, place.model(self.member), ONE_THREAD)
        return release(trained, corpus, place.end(self.member)).sha256 if self.member.released else trained.sha256

    def is_there(self, place: Place, output: str) -> bool:
        path = place.end(self.member) / DESCRIPTION
        return path.exists() and json.loads(path.read_text()).get("sha256") == output


class _GivesResult:
    """What stages whose output is a result's key have in common."""

    def is_there(self, place: Place, output: str) -> bool:
        return (place.results / output / "result.json").exists()


@dataclass(frozen=True)
class Analysis(_GivesResult):
    """One experiment on one model: on its end with its history, or on its checkpoint after `step` updates."""

    member: Member
    experiment: str
    step: int | None = None
    twins: tuple[Member, ...] = ()
    """Other trainings, whose ends it is compared with."""

    @property
    def text(self) -> str | None:
        return self.member.corpus

    @property
    def identity(self) -> dict[str, Any]:
        return _identity(self.experiment, self.member.experiments[self.experiment]) | {"step": self.step}

    def make(self, place: Place, inputs: Outputs) -> str:
        twins = tuple(load(place.end(twin)) for twin in self.twins)
        subject = replace(open_member(self.member, place, self.step), twins=twins)
        params = self.member.experiments[self.experiment]
        experiment = open_experiment(self.experiment)
        return run_experiment(experiment, subject, params, place.results, place.command).key


@dataclass(frozen=True)
class Comparison(_GivesResult):
    """One experiment over stored results: those of one member (which it then is about), or of several."""

    experiment: str
    params: Any
    label: str
    reads: tuple[str, ...]
    """The stages whose results it reads, in the order of the models."""
    member: Member | None = None

    @property
    def text(self) -> str | None:
        return None if self.member is None else self.member.corpus

    @property
    def identity(self) -> dict[str, Any]:
        return _identity(self.experiment, self.params) | {"label": self.label}

    def make(self, place: Place, inputs: Outputs) -> str:
        results = tuple(load_result(place.results / inputs[name]) for name in self.reads)
        role, about = "seeds", StoredSubject(self.label, corpus=place.corpus_name)
        if self.member is not None:
            role, about = self.member.role, describe(open_member(self.member, place))
        group = Group(self.label, role, results, about)
        experiment = open_experiment(self.experiment)
        return run_comparison(experiment, group, self.params, place.results, place.command).key


Work = Training | Analysis | Comparison


def open_member(member: Member, place: Place, step: int | None = None) -> Subject:
    """The trained (or planted) model of a study, or an earlier checkpoint of it, ready to be analysed."""
    corpus = place.corpus(member.corpus)
    if member.recipe is None:
        return Subject(planted_induction(corpus.vocabulary), corpus, member.label, member.role)
    history = checkpoints(place.model(member))
    if step is None:
        return Subject(load(place.end(member)), corpus, member.label, member.role, history, family=member.family)
    if step not in history:
        raise NanoscopeError(f"{place.model(member)} has no checkpoint of iteration {step}; remove it and run again")
    label = f"{member.label}, iteration {step}"
    return Subject(load(history[step]), corpus, label, member.role, family=member.family)


def _identity(experiment: str, params: Any) -> dict[str, Any]:
    return {"experiment": experiment, "version": open_experiment(experiment).version, "params": asdict(params)}


# ---- a stage, and how one is performed -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Stage:
    """One piece of work with its place among the others. `kind` and `label` are for a display."""

    name: str
    kind: str
    label: str
    work: Work
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Record:
    """What a stage leaves behind when it has ended."""

    name: str
    output: str
    seconds: float


@dataclass(frozen=True)
class Problem:
    """Why a stage cannot be performed, in one line. A value, because not every engine brings an exception home."""

    text: str


def stage_key(stage: Stage, place: Place, inputs: Outputs) -> str:
    """What the stage's record is named by."""
    decides = {
        "kind": stage.kind,
        "work": stage.work.identity,
        "corpus": place.text(stage.work.text)[1],
        "inputs": [inputs[name] for name in stage.needs],
    }
    return f"{stage.kind}-{files.sha256(files.canonical_json(decides).encode())[:16]}"


def recorded(stage: Stage, place: Place, key: str) -> Record | None:
    """What the stage left behind, if it is still there."""
    path = place.record(key)
    if not path.exists():
        return None
    record = Record(**json.loads(path.read_text()))
    return record if stage.work.is_there(place, record.output) else None


def perform(stage: Stage, place: Place, inputs: Outputs) -> Record | Problem:
    """Run one stage, in whatever process this is. The function that engines are given.

    A process of an earlier call may still be at it, on another machine: then its end is waited for, and used.
    """
    torch.set_num_threads(1)
    try:
        _require_version(place)
        key = stage_key(stage, place, inputs)
        with files.wait_for_lock(place.record(key, "lock")):
            record = recorded(stage, place, key) or _perform(stage, place, inputs, key)
    except NanoscopeError as error:
        return Problem(" ".join(str(error).splitlines()))
    return record


def _perform(stage: Stage, place: Place, inputs: Outputs, key: str) -> Record:
    began = time.monotonic()
    output = stage.work.make(place, inputs)
    record = Record(stage.name, output, round(time.monotonic() - began, 2))
    files.write_json(place.record(key), asdict(record))
    return record


def _require_version(place: Place) -> None:
    if nanoscope.__version__ != place.version:
        raise NanoscopeError(
            f"{socket.gethostname()} has nanoscope {nanoscope.__version__}, not {place.version}; install the same there"
        )
