"""Studies: which models are trained, what is measured on them, and the one folder in which it all ends up.

A study's stages (train a model, measure a checkpoint, compare results) run as soon as what they need is there, through
an engine: processes of this machine, Dask or SLURM. Whatever is there already is used, so a study that was
stopped, in whichever way, goes on; and every engine gives the same keys, results and findings.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
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
from nanoscope.studies.stages import Place, Problem, Record, Stage, keep_corpora, perform, recorded, stage_key
from nanoscope.text.corpora import Corpus, open_corpus

POLL_SECONDS = 0.5
MOST_RETRIES = 3
OLD_SECONDS = 600.0
EARLIER = "a process of an earlier call is still at it"

ShowProgress = Callable[[StudyProgress], None]


def run_study(
    study: StudyDesign,
    corpus: Corpus,
    folder: Path,
    workers: int | None = None,
    progress: ShowProgress = lambda now: None,
    where: str = "local",
    command: str = "",
) -> tuple[Result, ...]:
    """Train, analyse and compare; gives the results, stored under `folder`. What is there is used, not made again.

    `where` is local, dask[:ADDRESS] or slurm[:PARTITION]; `workers` processes at once (None: the engine's own).
    `command` is what the user typed, for the results' provenance.
    """
    folder = folder.resolve()
    plan = plan_study(study)
    with files.exclusive_lock(folder):
        _claim(study, corpus, folder)
        others = {alias: open_corpus(alias) for alias in sorted({m.corpus for m in study.members if m.corpus})}
        place = keep_corpora(corpus, others, folder, command)
        for part in (folder, place.results, folder / "stages"):
            files.remove_leftovers(part, OLD_SECONDS)
        run = _Run(plan, place, progress)
        run.settle()
        while not run.finished:
            with open_executor(where, workers or 0, folder) as engine:
                run.drive(engine)
        run.tell(1)
        _list_results(study, corpus, plan, folder, run.records)
    return tuple(load_result(place.results / run.records[name].output) for name in plan.results)


def _claim(study: StudyDesign, corpus: Corpus, folder: Path) -> None:
    """Make sure that the folder is this study's, and write down that it is."""
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
    """A study under way: what has ended, what is running, what could run."""

    def __init__(self, plan: StudyPlan, place: Place, progress: ShowProgress) -> None:
        self.plan, self.place, self.progress = plan, place, progress
        self.stages = {stage.name: stage for stage in plan.stages}
        self.rank = {stage.name: rank for rank, stage in enumerate(plan.stages)}
        self.sorter = TopologicalSorter({stage.name: stage.needs for stage in plan.stages})
        try:
            self.sorter.prepare()
        except CycleError as error:
            raise NanoscopeError(f"these stages wait for one another: {', '.join(error.args[1])}") from None
        self.ready: list[Stage] = []
        self.running: dict[Future[Any], Stage] = {}
        self.notes: dict[str, str] = {}
        self.records: dict[str, Record] = {}
        self.ended: list[Record] = []
        self.attempts: Counter[str] = Counter()
        self.pace = Pace(plan, place)

    @property
    def finished(self) -> bool:
        return len(self.records) == len(self.stages)

    def settle(self) -> None:
        """Take as ended what has left a record, and what becomes ready by that, until nothing more does."""
        while names := self.sorter.get_ready():
            self.ready += [self.stages[name] for name in names]
            for stage in [stage for stage in self.ready if stage.name in names]:
                if record := recorded(stage, self.place, stage_key(stage, self.place, self.records_of(stage))):
                    self.ready.remove(stage)
                    self.end(stage, record)
        self.ready.sort(key=lambda stage: self.rank[stage.name])

    def drive(self, engine: Engine) -> None:
        """Run stages until all have ended, or the engine breaks: then the next one goes on."""
        try:
            while not self.finished:
                self.submit(engine)
                self.tell(engine.slots)
                for future in wait(self.running, POLL_SECONDS, FIRST_COMPLETED).done:
                    self.take(future)
        except BrokenExecutor:
            self.again(*[self.running.pop(future) for future in list(self.running)])

    def submit(self, engine: Engine) -> None:
        """Fill the engine, so that all that is submitted is running: what dies with a process is then known."""
        while self.ready and len(self.running) < engine.slots:
            stage, inputs = self.ready[0], self.records_of(self.ready[0])
            lock = self.place.record(stage_key(stage, self.place, inputs), "lock")
            self.notes[stage.name] = EARLIER if files.is_held(lock) else ""
            self.running[engine.submit(perform, stage, self.place, inputs)] = stage
            self.ready.pop(0)

    def take(self, future: Future[Any]) -> None:
        """One stage has ended, well or not."""
        stage = self.running[future]
        error = _error(future)
        if isinstance(error, BrokenExecutor):
            raise error
        del self.running[future]
        if error is not None and lost(error):
            return self.again(stage)
        if error is not None:
            raise RuntimeError(f"{stage.name} failed: {error}") from error
        outcome = future.result()
        if isinstance(outcome, Problem):
            raise NanoscopeError(f"{stage.name}: {outcome.text}")
        self.end(stage, outcome)
        self.ended.append(outcome)
        self.settle()

    def again(self, *stages: Stage) -> None:
        """Their process died. Some deaths are nobody's fault; but a stage that kills every process is not tried for ever."""
        self.attempts.update(stage.name for stage in stages)
        given_up = [stage.name for stage in stages if self.attempts[stage.name] > MOST_RETRIES]
        if given_up:
            raise NanoscopeError(
                f"{' and '.join(given_up)}: the process was killed {MOST_RETRIES + 1} times; is there too little memory? "
                "Try fewer --workers; what is done stays"
            )
        self.ready = [*stages, *self.ready]

    def end(self, stage: Stage, record: Record) -> None:
        self.records[stage.name] = record
        self.sorter.done(stage.name)

    def records_of(self, stage: Stage) -> dict[str, str]:
        return {name: self.records[name].output for name in stage.needs}

    def tell(self, slots: int) -> None:
        running = {stage.name: self.notes[stage.name] for stage in self.running.values()}
        self.progress(StudyProgress(self.pace.groups(State(self.records, running, slots)), tuple(self.ended)))


def _error(future: Future[Any]) -> BaseException | None:
    try:
        return future.exception()
    except CancelledError as error:
        return error
