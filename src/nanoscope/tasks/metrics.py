"""Metrics: one number per example from the logits at the read positions of a task.

Each takes `logits [example, read, vocab]` and the task, and averages over the reads of an example. Units are nats or
shares; `logit_diff` is in logits. A sweep measures many cells at once: it passes the logits of all cells, one cell
after another, with a task tiled equally often.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from nanoscope.tasks.task import Task

Metric = Callable[[Tensor, Task], Tensor]


def read(logits: Float[Tensor, "example pos vocab"], task: Task) -> Float[Tensor, "example read vocab"]:
    """The logits at the read positions of the task, in at least single precision."""
    return read_at(logits, task.positions)


def read_at(
    logits: Float[Tensor, "example pos vocab"], positions: Int[Tensor, "example read"]
) -> Float[Tensor, "example read vocab"]:
    """The logits at some positions of each example, in at least single precision."""
    found = logits.take_along_dim(positions.to(logits.device)[..., None], dim=1)
    return found.to(torch.promote_types(found.dtype, torch.float32))


def chosen(values: Float[Tensor, "*any vocab"], tokens: Int[Tensor, "*any"]) -> Float[Tensor, "*any"]:
    """The entry of each row at the index of its token."""
    return values.gather(-1, tokens.to(values.device)[..., None]).squeeze(-1)


def log_probs(logits: Float[Tensor, "*any vocab"]) -> Float[Tensor, "*any vocab"]:
    """Log-probabilities in nats."""
    return logits.log_softmax(dim=-1)


def logit_diff(logits: Float[Tensor, "example read vocab"], task: Task) -> Float[Tensor, "example"]:
    """Logit of the answer minus logit of the wrong answer."""
    return (chosen(logits, task.answer) - chosen(logits, task.wrong)).mean(-1)


def loss(logits: Float[Tensor, "example read vocab"], task: Task) -> Float[Tensor, "example"]:
    """Cross-entropy of the answer, nats."""
    return -chosen(log_probs(logits), task.answer).mean(-1)


def prob(logits: Float[Tensor, "example read vocab"], task: Task) -> Float[Tensor, "example"]:
    """Probability of the answer."""
    return chosen(log_probs(logits), task.answer).exp().mean(-1)


def accuracy(logits: Float[Tensor, "example read vocab"], task: Task) -> Float[Tensor, "example"]:
    """Share of reads whose most probable token is the answer."""
    return (logits.argmax(-1) == task.answer.to(logits.device)).float().mean(-1)


def kl(reference: Float[Tensor, "example read vocab"]) -> Metric:
    """The metric KL(reference || run) in nats. `reference` holds the logits of another run at the same reads."""

    def divergence(logits: Tensor, task: Task) -> Tensor:
        p = log_probs(reference).repeat(len(logits) // len(reference), 1, 1)
        return (p.exp() * (p - log_probs(logits))).sum(-1).mean(-1)

    return divergence


def normalised(patched: float | Tensor, clean: float | Tensor, corrupt: float | Tensor) -> float | Tensor:
    """(patched - corrupt) / (clean - corrupt): 1 if the clean behaviour is fully restored, 0 if not at all."""
    return (patched - corrupt) / (clean - corrupt)
