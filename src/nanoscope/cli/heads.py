"""`nanoscope heads`: the class of every attention head, and its attention pattern on a text of your own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from rich.table import Column
from rich.text import Text

from nanoscope.cli.bars import progress
from nanoscope.cli.console import (
    CONSOLE,
    GivenText,
    ModelOptions,
    called,
    narrow_table,
    open_subject,
    read_prompt,
    save_figure,
    say,
    subject_at,
    tell,
)
from nanoscope.cli.figure_files import FigureFile, figure_file, require_figure_file

if TYPE_CHECKING:
    from nanoscope.experiments.heads.census import Named
    from nanoscope.views.heads import HeadSummary


@dataclass(frozen=True)
class HeadsCommand(ModelOptions):
    """What does each attention head do? `nanoscope heads CKPT`; --text also draws each head's attention on your text.

    Scores are shares of attention above chance, on text not used to choose the classes; p-values are corrected for all
    heads and classes. The result is stored and reused; `nanoscope run heads` offers all settings.
    """

    text: GivenText = None
    """Text on which every head's attention is drawn; default: the beginning of a speech."""
    full: bool = False
    """Use as many examples as the published findings do; slower."""
    out: FigureFile = None
    """File of the figure: .png, .svg or .pdf; the result is stored in the folder `results` next to it."""


def run_heads(command: HeadsCommand) -> None:
    """Score every head, print the table, and draw the attention."""
    from nanoscope import files
    from nanoscope.experiments import open_experiment
    from nanoscope.experiments.heads.census import by_strength
    from nanoscope.experiments.heads.figures import sentence
    from nanoscope.experiments.heads.setting import QUICK, Params
    from nanoscope.experiments.runner import run_experiment
    from nanoscope.views.heads import attention, summaries

    require_figure_file(command.out)
    checkpoint, corpus = open_subject(command)
    file = figure_file(command.out, "heads", command.text or "", checkpoint.sha256, command.data)
    patterns = None if command.text is None else attention(checkpoint, read_prompt(checkpoint, command.text))
    subject = subject_at(command.checkpoint, checkpoint, corpus)
    folder, settings = file.parent, Params() if command.full else QUICK
    with files.exclusive_lock(folder), progress("heads") as show:
        result = run_experiment(open_experiment("heads"), subject, settings, folder / "results", called(), show)
    rows = summaries(result)
    _print(rows)
    _print_planted(by_strength(result.sweeps))
    say(f"result: {folder / 'results' / result.key}")
    layers = groupby(rows, lambda row: row.name.partition("H")[0])
    titles = [[row.attention_class or "" for row in layer] for _, layer in layers]
    save_figure(sentence(patterns or result["example"], titles, str(command.checkpoint)), file)


def _print(rows: tuple[HeadSummary, ...]) -> None:
    """One row per head: its classes, the two classes with the highest shares, and its strongest OV entry."""
    table = narrow_table(
        Column("head", no_wrap=True), "class", "attends most to", "then to", Column("a → b", no_wrap=True)
    )
    for row in rows:
        table.add_row(
            row.name,
            Text(row.attention_class or "none", style="bold green" if row.has_class else "dim"),
            f"{row.attends_to} {row.share:.2f}",
            f"{row.second} {row.second_share:.2f}",
            Text(_writes(row)),
        )
    CONSOLE.print(table)
    tell("a → b: attending to a raises the logit of b most, by so much")
    _print_criterion(rows)


def _print_criterion(rows: tuple[HeadSummary, ...]) -> None:
    from nanoscope.experiments.heads.label import SIGNIFICANT, WEAK

    some = sum(row.has_class for row in rows)
    tell(
        f"{some} of {len(rows)} heads have a class: at least {WEAK} of their attention, above chance, on each of two halves of "
        f"the text (shares: of the second), and p <= {SIGNIFICANT} corrected for all heads and classes"
    )


def _print_planted(found: Mapping[float, Named]) -> None:
    shares = ", ".join(f"{strength:g}: {100 * one.right:.0f} %" for strength, one in found.items())
    tell(
        f"planted heads named right, by the share of attention on their class's keys: {shares}; a head of random attention "
        f"gets a name in {100 * sum(one.invented for one in found.values()) / len(found):.0f} % of cases",
        style="dim",
    )


def _writes(row: HeadSummary) -> str:
    from nanoscope.plots.style import visible_character

    if row.writes is None:
        return ""
    attended, raised, by = row.writes
    return f"{visible_character(attended)} → {visible_character(raised)} {by:+.1f}"
