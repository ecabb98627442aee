"""Direct logit attribution: how much each component writes, directly, into the difference of two logits.

The residual stream before the unembedding is a sum: embeddings, every head's write, attention biases, every MLP. With
the final norm's scale held at its value, the logits are linear in these parts, and they sum to the logit difference
exactly (the completeness that is returned and tested). Direct effects only: what a part does through later parts is
the business of patching.

Source: Elhage et al. 2021; methods.md 4.3.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nanoscope import metrics
from nanoscope.activations import Cache, run
from nanoscope.model import GPT, norm_frozen
from nanoscope.results import Sweep, head_name
from nanoscope.tasks import Task

CHUNK = 32


@dataclass(frozen=True)
class Attribution:
    """Contributions to answer logit minus wrong logit, `[component, example]`, and what is left unexplained."""

    contributions: Sweep
    unexplained: float
    """Largest |sum of contributions - logit difference| over examples, relative to the largest logit."""


@torch.no_grad()
def logit_difference(model: GPT, task: Task) -> Attribution:
    """Direct contributions on the clean texts, averaged over each example's reads."""
    values, errors = [], []
    for i in range(0, len(task), CHUNK):
        part = task[i : i + CHUNK]
        logits, cache = run(model, part.clean, keep=["embed", "pos_embed", "z", "mlp_out", "resid_post"])
        summed = _contributions(model, part, cache)
        read = metrics.read(logits, part)
        gap = metrics.logit_diff(read, part)
        errors.append(float((summed.sum(0) - gap).abs().max() / read.abs().max().clamp_min(1e-9)))
        values.append(summed.double().cpu().numpy())
    sweep = Sweep(np.concatenate(values, axis=1), ("component", "example"), "logits", {"component": _names(model)})
    return Attribution(sweep, max(errors))


def head_writes(model: GPT, z: Tensor, layer: int) -> Tensor:
    """What each head of a layer writes to the residual stream: `[batch, pos, head, d_model]`, biases left out."""
    w_o = model.blocks[layer].attn.c_proj.weight.unflatten(1, (model.config.n_head, -1))
    return torch.einsum("bphk,dhk->bphd", z, w_o)


def _contributions(model: GPT, task: Task, cache: Cache) -> Tensor:
    """`[component, example]`, in the order of `_names`."""
    whole = _at_reads(cache["resid_post", model.config.n_layer - 1], task)
    direction = model.lm_head.weight[task.answer] - model.lm_head.weight[task.wrong]
    rows = []
    for part in parts(model, cache):
        read = _at_reads(part.expand(len(task), -1, -1), task)
        final = read if model.ln_f is None else norm_frozen(read, whole, model.ln_f)
        rows.append((final * direction).sum(-1).mean(-1))
    rows.append(_constants(model, task, direction))
    return torch.stack(rows)


def parts(model: GPT, cache: Cache) -> list[Tensor]:
    """Every write to the residual stream, each `[batch or 1, pos, d_model]`, in the order of `_names`."""
    parts = [cache["embed"], cache["pos_embed"]]
    for layer, block in enumerate(model.blocks):
        writes = head_writes(model, cache["z", layer], layer)
        parts += list(writes.unbind(2))
        if block.attn.c_proj.bias is not None:
            parts.append(block.attn.c_proj.bias.expand(1, writes.shape[1], -1))
        if block.mlp is not None:
            parts.append(cache["mlp_out", layer])
    return parts


def _constants(model: GPT, task: Task, direction: Tensor) -> Tensor:
    """The final norm's bias and the head's bias, which no component writes: `[example]`."""
    total = torch.zeros(task.answer.shape, device=direction.device)
    if model.ln_f is not None and model.ln_f.bias is not None:
        total = total + direction @ model.ln_f.bias
    if model.lm_head.bias is not None:
        total = total + model.lm_head.bias[task.answer] - model.lm_head.bias[task.wrong]
    return total.mean(-1)


def _names(model: GPT) -> tuple[str, ...]:
    names = ["embed", "pos_embed"]
    for layer, block in enumerate(model.blocks):
        names += [head_name(layer, head) for head in range(model.config.n_head)]
        names += [f"L{layer}.bias"] if block.attn.c_proj.bias is not None else []
        names += [f"MLP{layer}"] if block.mlp is not None else []
    return (*names, "constants")


def _at_reads(value: Tensor, task: Task) -> Tensor:
    """`[example, read, d_model]` of a `[example, pos, d_model]` activation."""
    return value.gather(1, task.positions.to(value.device)[..., None].expand(-1, -1, value.shape[-1]))
