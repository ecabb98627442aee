"""Activation patching between two prompts of the user's own: what is compared, and what the sweep may say of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch

from nanoscope.analysis.causal import patching
from nanoscope.analysis.causal.patching import Grid, PatchingResult, ReplayOptions
from nanoscope.errors import NanoscopeError
from nanoscope.model.gpt import GPT
from nanoscope.tasks import metrics
from nanoscope.tasks.task import Task
from nanoscope.text.tokenizer import Tokenizer

Method = Literal["exact", "attribution", "screened"]
SHARE = 0.1
"""Share of the cells that `screened` patches exactly, unless another is given."""
LEAST = 0.1
"""Smallest difference, in logits, that is shared out among cells: it changes the odds of the two answers by a tenth."""
SWEEPS: dict[str, Callable[[GPT, Task], Grid]] = {
    "residual": patching.residual_stream,
    "heads": patching.heads,
    "heads-by-position": patching.heads_by_position,
    "queries": patching.queries,
    "keys": patching.keys,
    "values": patching.values,
    "attention": patching.attention_outputs,
    "mlps": patching.mlps,
}
"""Sweeps over a whole model; `grid` builds those of one layer or one head."""
ONE_OF = {"neurons": ("layer",), "pattern": ("layer", "head")}
"""What a sweep over a part of the model has to be given."""


@dataclass(frozen=True)
class Compared:
    """What two prompts are compared by: the logits of two symbols, at the prompts' last position."""

    answer: str
    wrong: str
    position: int
    """Where they are predicted: the position of the last symbol that the model reads, counted from 0."""
    clean: tuple[str, ...]
    corrupt: tuple[str, ...]
    """The symbols that the model reads, by position."""


def compared(tokenizer: Tokenizer, size: int, task: Task) -> Compared:
    """The names of a task's symbols. `size` is the number of tokens that the model knows."""
    names = tokenizer.names(size)
    clean, corrupt = (tuple(names[token] for token in tokens[0].tolist()) for tokens in (task.clean, task.corrupt))
    answer, wrong = names[int(task.answer[0, 0])], names[int(task.wrong[0, 0])]
    return Compared(answer, wrong, int(task.positions[0, 0]), clean, corrupt)


def grid(model: GPT, task: Task, sweep: str, layer: int | None = None, head: int | None = None) -> Grid:
    """The cells of a sweep, named as on the command line.

    NanoscopeError if the texts that the model reads are the same, or `layer` or `head` does not fit.
    """
    if torch.equal(task.clean, task.corrupt):
        raise NanoscopeError(
            "both texts are the same up to the two symbols compared, so no activation differs and there is no effect to "
            "localise; change something before the last symbol"
        )
    for axis, value, count in (("layer", layer, model.config.n_layer), ("head", head, model.config.n_head)):
        _require_fitting(sweep, axis, value, count)
    if sweep == "neurons":
        return patching.neurons(model, task, int(layer or 0))
    if sweep == "pattern":
        return patching.pattern_entries(model, task, int(layer or 0), int(head or 0))
    return SWEEPS[sweep](model, task)


def _require_fitting(sweep: str, axis: str, value: int | None, count: int) -> None:
    """NanoscopeError if a sweep needs a layer or head that was not given, has no use for it, or the model lacks it."""
    needed = axis in ONE_OF.get(sweep, ())
    if value is None and needed:
        raise NanoscopeError(f"the sweep {sweep} covers one {axis}; give --{axis}")
    if value is not None and not needed:
        fitting = " or ".join(name for name, axes in ONE_OF.items() if axis in axes)
        raise NanoscopeError(f"the sweep {sweep} covers every {axis}; leave out --{axis}, or give --sweep {fitting}")
    if value is not None and not 0 <= value < count:
        raise NanoscopeError(f"there is no {axis} {value}; the model has {axis}s 0..{count - 1}")


def patched(
    model: GPT,
    task: Task,
    cells: Grid,
    method: Method = "exact",
    share: float = SHARE,
    budget: int | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    verify: int = 0,
) -> PatchingResult:
    """Every cell's effect on the logit difference, in both directions.

    `verify` cells per direction are checked against full forward passes; NanoscopeError if one differs.
    """
    options: ReplayOptions = {"budget": budget, "progress": progress, "verify": verify}
    if method == "exact":
        return patching.exact(model, task, metrics.logit_diff, cells, **options)
    if method == "attribution":
        return patching.attributed(model, task, metrics.logit_diff, cells)
    return patching.screened(model, task, metrics.logit_diff, cells, share=share, **options)


def against_shares(found: PatchingResult) -> str | None:
    """Why shares of the clean-corrupt difference would mislead, with what to do; None if they mean what they say."""
    by = f"{abs(found.difference):.3g} logits"
    if abs(found.difference) <= found.resolution:
        return f"the two texts differ by {by} only, too close to rounding ({found.arithmetic}); choose texts that differ more"
    if abs(found.difference) < LEAST:
        return f"the two texts differ by {by} only, less than {LEAST}; choose texts that differ more"
    if found.difference < 0:
        return (
            f"the wrong way round: the clean text favours its own answer less than the corrupt text does, by {by}; "
            "choose other texts or answers"
        )
    if not found.informative:
        return (
            "every cell has the same effect, so none is singled out; choose texts that differ earlier, or another sweep"
        )
    return None
