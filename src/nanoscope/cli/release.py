"""`nanoscope release`: write a checkpoint in its published form."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from nanoscope.cli.bars import progress
from nanoscope.cli.console import CheckpointPath, DataName, VocabularyFile, open_model, open_text, say, tell


@dataclass(frozen=True)
class ReleaseCommand:
    """Write a checkpoint for publication: half precision, split into parts with checksums, with a model card."""

    checkpoint: CheckpointPath
    """The checkpoint to publish."""
    to: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="FOLDER")]
    """Folder of the release, such as trained_models/shakespeare-1; its name becomes the model's name."""
    data: DataName = None
    """The training text: a file, or shakespeare (default), code or wiki. The model is evaluated on its validation split."""
    vocabulary: VocabularyFile = None
    """meta.pkl, a .json table, or the training text; default: as nanoGPT finds it."""


def run_release(command: ReleaseCommand) -> None:
    from nanoscope.training.release import release

    checkpoint = open_model(command.checkpoint, 0, vocabulary=command.vocabulary)
    with progress("release") as show:
        measured = release(checkpoint, open_text(command.data), command.to, progress=show).training
    tell(
        f"validation loss {measured['val_loss']:.4f} nats per character (before rounding {measured['val_loss_float32']:.4f})"
    )
    say(f"wrote {command.to}; model card: {command.to / 'README.md'}")
