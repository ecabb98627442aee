"""`nanoscope convert`: read somebody's GPT and write it in nanoscope's own format, saying where each property was read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from rich.markup import escape
from rich.table import Table

from nanoscope.cli.bars import progress
from nanoscope.cli.console import CONSOLE, CheckpointPath, VocabularyFile, say, thread_count
from nanoscope.errors import NanoscopeError

if TYPE_CHECKING:
    from nanoscope.checkpoints.checkpoint import Checkpoint

Pairs = Annotated[tuple[str, ...], tyro.conf.arg(metavar="PAIRS", help_behavior_hint="")]


@dataclass(frozen=True)
class ConvertCommand:
    """Read another program's GPT and write it as a folder that every command opens; prints where each property was read."""

    checkpoint: CheckpointPath
    """A file or folder with the weights of a GPT: .pt, .bin, .safetensors, .json, or a folder of transformers."""
    out: Path
    """The folder to write."""
    data: Annotated[Path | None, tyro.conf.arg(metavar="TEXT", help_behavior_hint="")] = None
    """A text like the training text: it decides what the file does not say, and the loss on it is printed; default: none."""
    vocabulary: VocabularyFile = None
    """meta.pkl, a .json table, or the training text; default: as nanoGPT finds it."""
    set: Pairs = ()
    """NAME=VALUE for what the file does not say, such as activation=relu n_head=6; default: none."""
    rename: Pairs = ()
    """OLD=NEW for parts of weights' names that are called otherwise, such as in_f=ln_f; default: none."""


def run_convert(command: ConvertCommand) -> None:
    import torch

    from nanoscope.checkpoints.checkpoint import load, save
    from nanoscope.views.converted import described_losses

    settings, rename = _pairs(command.set, "--set"), _pairs(command.rename, "--rename")
    torch.set_num_threads(thread_count(0))
    with progress("convert") as show:
        checkpoint = load(
            command.checkpoint,
            vocabulary=command.vocabulary,
            settings=settings,
            rename=rename,
            data=command.data,
            progress=show,
        )
    for note in checkpoint.notes:
        say(f"note: {note}", style="dim")
    CONSOLE.print(_table(checkpoint, command.checkpoint))
    if command.data is not None and checkpoint.vocabulary is not None:
        for line in described_losses(checkpoint, command.checkpoint, command.data):
            say(line)
    save(checkpoint, command.out)
    say(f"wrote {command.out}")


def _pairs(given: tuple[str, ...], option: str) -> dict[str, str]:
    """`name=value` texts as a table."""
    for one in given:
        if "=" not in one or one.startswith("="):
            raise NanoscopeError(f"{option} takes NAME=VALUE, not {one!r}")
    return dict(one.split("=", 1) for one in given)


def _table(checkpoint: Checkpoint, path: Path) -> Table:
    """Field, value, where it was read, and the runner-up where a text decided."""
    table = Table(title=escape(str(path)), title_justify="left")
    for column in ("field", "value", "from"):
        table.add_column(column)
    for one in checkpoint.read_from:
        where = f"{one.where} ({one.runner_up})" if one.runner_up else one.where
        table.add_row(one.field, escape(str(one.value)), escape(where))
    return table
