"""A model's behaviour: accuracy and loss on a task, and loss on text by the length of the match that could be copied.

The baseline is never 1/V alone: each number is compared with the corrupt run's, and with n-gram tables at the same
positions (docs/methods/behaviour.md).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Int
from torch import Tensor

from nanoscope.evidence.sweep import Sweep
from nanoscope.interventions.run import run
from nanoscope.model.gpt import GPT
from nanoscope.tasks import metrics
from nanoscope.tasks.task import Task
from nanoscope.text.matches import matches
from nanoscope.text.ngrams import NGrams
from nanoscope.text.windows import at_a_time, batches, lead, started

CHUNK, TABLE_CHUNK = 64, 8
"""Examples that a model and that a table of n-grams reads at a time."""
MATCH_LIMIT = 8
SOURCES = ("model", "bigram", "5-gram", "copy", "count")


def on_task(model: GPT, task: Task) -> Sweep:
    """Accuracy and log-probability of the answer in the clean and the corrupt run: `[measure, run, example]`."""
    values = np.empty((2, 2, len(task)))
    for r, tokens in enumerate((task.clean, task.corrupt)):
        for some in batches(len(task), at_a_time(CHUNK, tokens.shape[1], model.config.vocab_size)):
            logits = metrics.read(run(model, tokens[some]).logits, task[some])
            values[0, r, some] = metrics.accuracy(logits, task[some]).cpu()
            values[1, r, some] = -metrics.loss(logits, task[some]).cpu()
    coords = {"measure": ("accuracy", "log_prob"), "run": ("clean", "corrupt")}
    return Sweep(values, ("measure", "run", "example"), "share; nats", coords)


def tables_on_task(tables: NGrams, task: Task, symbols: int) -> Sweep:
    """Accuracy of the most probable token of each n-gram table at the task's reads: `[order, example]`.

    Tokens outside the tables' vocabulary (a start symbol) count as its first symbol.
    """
    tokens = np.where(task.clean.numpy() < symbols, task.clean.numpy(), 0)
    best = np.concatenate([tables.likeliest(tokens[some]) for some in batches(len(tokens), TABLE_CHUNK)], axis=1)
    positions = np.broadcast_to(task.positions.numpy(), (len(best), *task.positions.shape))
    guesses = np.take_along_axis(best, positions, axis=2)
    correct = (guesses == task.answer.numpy()).mean(-1)
    return Sweep(correct, ("order", "example"), "share", {"order": tuple(range(1, len(best) + 1))})


def by_match_length(model: GPT, windows: Int[Tensor, "example pos"], tables: NGrams, start: int | None) -> Sweep:
    """Next-token loss on text, by the length of the longest earlier match of the text just read.

    Returns sums and counts `[source, match, window]`: source "model", "bigram", "5-gram", "copy" (positions where the
    token after the match is correct), "count". The tables need order 5. The first quarter of each window is left out,
    where too little text precedes a position.
    """
    before = started(windows, start)[:, : model.config.block_size]
    losses = -_next_log_probs(model, before, windows, lead(start))
    inputs = windows[:, : losses.shape[1]].numpy()
    targets = windows[:, 1 : losses.shape[1] + 1].numpy()
    table_losses = -np.log(_table_probs(tables, windows[:, : losses.shape[1] + 1].numpy()))
    totals = np.zeros((len(SOURCES), MATCH_LIMIT + 1, len(windows)))
    quarter = losses.shape[1] // 4
    match = matches(inputs, MATCH_LIMIT)
    right = (match.length > 0) & (np.take_along_axis(inputs, match.source.clip(0), axis=1) == targets)
    for w, length in enumerate(match.length):
        per_position = (losses[w], *(table_losses[order - 1][w] for order in (2, 5)), right[w], np.ones_like(losses[w]))
        for s, values in enumerate(per_position):
            totals[s, :, w] = np.bincount(length[quarter:], values[quarter:], minlength=MATCH_LIMIT + 1)
    coords = {"source": SOURCES, "match": tuple(range(MATCH_LIMIT + 1))}
    return Sweep(totals, ("source", "match", "window"), "nats, summed", coords)


def _next_log_probs(model: GPT, tokens: Tensor, windows: Tensor, lead: int) -> np.ndarray:
    """Log-probability of each next token of the windows, `[window, pos]`, aligned with the token before it."""
    parts = []
    for some in batches(len(tokens), at_a_time(CHUNK, tokens.shape[1], model.config.vocab_size)):
        logits = run(model, tokens[some]).logits[:, lead:]
        targets = windows[some, 1 : logits.shape[1] + 1]
        kept = metrics.log_probs(logits[:, : targets.shape[1]])
        parts.append(metrics.chosen(kept, targets).cpu().numpy())
    return np.concatenate(parts).astype(np.float64)


def _table_probs(tables: NGrams, windows: np.ndarray) -> np.ndarray:
    """P_n of each next token given its window only, `[order, window, pos]`."""
    return tables.prob(windows)[:, :, 1:]
