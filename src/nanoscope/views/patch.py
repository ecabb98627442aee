"""Activation patching between two prompts of the user's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from nanoscope.analysis.causal import patching
from nanoscope.analysis.causal.patching import Grid, PatchingResult
from nanoscope.errors import NanoscopeError
from nanoscope.model.gpt import GPT
from nanoscope.tasks import metrics
from nanoscope.tasks.task import Task

Method = Literal["exact", "attribution", "screened"]
EXACT = ("estimated", "exact in one direction", "exact")
"""How a cell's value was obtained, indexed by the number of directions computed exactly."""
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


@dataclass(frozen=True)
class CellEffect:
    """One cell of a sweep: its axis labels, and its share of the clean-corrupt difference in each direction."""

    labels: tuple[str, ...]
    restored: float
    destroyed: float
    exact: str


def grid(model: GPT, task: Task, sweep: str, layer: int | None = None, head: int | None = None) -> Grid:
    """The cells of a sweep, named as on the command line."""

    def chosen(axis: str, value: int | None) -> int:
        if value is None:
            raise NanoscopeError(f"the sweep {sweep} covers one {axis}; give --{axis}")
        return value

    if sweep == "neurons":
        return patching.neurons(model, task, chosen("layer", layer))
    if sweep == "pattern":
        return patching.pattern_entries(model, task, chosen("layer", layer), chosen("head", head))
    return SWEEPS[sweep](model, task)


def patched(
    model: GPT,
    task: Task,
    cells: Grid,
    method: Method = "exact",
    share: float = 0.1,
    budget: int | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    verify: int = 0,
) -> PatchingResult:
    """Every cell's effect on the logit difference, in both directions.

    `verify` cells per direction are checked against full forward passes. NanoscopeError if one differs, if `verify` is given
    for estimates, or if both prompts have the same logit difference.
    """
    exact = partial(patching.exact, budget=budget, progress=progress, verify=verify)
    screened = partial(patching.screened, share=share, budget=budget, progress=progress, verify=verify)
    if method == "exact":
        found = exact(model, task, metrics.logit_diff, cells)
    elif method == "screened":
        found = screened(model, task, metrics.logit_diff, cells)
    elif verify:
        raise NanoscopeError("estimates cannot be verified; use --method screened or exact with --verify")
    else:
        found = patching.attributed(model, task, metrics.logit_diff, cells)
    if found.difference == 0:
        raise NanoscopeError(
            "the model's logit difference is the same on both prompts, so there is no effect to localise"
        )
    return found


def largest(found: PatchingResult, most: int) -> tuple[CellEffect, ...]:
    """The cells with the largest effect in either direction, largest first."""
    restored, destroyed = found.effect.values
    exact = np.ones((2, *restored.shape), dtype=bool) if found.is_exact is None else found.is_exact
    order = (-np.maximum(abs(restored), abs(destroyed))).ravel().argsort(kind="stable")[:most]
    cells = []
    for at in zip(*np.unravel_index(order, restored.shape), strict=True):
        labels = tuple(
            str(found.effect.labels(dim)[index]) for dim, index in zip(found.effect.dims[1:], at, strict=True)
        )
        cells.append(
            CellEffect(labels, float(restored[at]), float(destroyed[at]), EXACT[int(exact[(slice(None), *at)].sum())])
        )
    return tuple(cells)
