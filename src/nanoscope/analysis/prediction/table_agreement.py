"""How much a model predicts as n-gram tables do, place by place.

Both predict the same next token from the same window. For each order n: the loss of each, whether both have the same first
choice, and how far the two distributions lie apart, KL(table || model) and KL(model || table), nats. The first is large where
the model rules out what the table allows, the second where the model expects what the table has hardly seen; they need not
name the same order as the nearest, so both are given.

Source: Hoogland et al. 2024 compare a transformer with n-gram tables over training; docs/methods/behaviour.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from nanoscope.analysis.prediction import position_loss
from nanoscope.interventions.run import run
from nanoscope.model.gpt import GPT
from nanoscope.tasks import metrics
from nanoscope.text.ngrams import PROBABILITIES, NGrams
from nanoscope.text.passages import Passages
from nanoscope.text.windows import at_a_time, batches

CHUNK = 16
WAYS = ("KL(table || model)", "KL(model || table)", "same first choice")


@dataclass(frozen=True)
class Agreement:
    """A model beside n-gram tables of orders 1, 2, ..., at the same places of some windows."""

    loss: Float[np.ndarray, "window place"] = field(repr=False)
    """The model's, nats."""
    table_loss: Float[np.ndarray, "order window place"] = field(repr=False)
    ways: Float[np.ndarray, "way order window"] = field(repr=False)
    """`WAYS`, each a mean over the places of a window: nats, nats, a share."""


def over_text(model: GPT, tables: NGrams, text: Passages, where: slice) -> Agreement:
    """Both at the positions `where` of each window."""
    first, last, _ = where.indices(text.targets.shape[1])
    chunk = at_a_time(CHUNK, text.tokens.shape[1], model.config.vocab_size)
    parts = [_on_chunk(model, tables, text[some], first, last) for some in batches(len(text), chunk)]
    loss, ways = (list(values) for values in zip(*parts, strict=True))
    return Agreement(
        np.concatenate(loss), position_loss.of_tables(tables, text)[..., first:last], np.concatenate(ways, axis=2)
    )


def _on_chunk(model: GPT, tables: NGrams, some: Passages, first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
    """The model's loss `[window, place]`, and the means `[way, order, window]`."""
    log_probs = metrics.log_probs(some.read(run(model, some.tokens).logits)[:, first:last].float()).cpu()
    windows, count, symbols = log_probs.shape
    places = list(batches(count, at_a_time(count, windows, symbols, PROBABILITIES)))
    ways = [_ways(tables, some, log_probs[:, at], slice(first + at.start, first + at.stop)) for at in places]
    loss = -metrics.chosen(log_probs, some.targets[:, first:last]).double().numpy()
    return loss, np.concatenate(ways, axis=-1).mean(-1)


def _ways(
    tables: NGrams, some: Passages, log_probs: Float[Tensor, "window place vocab"], where: slice
) -> Float[np.ndarray, "way order window place"]:
    """Only of some positions at a time: all those of a large vocabulary would fill the memory."""
    known = tables.distribution(some.current.numpy(), where)
    return np.stack([_beside(torch.from_numpy(table), log_probs) for table in known], axis=1)


def _beside(
    table: Float[Tensor, "window place vocab"], log_probs: Float[Tensor, "window place vocab"]
) -> Float[np.ndarray, "way window place"]:
    """`WAYS` for one table, whose logarithm is taken in float64: a rare token's probability is no float32."""
    difference = table.log().float() - log_probs
    forth, back = (table.float() * difference).sum(-1), -(log_probs.exp() * difference).sum(-1)
    same = table.argmax(-1) == log_probs.argmax(-1)
    return torch.stack([forth, back, same.float()]).double().numpy()
