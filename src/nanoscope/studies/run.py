"""Run a study: train its models, run its experiments, and store everything in one folder.

A stage (train a model, measure a checkpoint, compare results) runs as soon as its inputs exist, on an engine: local
processes, Dask or SLURM. Existing outputs are reused, so an interrupted study resumes, however it was stopped. Every engine
gives the same keys, results and findings.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Future, wait
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

from nanoscope import files
from nanoscope.errors import NanoscopeError
from nanoscope.evidence.result import Result, load_result
from nanoscope.studies.engines import Engine, lost, open_executor
from nanoscope.studies.members import StudyDesign
from nanoscope.studies.plan import StudyPlan, plan_study
from nanoscope.studies.progress import Pace, State, StudyProgress
from nanoscope.studies.stages import Problem, Record, Stage, Workspace, keep_corpora, perform, recorded, stage_key
from nanoscope.studies.taken_over import members_of, take_over
from nanoscope.text.corpora import Corpus, open_corpus

POLL_SECONDS = 0.5
MOST_RETRIES = 3
OLD_SECONDS = 600.0
EARLIER = "still running in a process of an earlier call"

ShowProgress = Callable[[StudyProgress], None]


def run_study(
    study: StudyDesign,
    corpus: Corpus,
    folder: Path,
    workers: int | None = None,
    progress: ShowProgress = lambda now: None,
    where: str = "local",
    command: str = "",
    trained: Sequence[Path] = (),
) -> tuple[Result, ...]:
    """Train, analyse and compare; returns the results, stored under `folder`. Existing outputs are reused.

    `where` is local, dask[:ADDRESS] or slurm[:PARTITION]; `workers` is the number of processes (None: the engine's default).
    `command` is the user's command line, for the results' provenance. `trained`: folders of trainings to take over.
    """
    folder = folder.resolve()
    plan = plan_study(study)
    others = {alias: open_corpus(alias) for alias in sorted({m.corpus for m in study.members if m.corpus})}
    taken = members_of(trained, study, {None: corpus, **others})
    with files.exclusive_lock(folder):
        _claim(study, corpus, folder)
        workspace = keep_corpora(corpus, others, folder, command)
        take_over(taken, workspace)
        for part in (folder, *(folder / name for name in ("models", "trained_models", "stages")), workspace.results):
            files.remove_leftovers(part, OLD_SECONDS)
        run = _Run(plan, workspace, progress)
        run.settle()
        while not run.finished:
            with open_executor(where, workers or 0, folder) as engine:
                run.drive(engine)
        run.report(1)
        _list_results(study, corpus, plan, folder, run.records)
    return tuple(load_result(workspace.results / run.records[name].output) for name in plan.results)


def _claim(study: StudyDesign, corpus: Corpus, folder: Path) -> None:
    """Record that the folder belongs to this study; NanoscopeError if it belongs to another."""
    path = folder / "study.json"
    if not path.exists():
        return files.write_json(path, {"study": study.name, "corpus": corpus.name, "results": [], "snapshots": []})
    other = json.loads(path.read_text())
    if (other.get("study"), other.get("corpus")) != (study.name, corpus.name):
        raise NanoscopeError(
            f"{folder} holds the study {other.get('study')} of {other.get('corpus')}; choose another folder with --out"
        )


def _list_results(
    study: StudyDesign, corpus: Corpus, plan: StudyPlan, folder: Path, records: dict[str, Record]
) -> None:
    results, snapshots = ([records[name].output for name in names] for names in (plan.results, plan.snapshots))
    listed = {"study": study.name, "corpus": corpus.name, "results": results, "snapshots": snapshots}
    if json.loads((folder / "study.json").read_text()) != listed:
        files.write_json(folder / "study.json", listed)


class _Run:
    """A running study: its finished, running and ready stages."""

    def __init__(self, plan: StudyPlan, workspace: Workspace, progress: ShowProgress) -> None:
        self.plan, self.workspace, self.progress = plan, workspace, progress
        self.stages = {stage.name: stage for stage in plan.stages}
        self.rank = {stage.name: rank for rank, stage in enumerate(plan.stages)}
        self.sorter = TopologicalSorter({stage.name: stage.needs for stage in plan.stages})
        try:
            self.sorter.prepare()
        except CycleError as error:
            raise NanoscopeError(
                f"these stages depend on one another in a circle: {', '.join(error.args[1])}"
            ) from None
        self.ready: list[Stage] = []
        self.running: dict[Future[Any], Stage] = {}
        self.notes: dict[str, str] = {}
        self.records: dict[str, Record] = {}
        self.ended: list[Record] = []
        self.attempts: Counter[str] = Counter()
        self.pace = Pace(plan, workspace)

    @property
    def finished(self) -> bool:
        return len(self.records) == len(self.stages)

    def settle(self) -> None:
        """Mark ready stages that have a record as finished, repeating for stages that become ready by this."""
        while names := self.sorter.get_ready():
            self.ready += [self.stages[name] for name in names]
            for stage in [stage for stage in self.ready if stage.name in names]:
                if record := recorded(stage, self.workspace, stage_key(stage, self.workspace, self.records_of(stage))):
                    self.ready.remove(stage)
                    self.end(stage, record)
        self.ready.sort(key=lambda stage: self.rank[stage.name])

    def drive(self, engine: Engine) -> None:
        """Run stages until all have finished or the engine breaks; a new engine then continues."""
        try:
            while not self.finished:
                self.submit(engine)
                self.report(engine.slots)
                for future in wait(self.running, POLL_SECONDS, FIRST_COMPLETED).done:
                    self.take(future)
        except BrokenExecutor:
            self.retry(*[self.running.pop(future) for future in list(self.running)])

    def submit(self, engine: Engine) -> None:
        """Submit ready stages, no more than the engine runs at once: if it breaks, exactly the submitted ones are lost."""
        while self.ready and len(self.running) < engine.slots:
            stage, inputs = self.ready[0], self.records_of(self.ready[0])
            lock = self.workspace.record(stage_key(stage, self.workspace, inputs), "lock")
            self.notes[stage.name] = EARLIER if files.is_held(lock) else ""
            self.running[engine.submit(perform, stage, self.workspace, inputs)] = stage
            self.ready.pop(0)

    def take(self, future: Future[Any]) -> None:
        """Handle a stage that has finished, failed or lost its process."""
        stage = self.running[future]
        error = _error(future)
        if isinstance(error, BrokenExecutor):
            raise error
        del self.running[future]
        if error is not None and lost(error):
            return self.retry(stage)
        if error is not None:
            raise RuntimeError(f"{stage.name} failed: {error}") from error
        outcome = future.result()
        if isinstance(outcome, Problem):
            raise NanoscopeError(f"{stage.name}: {outcome.text}")
        self.end(stage, outcome)
        self.ended.append(outcome)
        self.settle()

    def retry(self, *stages: Stage) -> None:
        """Put back stages whose process died; NanoscopeError for one whose process died more than `MOST_RETRIES` times."""
        self.attempts.update(stage.name for stage in stages)
        given_up = [stage.name for stage in stages if self.attempts[stage.name] > MOST_RETRIES]
        if given_up:
            raise NanoscopeError(
                f"{' and '.join(given_up)}: the process was killed {MOST_RETRIES + 1} times, perhaps for lack of memory; "
                "try fewer --workers (finished stages are kept)"
            )
        self.ready = [*stages, *self.ready]

    def end(self, stage: Stage, record: Record) -> None:
        self.records[stage.name] = record
        self.sorter.done(stage.name)

    def records_of(self, stage: Stage) -> dict[str, str]:
        return {name: self.records[name].output for name in stage.needs}

    def report(self, slots: int) -> None:
        running = {stage.name: self.notes[stage.name] for stage in self.running.values()}
        self.progress(StudyProgress(self.pace.groups(State(self.records, running, slots)), tuple(self.ended)))


def _error(future: Future[Any]) -> BaseException | None:
    try:
        return future.exception()
    except CancelledError as error:
        return error
