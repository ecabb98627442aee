"""The contents of a checkpoint file of any format: config, weights under nanoGPT's names, and metadata."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from nanoscope.checkpoints.reading.readings import Reading
from nanoscope.model.config import GPTConfig
from nanoscope.text.tokenizer import Tokenizer


@dataclass(frozen=True)
class Contents:
    """A checkpoint before its model is built; the fields are those of `Checkpoint`."""

    config: GPTConfig
    weights: Mapping[str, Tensor] = field(repr=False)
    vocabulary: Tokenizer | None = field(repr=False, default=None)
    corpus: str | None = None
    training: Mapping[str, Any] = field(default_factory=dict)
    sha256: str = ""
    notes: tuple[str, ...] = ()
    no_vocabulary: str = ""
    """Why it has no vocabulary, and what to do; empty where that is unknown or it has one."""
    read_from: tuple[Reading, ...] = ()
    """Where each property was read; empty for our own format, whose files state them all."""
