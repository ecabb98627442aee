"""The text on which a model's abilities pay: windows of the kind that it was trained on.

On ordinary text a model that was trained to copy spans has nothing to copy, and its copying heads look idle.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from nanoscope.seeds import seed_for
from nanoscope.text.passages import Passages
from nanoscope.training.batches import echo


def has_copied_spans(training: Mapping[str, Any]) -> bool:
    """Whether a model of this training (`Checkpoint.training`) learned on windows with a span and its copy."""
    return training.get("data") == "echo"


def with_copied_spans(text: Passages, symbols: int, *labels: object) -> Passages:
    """The windows with a span of uniformly drawn symbols and its copy in each, as `EchoBatches` makes them.

    `members` stays that of the text below: kinds of characters that a span overwrote are no longer those.
    """
    generator = torch.Generator().manual_seed(seed_for("own text", *labels))
    whole = text.text.clone()
    for window in whole:
        echo(window, symbols, generator)
    tokens = torch.cat([text.tokens[:, : text.lead], whole[:, :-1]], dim=1)
    return replace(text, tokens=tokens, text=whole)
