"""Shared by all commands: the terminal, models and texts, and checks of options."""

from __future__ import annotations

import os
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Annotated

import tyro
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from nanoscope.errors import NanoscopeError

if TYPE_CHECKING:
    from nanoscope.checkpoints.checkpoint import Checkpoint
    from nanoscope.evidence.result import Result
    from nanoscope.experiments.experiment import Subject
    from nanoscope.plots.style import Figure
    from nanoscope.text.corpora import Corpus

CONSOLE = Console(highlight=False)

CheckpointPath = Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="CKPT")]
"""Types of options that may be left out; their words say what happens then."""
VocabularyFile = Annotated[Path | None, tyro.conf.arg(metavar="FILE", help_behavior_hint="")]
DataName = Annotated[str | None, tyro.conf.arg(metavar="FILE|NAME", help_behavior_hint="")]
GivenText = Annotated[str | None, tyro.conf.arg(metavar="TEXT", help_behavior_hint="")]
GivenPath = Annotated[Path | None, tyro.conf.arg(metavar="PATH", help_behavior_hint="")]
GivenPaths = Annotated[tuple[Path, ...], tyro.conf.arg(metavar="PATH", help_behavior_hint="")]
GivenNames = Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME", help_behavior_hint="")]
GivenNumber = Annotated[int | None, tyro.conf.arg(metavar="N", help_behavior_hint="")]
GivenReal = Annotated[float | None, tyro.conf.arg(metavar="X", help_behavior_hint="")]


@dataclass(frozen=True)
class ModelOptions:
    """Options of every command that analyses a model on a text."""

    checkpoint: CheckpointPath
    """nanoGPT's ckpt.pt or its folder, or a checkpoint of nanoscope."""
    data: DataName = None
    """The text to measure on: a file, or shakespeare, code or wiki (./code is a file of that name); default: shakespeare."""
    vocabulary: VocabularyFile = None
    """meta.pkl, a .json table, or the training text; default: meta.pkl beside the checkpoint or in nanoGPT's data folder."""
    threads: int = 0
    """CPU threads; 0 uses all cores."""


def open_model(path: Path, threads: int, device: str = "cpu", vocabulary: Path | None = None) -> Checkpoint:
    """Load a checkpoint, print its notes, and set the number of CPU threads."""
    import torch

    from nanoscope.checkpoints.checkpoint import load

    torch.set_num_threads(thread_count(threads))
    checkpoint = load(path, device, vocabulary=vocabulary)
    for note in checkpoint.notes:
        tell(f"note: {note}", style="dim")
    return checkpoint


def subject_at(path: Path, checkpoint: Checkpoint, corpus: Corpus) -> Subject:
    """A checkpoint as an experiment's subject, named by its path, with the earlier checkpoints of its training."""
    from nanoscope.views import measured_heads

    return measured_heads.subject_at(path, checkpoint, corpus)


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

    return open_corpus(source, lambda line: tell(line, style="dim"))


def open_subject(options: ModelOptions) -> tuple[Checkpoint, Corpus]:
    """The model and the text to measure it on; NanoscopeError if the model cannot read that text."""
    checkpoint = open_model(options.checkpoint, options.threads, vocabulary=options.vocabulary)
    return checkpoint, text_for(checkpoint, options)


def text_for(checkpoint: Checkpoint, options: ModelOptions) -> Corpus:
    """The text to measure a model on; NanoscopeError if the model cannot read it, a note if it is of another text."""
    from nanoscope.views.given_text import doubt, measured_on, require_readable

    _ = checkpoint.known_vocabulary
    corpus = open_text(options.data)
    require_readable(checkpoint, options.checkpoint, corpus, options.data is not None)
    if options.data is None and (note := measured_on(checkpoint, options.checkpoint, corpus)):
        tell(f"note: {note}", style="dim")
    corpus = corpus.read_by(checkpoint.vocabulary)
    if note := doubt(checkpoint, corpus.val, corpus.name):
        tell(f"note: {note}", style="dim")
    return corpus


def read_prompt(checkpoint: Checkpoint, text: str) -> str:
    """A user's text as the model reads it; a note says what was changed or cut."""
    from nanoscope.views.given_text import doubt, prompt

    read = prompt(checkpoint, text)
    for note in (read.note, doubt(checkpoint, read.text, "this text")):
        if note:
            tell(f"note: {note}", style="dim")
    return read.text


def read_pair(checkpoint: Checkpoint, clean: str, corrupt: str, answered: bool) -> tuple[str, str]:
    """Two prompts as the model reads them; where no answers are given, the last token of each is not read."""
    from nanoscope.views.given_text import prompt_pair

    read = prompt_pair(checkpoint, clean, corrupt, more=0 if answered else 1)
    for note in dict.fromkeys(one.note for one in read if one.note):
        tell(f"note: {note}", style="dim")
    return read[0].text, read[1].text


def say(line: str, style: str | None = None) -> None:
    """Print a line unchanged, without wrapping or markup, so that a path or a command can be copied."""
    CONSOLE.print(line, style=style, markup=False, soft_wrap=True)


def tell(words: str, style: str | None = None) -> None:
    """Print sentences without markup, wrapped at spaces; what is wider than the terminal, as a path may be, stays whole."""
    for line in words.split("\n"):
        say(fill(line, CONSOLE.width, break_long_words=False, break_on_hyphens=False), style)


def narrow_table(*columns: Column | str) -> Table:
    """A table with as little as possible between its columns, so that 60 characters have room for words."""
    return Table(*columns, box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure and print its path, with the characters that no font here has."""
    from nanoscope.plots.fonts import missing
    from nanoscope.plots.saving import save

    save(figure, path)
    say(f"figure: {path}")
    if unknown := missing(figure):
        shown = " ".join(unknown[:8]) + (" ..." if len(unknown) > 8 else "")
        tell(
            f"note: no font here has {shown}: placeholders in the figure; install one, such as Noto Sans CJK",
            style="dim",
        )


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


def duration(hours: float) -> str:
    return f"{hours:.1f} hours" if hours >= 1 else f"{60 * hours:.0f} minutes"
