"""nanoscope: a sweep is one call, which plans and replays; a forward is `run` with activations kept.

A sweep's time includes both base runs and the planning. Positions before the texts' first difference are not in its
grid, because no patch there can have an effect: their value is the corrupt run's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

import nanoscope as ns
from nanoscope.analysis.causal import patching
from nanoscope.evidence.sweep import Sweep
from nanoscope.model.config import GPTConfig
from nanoscope.model.gpt import GPT
from nanoscope.model.sites import AXES
from nanoscope.tasks import metrics
from nanoscope.tasks.task import Task
from nanoscope.training.allocator import freed_memory_kept
from nanoscope.training.loop import update
from nanoscope.training.recipe import Recipe
from nanoscope.training.state import make_optimizer
from protocol import Case, Cell, Measured, Run, Subject, repeated, serve, steps, window


def swept(model: GPT, task: Task, case: Case) -> patching.PatchingResult:
    """The one call that a user would make."""
    grid = {
        "resid": lambda: patching.grid(model, task, "resid_pre", "layer", "pos"),
        "head": lambda: patching.heads(model, task),
        "head_pos": lambda: patching.heads_by_position(model, task),
    }[case.kind]()
    return patching.exact(model, task, metrics.logit_diff, grid, directions=("denoise",), budget=case.budget)


def build(case: Case, subject: Subject) -> GPT:
    """The subject's model."""
    shape = case.shape
    config = GPTConfig(shape.n_layer, shape.n_head, shape.n_embd, shape.block_size, shape.vocab_size, bias=shape.bias)
    with torch.device("meta"):
        model = GPT(config)
    model.load_state_dict(subject.weights | {"lm_head.weight": subject.weights["transformer.wte.weight"]}, assign=True)
    return model.eval().to(torch.bfloat16 if case.precision == "bfloat16" else torch.float32)


@dataclass(frozen=True)
class Always:
    """The same windows at every iteration."""

    windows: Tensor

    def draw(self, *labels: object, size: int) -> Tensor:
        return self.windows


def trained(
    case: Case, subject: Subject, memory: Callable[[], AbstractContextManager[None]] = freed_memory_kept
) -> Run:
    """Steps of the training loop, in `memory` as it keeps it."""
    half: Literal["float32", "bfloat16"] = "bfloat16" if case.precision == "bfloat16" else "float32"
    model = build(replace(case, precision="float32"), subject).train()
    model.config = replace(model.config, dropout=case.dropout)
    recipe = Recipe(model.config, batch_size=case.batch, learning_rate=1e-4, precision=half)
    optimizer, batches = make_optimizer(model, recipe), Always(window(subject))

    def measured(cells: Sequence[Cell]) -> Measured:
        with memory():
            return steps(lambda: update(model, optimizer, batches, recipe, 100))

    return measured


def load(case: Case, subject: Subject) -> Run:
    if case.kind == "step":
        return trained(case, subject)
    model = build(case, subject)
    if not case.axes:
        kept = set(AXES) if case.kind == "forward" else set(AXES) - {"scores", "pattern"}
        return lambda cells: repeated(lambda: ns.run(model, subject.corrupt, keep=kept).logits)
    last = torch.full((case.batch, 1), case.length - 1)
    task = Task(subject.clean, subject.corrupt, subject.answer[:, None], subject.wrong[:, None], last)

    def sweep(cells: Sequence[Cell]) -> Measured:
        patched = swept(model, task, case)
        return Measured(torch.from_numpy(on_all_cells(patched, case)), details=described(patched))

    return sweep


def on_all_cells(patched: patching.PatchingResult, case: Case) -> np.ndarray:
    """The values `[cell, example]` on all of the case's cells: outside the sweep's grid, the corrupt run's."""
    sweep: Sweep = patched.metric.sel(direction="denoise")
    full = np.broadcast_to(patched.corrupt, (*case.axes, case.batch)).copy()
    full[np.ix_(*(np.asarray(sweep.labels(dim)) for dim in sweep.dims[:-1]))] = sweep.values
    return full.reshape(-1, case.batch)


def described(patched: patching.PatchingResult) -> dict[str, float]:
    """What the plan said."""
    plan = patched.plans[0]
    return {name: getattr(plan, name) for name in ("cells", "needed_flops", "plain_flops", "peak_bytes")}


if __name__ == "__main__":
    serve(load, "nanoscope")
