"""`nanoscope study`: all stages of a preset with a table of how far they are, then the report."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import tyro
from rich.console import Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from nanoscope.cli.console import CONSOLE, called, open_text, print_findings, say
from nanoscope.cli.training import StudyPreset
from nanoscope.errors import NanoscopeError

if TYPE_CHECKING:
    from nanoscope.studies.progress import StageGroup, StudyProgress

WORDS = {"train": "training", "snapshot": "checkpoints", "analyse": "analyses", "compare": "comparisons"}
COLUMNS = ("", "done", "running", "waiting", "left", "")


@dataclass(frozen=True)
class StudyCommand:
    """Train and analyse all models of a preset, and write FINDINGS.md. A study that was stopped goes on."""

    preset: tyro.conf.Positional[StudyPreset] = "quick"
    out: Path | None = None
    """Folder of the study [runs/PRESET]. On a cluster, on a disk that all machines share."""
    data: str | None = None
    """Any text file, or shakespeare, code or wiki (then a file of that name is ./code); without it, shakespeare."""
    seeds: int = 8
    """Of each kind of model the trainings with seeds up to this one; with more, the same command goes on."""
    leave_out: tuple[str, ...] = ()
    """Members to leave out, by their name or its beginning: for instance `text- echo- wiki code`."""
    cluster: str = "local"
    """Where the stages run: local, dask[:ADDRESS] or slurm[:PARTITION]; see docs/clusters.md."""
    workers: int = 0
    """Stages at once, one thread each; 0 takes two (one on a single core), or what an existing cluster has."""


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
        raise NanoscopeError("nothing of the study is left; give a larger --seeds or fewer names to --leave-out")
    with display() as show:
        results = run_study(study, corpus, folder, command.workers or None, show, command.cluster, called())
    with CONSOLE.status("drawing and writing"):
        page = report.write(folder)
    for result in results:
        print_findings(result, headlines=True)
    say(f"\nread   {page}\nfigures {folder / 'figures'}\nnumbers {folder / 'findings.json'}")


@contextmanager
def display() -> Iterator[Callable[[StudyProgress], None]]:
    """On a terminal a table that lives; in a log a line for each stage that has ended."""
    if not CONSOLE.is_terminal:
        yield _Log().show
        return
    began = time.monotonic()
    with Live(console=CONSOLE, refresh_per_second=4, transient=True) as live:
        yield lambda status: live.update(drawn(status, time.monotonic() - began))


def drawn(status: StudyProgress, elapsed: float) -> Group:
    """A row for each kind of stage, and under it one for each model of which something is running."""
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
    """Says each stage's end once."""

    def __init__(self) -> None:
        self.shown = 0

    def show(self, status: StudyProgress) -> None:
        for record in status.ended[self.shown :]:
            self.shown += 1
            say(f"{record.name}: {clock(record.seconds)} ({self.shown + _before(status)} of {status.total} stages)")


def _before(status: StudyProgress) -> int:
    """Stages that were there when this call began."""
    return status.done - len(status.ended)


def clock(seconds: float) -> str:
    """`42 s`, `3 min`, `2.5 h`: as long as one cares to know."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 100 * 60 else f"{seconds / 3600:.1f} h"
