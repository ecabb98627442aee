"""Effective context: how much a model loses when it sees only the last k tokens.

At the same places of a text, cost(k) = loss(x | last k tokens) - loss(x | the whole window up to there), in nats. The last
k tokens are read as a text of their own (after the start symbol, if the model needs one), at positions 0 to k - 1: so the
beginning of every training window looks, and a model has learned to predict from it.

The places lie in the second half of their windows, so the whole context is at least half a window. A long cut costs a
forward pass of k tokens for each place: long cuts are therefore measured at fewer of the places, spread evenly.

Source: Khandelwal et al. 2018, "Sharp Nearby, Fuzzy Far Away", which truncates the context of LSTMs in the same way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from nanoscope.analysis.prediction import position_loss
from nanoscope.errors import NanoscopeError
from nanoscope.evidence.sweep import Sweep
from nanoscope.interventions.run import run
from nanoscope.model.gpt import GPT
from nanoscope.tasks import metrics
from nanoscope.text.passages import Passages
from nanoscope.text.windows import at_a_time, batches, started

LENGTHS = (1, 2, 3, 4, 5, 8)
"""The cuts that are measured, followed by 16, 32, ..., up to half a window."""
TOKENS = 10_240
"""The most tokens that are read for one cut."""
CHUNK_TOKENS = 2048
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class ContextCost:
    """What each cut costs."""

    cost: Sweep
    """`[context, window]`, nats: the mean over a window's places of the loss with a cut context minus that with the whole."""
    whole: Sweep
    """`[window]`, nats: the mean loss with the whole context, over all positions of the second half."""
    places: tuple[int, ...]
    """How many places each cut was measured at, in all windows together."""


def cuts(size: int) -> tuple[int, ...]:
    """The lengths to which the context of windows of `size` tokens is cut."""
    long = [2**n for n in range(4, size.bit_length())]
    return tuple(k for k in (*LENGTHS, *long) if k <= size // 2)


def cost_of_cuts(
    model: GPT,
    text: Passages,
    start: int | None = None,
    most_tokens: int = TOKENS,
    progress: Progress = lambda done, total: None,
    lengths: tuple[int, ...] | None = None,
) -> ContextCost:
    """The cost of every cut, or of cuts to some `lengths`.

    NanoscopeError if the windows have fewer than two tokens, so that nothing can be cut.
    """
    size = text.targets.shape[1]
    lengths = cuts(size) if lengths is None else lengths
    if not lengths:
        raise NanoscopeError(f"windows of {size} token have no context that could be cut")
    whole, rows, counts = position_loss.of_model(model, text), [], []
    for done, length in enumerate(lengths, start=1):
        at = spread_places(size, max(1, most_tokens // (length * len(text))))
        rows.append((of_cut(model, text, at, length, start) - whole[:, at]).mean(1))
        counts.append(len(text) * len(at))
        progress(done, len(lengths))
    cost = Sweep(np.stack(rows), ("context", "window"), "nats", {"context": lengths})
    return ContextCost(cost, Sweep(whole[:, size // 2 :].mean(1), ("window",), "nats"), tuple(counts))


def spread_places(size: int, most: int) -> Int[np.ndarray, "place"]:
    """At most `most` positions in the second half of a window, spread evenly."""
    first = size // 2
    return np.unique(np.linspace(first, size - 1, min(most, size - first)).round().astype(np.int64))


def of_cut(
    model: GPT, text: Passages, at: Int[np.ndarray, "place"], length: int, start: int | None = None
) -> Float[np.ndarray, "window place"]:
    """The loss at some positions of every window when only the last `length` tokens are seen, in nats.

    Equal contexts are read once: of a text's characters there are few.
    """
    reach = torch.from_numpy(at)[:, None] + torch.arange(1 - length, 1)
    contexts, which = text.current[:, reach].flatten(0, 1).unique(dim=0, return_inverse=True)
    return (
        -_after(model, started(contexts, start), which, text.targets[:, at].flatten()).view(len(text), len(at)).numpy()
    )


def _after(
    model: GPT, contexts: Int[Tensor, "context pos"], which: Int[Tensor, "place"], targets: Int[Tensor, "place"]
) -> Float[Tensor, "place"]:
    """The log-probability of each target after the context `which` belongs to it."""
    found, size = torch.empty(len(which), dtype=torch.double), contexts.shape[1]
    for some in batches(len(contexts), at_a_time(max(1, CHUNK_TOKENS // size), size, model.config.vocab_size)):
        log_probs = metrics.log_probs(run(model, contexts[some]).logits[:, -1].float()).cpu()
        here = (which >= some.start) & (which < some.stop)
        found[here] = log_probs[which[here] - some.start, targets[here]].double()
    return found
