"""The logit lens: what the model would say if it stopped after each layer.

The residual stream after every layer is put through the final norm and the unembedding. At the last layer this is the
model's own output (an identity that is tested). With tied embeddings the first reading is mostly the current token.

Source: nostalgebraist 2020; methods.md 4.1, 4.5.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from nanoscope import metrics
from nanoscope.activations import run
from nanoscope.model import GPT
from nanoscope.results import Sweep
from nanoscope.tasks import Task

MEASURES = ("answer", "wrong", "current", "kl", "agrees", "answer_is_top")
CHUNK = 32


def lens_logits(model: GPT, tokens: Tensor) -> Tensor:
    """Logits read from the residual stream before the first and after every layer: `[layer + 1, batch, pos, vocab]`."""
    cache = run(model, tokens, keep=[("resid_pre", 0), "resid_post"]).cache
    stream = torch.cat([cache["resid_pre", 0][None], cache.layers("resid_post")])
    with torch.no_grad():
        return model.unembed(stream)


def on_task(model: GPT, task: Task) -> Sweep:
    """What the lens says where the task is read: `[measure, layer, example, read]`.

    answer, wrong, current: probability of the right answer, the wrong one and the token just read; kl: KL(model ||
    lens), nats; agrees: is its top token the model's; answer_is_top: is its top token the answer.
    """
    parts = [_on_chunk(model, task[i : i + CHUNK]) for i in range(0, len(task), CHUNK)]
    values = np.concatenate(parts, axis=2)
    return Sweep(values, ("measure", "layer", "example", "read"), "probability; nats", {"measure": MEASURES})


def _on_chunk(model: GPT, task: Task) -> np.ndarray:
    logits = lens_logits(model, task.clean)
    positions = task.positions.to(logits.device)
    read = logits.gather(2, positions[None, ..., None].expand(len(logits), -1, -1, logits.shape[-1]))
    log_probs = metrics.log_probs(read)
    current = task.clean.gather(1, task.positions)
    said = [_prob(log_probs, tokens) for tokens in (task.answer, task.wrong, current)]
    kl = (log_probs[-1].exp() * (log_probs[-1] - log_probs)).sum(-1)
    top = log_probs.argmax(-1)
    agrees, right = (top == top[-1]).float(), (top == task.answer.to(top.device)).float()
    return torch.stack([*said, kl, agrees, right]).double().cpu().numpy()


def _prob(log_probs: Tensor, tokens: Tensor) -> Tensor:
    """Probability of `tokens [example, read]` at every layer."""
    return metrics.chosen(log_probs, tokens.expand(len(log_probs), -1, -1)).exp()


def settled(agrees: np.ndarray) -> np.ndarray:
    """First layer from which on the lens's top token is the model's, of `agrees [layer, *any]`: `[*any]`."""
    onwards = np.flip(np.cumprod(np.flip(agrees, axis=0), axis=0), axis=0)
    return onwards.argmax(axis=0)
