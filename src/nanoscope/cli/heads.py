"""`nanoscope heads`: what every attention head does, and where it looks in a text of one's own."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import tyro
from rich.table import Table
from rich.text import Text

from nanoscope.cli.console import CONSOLE, called, open_text, say, thread_count
from nanoscope.errors import NanoscopeError

if TYPE_CHECKING:
    from nanoscope.checkpoints.checkpoint import Checkpoint
    from nanoscope.evidence.result import Result
    from nanoscope.evidence.sweep import Sweep


@dataclass(frozen=True)
class HeadsCommand:
    """What does each attention head do? `nanoscope heads CKPT`; with --text, where each one looks in it.

    Scores are shares of attention above chance, on text that the class was not chosen on; p is over all heads and classes.
    The result is stored like any experiment's (`nanoscope run heads` has all settings); a second call reads it.
    """

    checkpoint: tyro.conf.Positional[Path]
    text: str | None = None
    """A text to draw every head's attention on; without it, the beginning of a speech."""
    data: str | None = None
    """Text to score the heads on: any file, or shakespeare, code or wiki; without it, shakespeare."""
    full: bool = False
    """As many examples as for published findings, not only enough for a table."""
    threads: int = 0
    """CPU threads; 0 takes all cores."""
    out: Path = Path("runs/mine/heads.png")
    """The figure; the result lies in the folder `results` beside it."""


def run_heads(command: HeadsCommand) -> None:
    """Score every head, print the table, and draw the attention."""
    import torch

    from nanoscope import files
    from nanoscope.checkpoints.checkpoint import load
    from nanoscope.experiments import open_experiment
    from nanoscope.experiments.experiment import Subject
    from nanoscope.experiments.heads.figures import sentence
    from nanoscope.experiments.heads.setting import QUICK, Params
    from nanoscope.experiments.runner import run_experiment
    from nanoscope.plots.style import save_png

    torch.set_num_threads(thread_count(command.threads))
    checkpoint = load(command.checkpoint)
    patterns = None if command.text is None else _patterns(checkpoint, command)
    subject = Subject(checkpoint, open_text(command.data), f"the model {command.checkpoint}")
    with files.only_writer(command.out.parent), CONSOLE.status("scoring every head"):
        settings = Params() if command.full else QUICK
        result = run_experiment(open_experiment("heads"), subject, settings, command.out.parent / "results", called())
    _print(result)
    titles = [[_class(result, layer, head) or "" for head in range(count)] for layer, count in _shape(result)]
    save_png(sentence(patterns or result["example"], titles, str(command.checkpoint)), command.out)
    say(f"result: {command.out.parent / 'results' / result.key}")
    say(f"figure: {command.out}")


def _patterns(checkpoint: Checkpoint, command: HeadsCommand) -> Sweep:
    """Every head's attention on the user's text: `[layer, head, query, key]`."""
    from nanoscope.evidence.sweep import Sweep
    from nanoscope.interventions.run import run

    if checkpoint.vocabulary is None:
        raise NanoscopeError(f"{command.checkpoint} has no vocabulary, so no text can be read into it")
    assert command.text is not None
    tokens = checkpoint.vocabulary.encode(command.text)
    if len(tokens) < 2:
        raise NanoscopeError("the text needs two characters or more, or there is nothing to attend to")
    cache = run(checkpoint.model, tokens[None], keep=["pattern"]).cache
    coords = {"query": tuple(command.text), "key": tuple(command.text)}
    values = cache.layers("pattern")[:, 0].numpy()
    return Sweep(values, ("layer", "head", "query", "key"), "attention", coords)


def _print(result: Result) -> None:
    """One row per head: its class (dim where it has none: the best one then), what comes second, what its weights do."""
    table = Table("head", "attends to", "share", "p", "and to", "share", "attending to → raises")
    classes = [str(name) for name in result["scores_report"].labels("cls")]
    report, p = result["scores_report"].values, result["p"].values
    for layer, count in _shape(result):
        for head in range(count):
            named = _class(result, layer, head)
            order = list((-report[:, layer, head]).argsort(kind="stable"))
            own = classes.index(named) if named else int(order[0])
            second = next(i for i in order if i != own)
            table.add_row(
                f"L{layer}H{head}",
                Text(classes[own], style="bold green" if named else "dim"),
                f"{report[own, layer, head]:.2f}",
                f"{p[own, layer, head]:.3f}",
                Text(classes[second], style="dim"),
                f"{report[second, layer, head]:.2f}",
                Text(_writes(result, layer, head)),
            )
    CONSOLE.print(table)
    say(
        "green: the head's class; dim: too little, or not significant. Shares are of attention, above chance.",
        style="dim",
    )
    say(result.finding("heads.categoriser").text.replace("**", ""), style="dim")


def _shape(result: Result) -> list[tuple[int, int]]:
    layers, heads = result["label"].values.shape
    return [(layer, heads) for layer in range(layers)]


def _class(result: Result, layer: int, head: int) -> str | None:
    label = int(result["label"].values[layer, head])
    return None if label < 0 else str(result["scores_report"].labels("cls")[label])


def _writes(result: Result, layer: int, head: int) -> str:
    symbols = [{"\n": "↵", " ": "␣"}.get(str(s), str(s)) for s in result["symbols"].labels("symbol")]
    source, target, value = result["ov_strongest"].values[layer, head, 0]
    return "" if math.isnan(value) else f"{symbols[int(source)]} → {symbols[int(target)]} {value:+.1f}"
