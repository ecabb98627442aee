"""Shared by all commands: the terminal, progress bars and checks of options."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tyro
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from nanoscope.errors import NanoscopeError

if TYPE_CHECKING:
    from nanoscope.checkpoints.checkpoint import Checkpoint
    from nanoscope.evidence.result import Result
    from nanoscope.plots.style import Figure
    from nanoscope.text.corpora import Corpus

CONSOLE = Console(highlight=False)


@dataclass(frozen=True)
class ModelOptions:
    """Options of every command that analyses a model on a text."""

    checkpoint: tyro.conf.Positional[Path]
    """A nanoscope checkpoint folder, or nanoGPT's ckpt.pt."""
    data: str | None = None
    """Text to measure on: a file, or shakespeare (default), code or wiki (write ./code for a file of that name)."""
    threads: int = 0
    """CPU threads; 0 uses all cores."""


def open_model(path: Path, threads: int, device: str = "cpu") -> Checkpoint:
    """Load a checkpoint and set the number of CPU threads."""
    import torch

    from nanoscope.checkpoints.checkpoint import load

    torch.set_num_threads(thread_count(threads))
    return load(path, device)


def called() -> str:
    """The command line as typed, for a result's provenance."""
    return shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])


def thread_count(wanted: int) -> int:
    if wanted < 0:
        raise NanoscopeError(f"threads must be 0 (all cores) or more, not {wanted}")
    return wanted or os.cpu_count() or 1


def chosen_device(wanted: str) -> str:
    import torch

    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if wanted != "cpu" and not torch.cuda.is_available():
        raise NanoscopeError(f"there is no device {wanted} on this machine; use --device cpu")
    return wanted


def open_text(source: str | None) -> Corpus:
    """Open the text that `--data` names: a file or a named corpus."""
    from nanoscope.text.corpora import open_corpus

    return open_corpus(source, lambda line: say(line, style="dim"))


def say(line: str, style: str | None = None) -> None:
    """Print a line unchanged, without wrapping or markup, so that paths stay intact."""
    CONSOLE.print(line, style=style, markup=False, soft_wrap=True)


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure and print its path."""
    from nanoscope.plots.style import save_png

    save_png(figure, path)
    say(f"figure: {path}")


REPLIES = {"yes": "green", "no": "yellow", "cannot tell": "dim", "does not apply": "dim", "withdrawn": "dim"}
VERDICTS = {"supported": "green", "not supported": "yellow"}


def print_answers(result: Result) -> None:
    """Print a result's questions in plain words, each with its answer and the size of the effect."""
    from nanoscope.evidence.answer import answers
    from nanoscope.experiments import open_experiment

    CONSOLE.print(f"\n[bold]{result.experiment}: {escape(result.subject.label)}[/]")
    for one in answers(open_experiment(result.experiment).questions, result):
        CONSOLE.print(f"{escape(one.ask)} [bold {REPLIES[one.reply]}]{one.reply.capitalize()}[/]: {escape(one.size)}.")


def print_findings(result: Result) -> None:
    """Print the answers, then every claim's verdict with its evidence in a sentence."""
    print_answers(result)
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for finding in result.findings:
        verdict = finding.kind if finding.kind == "timing" else "withdrawn" if finding.withdrawn else finding.verdict
        text = finding.withdrawn or finding.text.replace("**", "")
        table.add_row(f"[{VERDICTS.get(verdict, 'dim')}]{verdict}[/]", escape(text))
    CONSOLE.print()
    CONSOLE.print(table)


@contextmanager
def bars() -> Iterator[Progress]:
    """Progress bars for the length of a block."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.completed:.0f}/{task.total:.0f}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with _Noted(*columns, console=CONSOLE) as bars:
        yield bars


class _Noted(Progress):
    """A progress display whose tasks all have a `note`, empty by default."""

    def add_task(self, description: str, *args: Any, **fields: Any) -> TaskID:
        return super().add_task(description, *args, **({"note": ""} | fields))


def duration(hours: float) -> str:
    return f"{hours:.1f} hours" if hours >= 1 else f"{60 * hours:.0f} minutes"
