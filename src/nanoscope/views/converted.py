"""The loss of a converted model on a text, beside what its own file says."""

from __future__ import annotations

import math
from pathlib import Path

from nanoscope.checkpoints.checkpoint import Checkpoint, text_of
from nanoscope.checkpoints.formats.source import Source
from nanoscope.checkpoints.reading.losses import TOKENS, sample, window_losses
from nanoscope.checkpoints.reading.settings import losses_said

FAR = 0.15
"""Nats above the file's own loss from which on a reading is doubtful: other texts and windows explain less."""


def described_losses(checkpoint: Checkpoint, path: Path, data: str | Path) -> list[str]:
    """The loss on a sample of a text and what the file says, in words; a warning where they do not go together."""
    tokens = checkpoint.encode(text_of(data))
    windows = sample(tokens, checkpoint.model.config.block_size, TOKENS, checkpoint.model.config.block_size)
    loss = float(window_losses(checkpoint.model, windows).mean())
    stated = losses_said(Source(path).tables)
    says = f"; the file says {stated[1]:.3f} ({stated[0]})" if stated else ""
    lines = [f"loss on {data} {loss:.3f}{says}"]
    if stated and loss > stated[1] + FAR:
        lines.append("note: that is far above what the file says: is it its text, and is everything read right?")
    if loss > math.log(checkpoint.model.config.vocab_size):
        lines.append("note: that is worse than guessing: the text, its vocabulary or a property is another one")
    return lines
