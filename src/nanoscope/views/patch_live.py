"""A patching sweep part by part, so that it can be watched, and what one of its cells changes in the prediction."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from nanoscope.analysis.causal import patching
from nanoscope.analysis.causal.patching import Direction, Grid, PatchingResult
from nanoscope.interventions.edits import patch
from nanoscope.interventions.run import activations, run
from nanoscope.model.gpt import GPT
from nanoscope.tasks import metrics
from nanoscope.tasks.task import Task

LEAST, PARTS = 16, 48
"""The fewest cells of a part, and the most parts of a sweep."""
MOST = 6
"""The likeliest symbols that are shown of a prediction."""


@dataclass(frozen=True)
class Part:
    """Some cells in the grid's order, from the number `first` on, and the change of the logit difference that each makes."""

    first: int
    changes: Float[np.ndarray, "cell"] = field(repr=False)
    so_far: PatchingResult = field(repr=False)
    """The sweep with all parts up to this one; NaN in the cells to come."""


def in_parts(model: GPT, task: Task, cells: Grid, direction: Direction) -> Iterator[Part]:
    """Every cell's exact effect in one direction; the last part's `so_far` is what `patching.exact` returns."""
    count, before = len(cells.cells), None
    shape = (1, *map(len, cells.axes.values()))
    for some in np.split(np.arange(count), np.arange(0, count, max(LEAST, -(-count // PARTS)))[1:]):
        only = np.zeros(count, dtype=bool)
        only[some] = True
        found = patching.exact(model, task, metrics.logit_diff, cells, directions=[direction], only=only.reshape(shape))
        before = found if before is None else _joined(before, found)
        yield Part(int(some[0]), before.change.values.reshape(-1)[some], before)


def _joined(one: PatchingResult, other: PatchingResult) -> PatchingResult:
    assert one.is_exact is not None
    assert other.is_exact is not None
    values = np.where(other.is_exact[..., None], other.metric.values, one.metric.values)
    return replace(one, metric=replace(one.metric, values=values), is_exact=one.is_exact | other.is_exact)


@dataclass(frozen=True)
class Expected:
    """The likeliest symbols at the end of the texts, and the probabilities of the two that are compared."""

    symbols: tuple[str, ...]
    chances: tuple[float, ...]
    answer: float
    wrong: float
    logit_difference: float


@dataclass(frozen=True)
class CellChange:
    """What the model expects in the run that is patched, after the patch, and in the run that the patch comes from."""

    before: Expected
    after: Expected
    source: Expected


def of_cell(
    model: GPT, task: Task, cells: Grid, number: int, direction: Direction, names: tuple[str, ...]
) -> CellChange:
    """One cell, in a full run; `names` are the symbols of the token ids."""
    base, source = (task.corrupt, task.clean) if direction == "denoise" else (task.clean, task.corrupt)
    cache = activations(model, source, keep=cells.names)
    edits = [patch(site, cache) for site in cells.cells[number]]
    logits = torch.cat([run(model, base).logits, run(model, base, edits).logits, run(model, source).logits])
    at = logits[:, int(task.positions[0, 0])].float().cpu()
    return CellChange(*(expected(one, task, names) for one in at))


def expected(logits: Float[Tensor, "vocab"], task: Task, names: tuple[str, ...]) -> Expected:
    """What these logits at the first example's read expect."""
    chances = metrics.log_probs(logits.double()).exp()
    top = chances.topk(min(MOST, len(chances)))
    answer, wrong = int(task.answer[0, 0]), int(task.wrong[0, 0])
    return Expected(
        tuple(names[token] for token in top.indices.tolist()),
        tuple(top.values.tolist()),
        float(chances[answer]),
        float(chances[wrong]),
        float(logits[answer].double() - logits[wrong].double()),
    )
