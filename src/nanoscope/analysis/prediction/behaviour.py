"""What a model does, from the outside: accuracy and loss on a task, and on text by how much of it could be copied.

Chance is never 1/V alone: each number stands beside the corrupt run's, and beside what n-gram tables achieve at the same
positions (methods.md 1.3, 1.4).
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from nanoscope.evidence.sweep import Sweep
from nanoscope.interventions.run import run
from nanoscope.model.gpt import GPT
from nanoscope.tasks import metrics
from nanoscope.tasks.task import Task
from nanoscope.text.matches import longest_match
from nanoscope.text.ngrams import NGrams
from nanoscope.text.windows import lead, started

CHUNK = 64
MATCH_LIMIT = 8
SOURCES = ("model", "bigram", "5-gram", "copy", "count")


def on_task(model: GPT, task: Task) -> Sweep:
    """Accuracy and answer log-probability of the clean and the corrupt run: `[measure, run, example]`."""
    values = np.empty((2, 2, len(task)))
    for r, tokens in enumerate((task.clean, task.corrupt)):
        logits = read_logits(model, tokens, task)
        values[0, r] = metrics.accuracy(logits, task).cpu()
        values[1, r] = -metrics.loss(logits, task).cpu()
    coords = {"measure": ("accuracy", "log_prob"), "run": ("clean", "corrupt")}
    return Sweep(values, ("measure", "run", "example"), "share; nats", coords)


def tables_on_task(tables: NGrams, task: Task, symbols: int) -> Sweep:
    """Accuracy of the most probable token of each n-gram table at the task's reads: `[order, example]`.

    Tokens outside the tables' vocabulary (a start symbol) count as its first symbol.
    """
    tokens = np.where(task.clean.numpy() < symbols, task.clean.numpy(), 0)
    best = tables.distribution(tokens).argmax(-1)
    positions = np.broadcast_to(task.positions.numpy(), (len(best), *task.positions.shape))
    guesses = np.take_along_axis(best, positions, axis=2)
    correct = (guesses == task.answer.numpy()).mean(-1)
    return Sweep(correct, ("order", "example"), "share", {"order": tuple(range(1, len(best) + 1))})


def read_logits(model: GPT, tokens: Int[Tensor, "example pos"], task: Task) -> Tensor:
    """Logits where the task is read, `[example, read, vocab]`, in chunks that fit anywhere."""
    parts = [
        metrics.read(run(model, tokens[i : i + CHUNK]).logits, task[i : i + CHUNK]) for i in range(0, len(task), CHUNK)
    ]
    return torch.cat(parts)


def by_match_length(model: GPT, windows: Int[Tensor, "example pos"], tables: NGrams, start: int | None) -> Sweep:
    """Next-token loss on text, by the longest earlier match of what has just been read.

    Gives `[source, match, window]` sums and counts: source "model", "bigram", "5-gram", "copy" (positions
    where what followed the match is right), "count". The tables need order 5. Positions in the first quarter
    of a window are left out: too little text stands before them.
    """
    before = started(windows, start)[:, : model.config.block_size]
    losses = -_next_log_probs(model, before, windows, lead(start))
    inputs = windows[:, : losses.shape[1]].numpy()
    targets = windows[:, 1 : losses.shape[1] + 1].numpy()
    tabled = -np.log(_table_probs(tables, windows[:, : losses.shape[1] + 1].numpy()))
    totals = np.zeros((len(SOURCES), MATCH_LIMIT + 1, len(windows)))
    quarter = losses.shape[1] // 4
    for w in range(len(windows)):
        match, following = longest_match(torch.from_numpy(inputs[w]), MATCH_LIMIT)
        right = (following == targets[w]).astype(float)
        per_position = (losses[w], *(tabled[order - 1][w] for order in (2, 5)), right, np.ones_like(right))
        for s, values in enumerate(per_position):
            totals[s, :, w] = np.bincount(match[quarter:], values[quarter:], minlength=MATCH_LIMIT + 1)
    coords = {"source": SOURCES, "match": tuple(range(MATCH_LIMIT + 1))}
    return Sweep(totals, ("source", "match", "window"), "nats, summed", coords)


def _next_log_probs(model: GPT, tokens: Tensor, windows: Tensor, lead: int) -> np.ndarray:
    """Log-probability of each next token of the windows, `[window, pos]`, aligned with the token before it."""
    parts = []
    for i in range(0, len(tokens), CHUNK):
        logits = run(model, tokens[i : i + CHUNK]).logits[:, lead:]
        targets = windows[i : i + CHUNK, 1 : logits.shape[1] + 1]
        kept = metrics.log_probs(logits[:, : targets.shape[1]])
        parts.append(metrics.chosen(kept, targets).cpu().numpy())
    return np.concatenate(parts).astype(np.float64)


def _table_probs(tables: NGrams, windows: np.ndarray) -> np.ndarray:
    """P_n of each next token from the window alone, `[order, window, pos]`."""
    return tables.prob(windows)[:, :, 1:]
