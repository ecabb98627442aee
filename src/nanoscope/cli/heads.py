"""`nanoscope heads`: the class of every attention head, and its attention pattern on a text of your own."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from nanoscope.cli.console import CONSOLE, GivenText, ModelOptions, called, open_subject, read_prompt, save_figure, say

if TYPE_CHECKING:
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
    out: Path = Path("runs/mine/heads.png")
    """File of the figure; the result is stored in the folder `results` next to it."""


def run_heads(command: HeadsCommand) -> None:
    """Score every head, print the table, and draw the attention."""
    from nanoscope import files
    from nanoscope.experiments import open_experiment
    from nanoscope.experiments.experiment import Subject
    from nanoscope.experiments.heads.figures import sentence
    from nanoscope.experiments.heads.setting import QUICK, Params
    from nanoscope.experiments.runner import run_experiment
    from nanoscope.views.heads import attention, summaries

    checkpoint, corpus = open_subject(command)
    patterns = None if command.text is None else attention(checkpoint, read_prompt(checkpoint, command.text))
    subject = Subject(checkpoint, corpus, f"the model {command.checkpoint}")
    folder, settings = command.out.parent, Params() if command.full else QUICK
    with files.exclusive_lock(folder), CONSOLE.status("scoring every head"):
        result = run_experiment(open_experiment("heads"), subject, settings, folder / "results", called())
    rows = summaries(result)
    _print(rows)
    say(result.finding("heads.categoriser").text.replace("**", ""), style="dim")
    say(f"result: {folder / 'results' / result.key}")
    layers = groupby(rows, lambda row: row.name.partition("H")[0])
    titles = [[row.attention_class or "" for row in layer] for _, layer in layers]
    save_figure(sentence(patterns or result["example"], titles, str(command.checkpoint)), command.out)


def _print(rows: tuple[HeadSummary, ...]) -> None:
    """One row per head: its class (or, dim, the highest-scoring one), the second, and its strongest OV entry."""
    table = Table("head", "attends to", "share", "p", "and to", "share", "attending to → raises")
    for row in rows:
        table.add_row(
            row.name,
            Text(row.attends_to, style="bold green" if row.has_class else "dim"),
            f"{row.share:.2f}",
            f"{row.p:.3f}",
            Text(row.second, style="dim"),
            f"{row.second_share:.2f}",
            Text(_writes(row)),
        )
    CONSOLE.print(table)
    note = "green: the head's class; dim: too small or not significant. Shares of attention are above chance."
    say(note, style="dim")


def _writes(row: HeadSummary) -> str:
    from nanoscope.plots.style import visible_character

    if row.writes is None:
        return ""
    attended, raised, by = row.writes
    return f"{visible_character(attended)} → {visible_character(raised)} {by:+.1f}"
