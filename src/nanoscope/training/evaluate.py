"""The loss of a model on windows of a text."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from nanoscope.model.gpt import GPT

EVAL_CHUNK = 64


def mean_loss(model: Callable[[Tensor], Tensor], window: Tensor) -> Tensor:
    """Mean next-token cross-entropy in nats on a batch of windows."""
    logits = model(window[:, :-1])
    return F.cross_entropy(logits.flatten(0, 1), window[:, 1:].flatten())


def evaluate(model: GPT, windows: Tensor) -> float:
    """Mean loss in nats on windows `[n, context + 1]`, in evaluation mode."""
    training = model.training
    model.eval()
    with torch.no_grad():
        chunks = windows.to(model.device).split(EVAL_CHUNK)
        total = sum(float(mean_loss(model, chunk)) * len(chunk) for chunk in chunks)
    model.train(training)
    return total / len(windows)


def consecutive_windows(tokens: Tensor, context: int) -> Tensor:
    """All disjoint windows of a text, `[n, context + 1]`; the last target of one is the first input of the next."""
    count = (len(tokens) - 1) // context
    return tokens[(torch.arange(count) * context)[:, None] + torch.arange(context + 1)]
