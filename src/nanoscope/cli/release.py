"""`nanoscope release`: write a checkpoint in its published form."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tyro

from nanoscope.cli.bars import progress
from nanoscope.cli.console import open_text, say


@dataclass(frozen=True)
class ReleaseCommand:
    """Write a checkpoint for publication: half precision, split into parts with checksums, with a model card."""

    checkpoint: tyro.conf.Positional[Path]
    to: tyro.conf.Positional[Path]
    """Folder of the release, such as trained_models/shakespeare-1; its name becomes the model's name."""
    data: str | None = None
    """The training text, on whose validation split the release is evaluated; default: shakespeare."""


def run_release(command: ReleaseCommand) -> None:
    from nanoscope.checkpoints.checkpoint import load
    from nanoscope.training.release import release

    with progress("release") as show:
        measured = release(load(command.checkpoint), open_text(command.data), command.to, progress=show).training
    say(
        f"validation loss {measured['val_loss']:.4f} nats per character (before rounding {measured['val_loss_float32']:.4f})"
    )
    say(f"wrote {command.to}; model card: {command.to / 'README.md'}")
