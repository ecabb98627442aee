"""Studies: which models are trained, what is measured on them, and the one folder in which it all ends up.

A study is a list of stages (train, analyse, report), each of which is skipped when its output is there, so a study that
was stopped goes on. Stages run in a pool of processes, one thread each: the same machine type gives the same numbers.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from nanoscope import store
from nanoscope.checkpoint import load
from nanoscope.corpora import Corpus
from nanoscope.errors import NanoscopeError
from nanoscope.experiments import open_experiment
from nanoscope.experiments.experiment import Subject, run_experiment
from nanoscope.planted import planted_induction
from nanoscope.presets import Member, Study
from nanoscope.recipe import Machine
from nanoscope.results import Result, load_result
from nanoscope.train import checkpoints, train

POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Progress:
    """How far one stage is, for a display: `done` of `total`, in iterations or stages."""

    stage: str
    done: float
    total: float
    note: str = ""


# ---- running one ---------------------------------------------------------------------------------------------------


def run_study(
    study: Study,
    corpus: Corpus,
    folder: Path,
    workers: int | None = None,
    progress: Callable[[Progress], None] = lambda progress: None,
) -> tuple[Result, ...]:
    """Train and analyse; gives the results, stored under `folder`. What is already there is used, not made again."""
    with store.only_writer(folder):
        store.remove_leftovers(folder)
        store.remove_leftovers(folder / "results")
        _claim(study, corpus, folder)
        with _pool(workers or min(2, os.cpu_count() or 1)) as pool:
            trained = [member for member in study.members if member.recipe is not None]
            _watch(_submit_trainings(pool, trained, corpus, folder), folder, trained, progress)
            stages = [(member, name) for member in study.members for name in member.experiments]
            running = {pool.submit(analyse, m, name, corpus, folder): f"{name} of {m.label}" for m, name in stages}
            _count(running, progress)
            keys = [future.result() for future in running]
        store.write_json(folder / "study.json", {"study": study.name, "corpus": corpus.name, "results": keys})
    return tuple(load_result(folder / "results" / key) for key in keys)


def _claim(study: Study, corpus: Corpus, folder: Path) -> None:
    """Make sure that the folder is this study's, and write down that it is."""
    path = folder / "study.json"
    if not path.exists():
        return store.write_json(path, {"study": study.name, "corpus": corpus.name, "results": []})
    other = json.loads(path.read_text())
    if (other.get("study"), other.get("corpus")) != (study.name, corpus.name):
        raise NanoscopeError(
            f"{folder} holds the study {other.get('study')} of {other.get('corpus')}; choose another folder with --out"
        )


def train_member(member: Member, corpus: Corpus, folder: Path) -> None:
    """Stage: train one model of a study, or go on with it."""
    assert member.recipe is not None
    train(member.recipe, corpus, folder / "models" / member.name, Machine(threads=1))


def analyse(member: Member, name: str, corpus: Corpus, folder: Path) -> str:
    """Stage: one experiment on one model; gives the result's key."""
    torch.set_num_threads(1)
    subject = open_member(member, corpus, folder)
    return run_experiment(open_experiment(name), subject, member.experiments[name], folder / "results").key


def open_member(member: Member, corpus: Corpus, folder: Path) -> Subject:
    """The trained (or planted) model of a study, ready to be analysed."""
    if member.recipe is None:
        return Subject(planted_induction(corpus.vocabulary), corpus, member.label, member.role)
    path = folder / "models" / member.name
    return Subject(load(path / "final"), corpus, member.label, member.role, checkpoints(path))


def _submit_trainings(
    pool: ProcessPoolExecutor, members: list[Member], corpus: Corpus, folder: Path
) -> dict[Future, str]:
    return {pool.submit(train_member, member, corpus, folder): member.name for member in members}


@contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Processes started afresh: a fork of a process that has used torch may hang."""
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        try:
            yield pool
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _watch(
    running: dict[Future, str], folder: Path, members: list[Member], progress: Callable[[Progress], None]
) -> None:
    """Report trainings by the metrics that they write, until all are done."""
    while not all(future.done() for future in running):
        for member in members:
            progress(_training_progress(folder / "models" / member.name, member))
        _raise_failures(running)
        time.sleep(POLL_SECONDS)
    _raise_failures(running)
    for member in members:
        total = member.recipe.iterations if member.recipe else 1
        progress(Progress(f"training {member.label}", total, total))


def _training_progress(folder: Path, member: Member) -> Progress:
    total = member.recipe.iterations if member.recipe else 1
    last = _last_metrics(folder / "metrics.jsonl")
    note = f"loss {last['loss']:.3f}" if last.get("loss") is not None else ""
    return Progress(f"training {member.label}", last.get("step", -1) + 1, total, note)


def _last_metrics(path: Path) -> dict[str, Any]:
    """The last whole line of a metrics file that is being written."""
    if not path.exists():
        return {}
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 400))
        lines = [line for line in file.read().decode().splitlines()[1:] if line.startswith("{") and line.endswith("}")]
    return json.loads(lines[-1]) if lines else {}


def _count(running: dict[Future, str], progress: Callable[[Progress], None]) -> None:
    done = 0
    while done < len(running):
        _raise_failures(running)
        done = sum(future.done() for future in running)
        waiting = [name for future, name in running.items() if future.running()]
        progress(Progress("analysing", done, len(running), waiting[0] if waiting else ""))
        time.sleep(POLL_SECONDS / 5)
    _raise_failures(running)


def _raise_failures(running: dict[Future, str]) -> None:
    for future, name in running.items():
        if future.done() and (error := future.exception()) is not None:
            if isinstance(error, NanoscopeError):
                raise error
            raise RuntimeError(f"{name} failed: {error}") from error
