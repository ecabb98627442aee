"""`nanoscope export`: write a checkpoint for another program."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from nanoscope.cli.console import CheckpointPath, VocabularyFile, open_model, say, tell


@dataclass(frozen=True)
class ExportCommand:
    """Write a checkpoint for nanoGPT, Hugging Face's transformers or TransformerLens."""

    checkpoint: CheckpointPath
    """The checkpoint to write."""
    to: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="FILE")]
    """The file to write, such as nanoGPT/out/ckpt.pt; with --format gpt2 a new folder."""
    format: Annotated[Literal["nanogpt", "gpt2", "transformerlens"], tyro.conf.arg(metavar="NAME")] = "nanogpt"
    """nanogpt: ckpt.pt, and meta.pkl in the same folder. gpt2: a folder for GPT2LMHeadModel.from_pretrained.
    transformerlens: its state dict and config in one file."""
    vocabulary: VocabularyFile = None
    """meta.pkl, a .json table, or the training text; default: as nanoGPT finds it."""


def run_export(command: ExportCommand) -> None:
    from nanoscope.checkpoints.exports import export
    from nanoscope.checkpoints.exports.nanogpt import NO_RESUME, sampling_note

    checkpoint = open_model(command.checkpoint, 0, vocabulary=command.vocabulary)
    say(f"writing {command.to}", style="dim")
    for path in export(checkpoint, command.to, command.format):
        say(f"wrote {path}")
    if command.format != "nanogpt":
        return
    for note in filter(None, (sampling_note(checkpoint, command.to), NO_RESUME)):
        tell(f"note: {note}", style="dim")
