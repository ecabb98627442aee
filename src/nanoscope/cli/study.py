"""`nanoscope study`: run all stages of a preset with a progress table, then write the report."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from rich.console import Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from nanoscope.cli.bars import clock, progress
from nanoscope.cli.console import (
    CONSOLE,
    DataName,
    GivenNames,
    GivenPath,
    GivenPaths,
    called,
    open_text,
    print_answers,
    say,
)
from nanoscope.cli.training import StudyPreset
from nanoscope.errors import NanoscopeError

if TYPE_CHECKING:
    from nanoscope.studies.progress import StageGroup, StudyProgress

WORDS = {"train": "training", "snapshot": "checkpoints", "analyse": "analyses", "compare": "comparisons"}
COLUMNS = ("", "done", "running", "waiting", "left", "")


@dataclass(frozen=True)
class StudyCommand:
    """Train and analyse all models of a preset and write FINDINGS.md. An interrupted study resumes."""

    preset: Annotated[tyro.conf.Positional[StudyPreset], tyro.conf.arg(metavar="PRESET")] = "quick"
    """The models: quick (minutes); control, scale, doses, code, wiki (hours); published, all that is in results/ (days)."""
    out: GivenPath = None
    """Folder of the study; default: runs/PRESET. On a cluster it must be on a disk that all machines share."""
    data: DataName = None
    """The text to train on: a file, or shakespeare, code or wiki (./code is a file of that name); default: shakespeare."""
    seeds: int = 6
    """Train each kind of model with seeds 1 to this number; a larger number extends an earlier study."""
    leave_out: GivenNames = ()
    """Models to leave out, by name or prefix, such as `text- echo- code`; default: none."""
    trained: GivenPaths = ()
    """Folders of trainings that `nanoscope train` made, to take over instead of training these models; default: none."""
    cluster: str = "local"
    """Where the stages run: local, dask[:ADDRESS] or slurm[:PARTITION]; see docs/clusters.md."""
    workers: int = 0
    """Stages run in parallel, one thread each; 0 means two (one on a single core), or all workers of an existing cluster."""


def run_study_command(command: StudyCommand) -> None:
    from nanoscope import report
    from nanoscope.studies.presets import STUDIES, only
    from nanoscope.studies.run import run_study

    if command.workers < 0:
        raise NanoscopeError(f"workers must be 0 (automatic) or more, not {command.workers}")
    folder = command.out or Path("runs") / command.preset
    corpus = open_text(command.data)
    study = only(STUDIES[command.preset], command.seeds, command.leave_out)
    if not study.members:
        raise NanoscopeError("no models are left in the study; raise --seeds or give --leave-out fewer names")
    with display() as show:
        results = run_study(
            study, corpus, folder, command.workers or None, show, command.cluster, called(), command.trained
        )
    if report.is_current(folder):
        return say(f"nothing to do: all stages are finished\nreport: {folder / 'FINDINGS.md'}")
    with progress("report") as show:
        page = report.write(folder, show)
    report.note_current(folder)
    for result in results:
        print_answers(result)
    say(f"\nreport: {page}\nfigures: {folder / 'figures'}\nnumbers: {folder / 'findings.json'}")


@contextmanager
def display() -> Iterator[Callable[[StudyProgress], None]]:
    """A live table on a terminal; in a log, one line for each finished stage."""
    if not CONSOLE.is_terminal:
        yield _Log().show
        return
    began = time.monotonic()
    with Live(console=CONSOLE, refresh_per_second=4, transient=True) as live:
        yield lambda status: live.update(drawn(status, time.monotonic() - began))


def drawn(status: StudyProgress, elapsed: float) -> Group:
    """One row per kind of stage, followed by one for each of its models that is running."""
    from nanoscope.studies.progress import summed

    table = Table(*COLUMNS, box=None, padding=(0, 2, 0, 0), header_style="dim")
    kinds = summed(status.groups)
    for group in kinds:
        table.add_row(*_row(WORDS[group.kind], group), style="dim" if group.done and not _unfinished(group) else None)
        for part in (part for part in status.groups if part.kind == group.kind and part.running):
            table.add_row(*_row(f"  {escape(part.label)}", part))
    lefts = [group.seconds_left for group in kinds]
    known = sum(left for left in lefts if left is not None)
    left = f"at least {clock(known)} left" if None in lefts else f"about {clock(known)} left"
    return Group(table, f"[dim]{status.done} of {status.total} stages, {clock(elapsed)}, {left}[/]")


def _row(name: str, group: StageGroup) -> tuple[str, ...]:
    left = "?" if group.seconds_left is None else clock(group.seconds_left) if _unfinished(group) else ""
    return name, str(group.done), str(group.running or ""), str(group.waiting or ""), left, escape(group.note)


def _unfinished(group: StageGroup) -> int:
    return group.running + group.waiting


class _Log:
    """Prints each finished stage once."""

    def __init__(self) -> None:
        self.shown = 0

    def show(self, status: StudyProgress) -> None:
        for record in status.ended[self.shown :]:
            self.shown += 1
            say(f"{record.name}: {clock(record.seconds)} ({self.shown + _before(status)} of {status.total} stages)")


def _before(status: StudyProgress) -> int:
    """The number of stages that were finished before this call."""
    return status.done - len(status.ended)
