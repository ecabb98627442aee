"""Direct logit attribution: each component's direct contribution to a logit difference, or to a logit minus the mean.

The residual stream before the unembedding is a sum: embeddings, every head's write, attention biases, every MLP. With
the final norm's scale held fixed, the logits are linear in these parts, and the contributions sum to the logit difference
exactly (this completeness is returned and tested). Effects through later components are not included; patching measures
those. In a model whose norms come after each addition, every part passes through all later norms, whose scales are held
likewise; what their biases add is a part of its own.

Source: Elhage et al. 2021; docs/methods/lenses.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nanoscope.evidence.sweep import Sweep
from nanoscope.interventions.run import Cache, run
from nanoscope.model.arithmetic import norm_frozen
from nanoscope.model.gpt import GPT
from nanoscope.model.modules import Norm
from nanoscope.model.names import head_name
from nanoscope.model.unembedding import direct_effect, head_writes, logit_direction
from nanoscope.tasks import metrics
from nanoscope.tasks.task import Task
from nanoscope.text.passages import NAMES, Passages
from nanoscope.text.windows import at_a_time, batches

CHUNK = 32
WINDOWS = 8
KEPT = ["embed", "pos_embed", "z", "mlp_out", "resid_post"]


@dataclass(frozen=True)
class Attribution:
    """Direct contributions, and the error of their sum."""

    contributions: Sweep
    """To the answer's logit minus the wrong one's, `[component, example]`; or, on text, to the next token's logit minus
    the mean logit, summed over positions, `[component, kind, window]`."""
    unexplained: float
    """Largest |sum of contributions - explained quantity|, relative to the largest logit."""


@torch.no_grad()
def logit_difference(model: GPT, task: Task) -> Attribution:
    """Direct contributions to the logit difference on the clean texts, averaged over each example's reads."""
    values, errors = [], []
    for part in (
        task[some] for some in batches(len(task), at_a_time(CHUNK, task.clean.shape[1], model.config.vocab_size))
    ):
        logits, cache = run(model, part.clean, keep=KEPT)
        read = metrics.read(logits, part)
        direct = _direct(
            model,
            cache,
            lambda value, part=part: _at_reads(value, part),
            logit_direction(model, part.answer, part.wrong),
        )
        summed = direct.mean(-1)
        errors.append(_relative_error(summed.sum(0), metrics.logit_diff(read, part), read))
        values.append(summed.double().cpu().numpy())
    sweep = Sweep(np.concatenate(values, axis=1), ("component", "example"), "logits", {"component": _names(model)})
    return Attribution(sweep, max(errors))


@torch.no_grad()
def on_text(model: GPT, text: Passages) -> Attribution:
    """Direct contributions to the next token's logit minus the mean logit, by kind of position."""
    values, errors = [], []
    for part in (
        text[some] for some in batches(len(text), at_a_time(WINDOWS, text.tokens.shape[1], model.config.vocab_size))
    ):
        logits, cache = run(model, part.tokens, keep=KEPT)
        read = part.read(logits).float()
        direct = _direct(model, cache, part.read, logit_direction(model, part.targets))
        errors.append(_relative_error(direct.sum(0), metrics.chosen(read, part.targets) - read.mean(-1), read))
        values.append(part.sums(direct.double().cpu().numpy()))
    coords = {"component": _names(model), "kind": NAMES}
    sweep = Sweep(np.concatenate(values, axis=-1), ("component", "kind", "window"), "logits, summed", coords)
    return Attribution(sweep, max(errors))


def _direct(model: GPT, cache: Cache, pick: Callable[[Tensor], Tensor], row: tuple[Tensor, Tensor]) -> Tensor:
    """Contributions at the positions that `pick` selects, in the order of `_names`: `[component, *position]`."""
    direction, constant = row
    batch = cache["embed"].shape[0]
    whole = pick(cache["resid_post", model.config.n_layer - 1])
    rows = [direct_effect(model, pick(part.expand(batch, -1, -1)), whole, direction) for part in parts(model, cache)]
    if model.ln_f is not None and model.ln_f.bias is not None:
        constant = constant + direction @ model.ln_f.bias
    return torch.stack([*rows, constant.expand_as(rows[0])])


def _relative_error(summed: Tensor, whole: Tensor, logits: Tensor) -> float:
    return float((summed - whole).abs().max() / logits.abs().max().clamp_min(1e-9))


def parts(model: GPT, cache: Cache) -> list[Tensor]:
    """Every write to the residual stream as it arrives at its end, each `[batch or 1, pos, d_model]`, in the order of
    `_names`."""
    parts = [cache["embed"], cache["pos_embed"]]
    for layer, block in enumerate(model.blocks):
        writes = head_writes(model, cache["z", layer], layer)
        parts += list(writes.unbind(2))
        if block.attn.c_proj.bias is not None:
            parts.append(block.attn.c_proj.bias.expand(1, writes.shape[1], -1))
        parts = _after(parts, block.ln_1)
        if block.mlp is not None and block.ln_2 is not None:
            parts = _after([*parts, cache["mlp_out", layer]], block.ln_2)
    return parts


def _after(parts: list[Tensor], weights: Norm) -> list[Tensor]:
    """The parts beyond a norm that comes after them, if it does; its bias is one more part."""
    if weights.before:
        return parts
    whole = sum(parts, torch.zeros(()))
    passed = [norm_frozen(part.expand_as(whole), whole, weights) for part in parts]
    return passed if weights.bias is None else [*passed, weights.bias.expand(1, whole.shape[1], -1)]


def _names(model: GPT) -> tuple[str, ...]:
    names = ["embed", "pos_embed"]
    for layer, block in enumerate(model.blocks):
        names += [head_name(layer, head) for head in range(model.config.n_head)]
        names += [f"L{layer}.bias"] if block.attn.c_proj.bias is not None else []
        norms = [not norm.before and norm.bias is not None for norm in (block.ln_1, block.ln_2) if norm is not None]
        names += [f"L{layer}.ln_1"] if norms[0] else []
        names += [f"MLP{layer}"] if block.mlp is not None else []
        names += [f"L{layer}.ln_2"] if norms[-1] and block.mlp is not None else []
    return (*names, "constants")


def _at_reads(value: Tensor, task: Task) -> Tensor:
    """An activation `[example, pos, d_model]` at the task's reads: `[example, read, d_model]`."""
    return value.gather(1, task.positions.to(value.device)[..., None].expand(-1, -1, value.shape[-1]))
