"""Activation patching: which activations carry the difference between a clean and a corrupt text?

*Denoising* puts a clean activation into the corrupt run: is it enough to restore the behaviour? *Noising* puts a
corrupt one into the clean run: is it needed? They are not symmetric: an AND of two parts shows in noising, an OR in
denoising. An effect is the share of the clean-corrupt difference that is restored, or destroyed (ratio of means).

A `Grid` says which cells there are; `exact` replays each, `attributed` estimates each to first order, and `screened`
replays the share with the largest estimates:

    exact(model, task, logit_diff, heads(model, task)).effect

Source: Zhang & Nanda 2023; Heimersheim & Nanda 2024; Nanda 2023 and Kramar et al. 2024 for the estimates; methods.md 3.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, TypedDict, Unpack

import numpy as np
from jaxtyping import Bool
from torch import Tensor

from nanoscope.analysis.causal.grids import (
    Grid,
    attention_outputs,
    grid,
    heads,
    heads_by_position,
    keys,
    mlps,
    neurons,
    pattern_entries,
    queries,
    residual_stream,
    sets,
    values,
)
from nanoscope.errors import NanoscopeError
from nanoscope.evidence.sweep import Sweep
from nanoscope.interventions.edits import Edit, patch
from nanoscope.interventions.first_order import estimate
from nanoscope.interventions.replay import Edits, Progress, Replay, ReplayPlan, base_run, replay
from nanoscope.interventions.replay import plan as plan_of
from nanoscope.interventions.run import Cache, Run, check_site
from nanoscope.model.gpt import GPT
from nanoscope.model.precision import arithmetic_of
from nanoscope.model.sites import Site
from nanoscope.statistics import ranks
from nanoscope.tasks import metrics
from nanoscope.tasks.metrics import Metric
from nanoscope.tasks.task import Task

__all__ = [
    "DIRECTIONS",
    "Grid",
    "PatchingResult",
    "attention_outputs",
    "attributed",
    "exact",
    "grid",
    "heads",
    "heads_by_position",
    "keys",
    "mlps",
    "neurons",
    "pattern_entries",
    "plan",
    "queries",
    "residual_stream",
    "screened",
    "sets",
    "values",
]

Direction = Literal["denoise", "noise"]
DIRECTIONS: tuple[Direction, ...] = ("denoise", "noise")
NOTHING_TO_LOCALISE = 10.0
"""The clean-corrupt difference must be at least this many of its standard errors, or no effect is a share of it."""
MakeEdit = Callable[[Site, Cache], Edit]
"""Makes the edit of a site from the activations of the other run: `patch`, or an ablation."""


def no_progress(done: int, total: int) -> None:
    """Says nothing."""


# ---- what is found -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PatchingResult:
    """The metric in the two plain runs, `[example]`, and in every patched one, `[direction, *cell, example]`."""

    clean: np.ndarray
    corrupt: np.ndarray
    metric: Sweep
    estimate: Sweep | None = None
    """The first-order estimates, like `metric`, where they were made."""
    is_exact: np.ndarray | None = None
    """`[direction, *cell]`: which values of `metric` are exact and which estimates. None: all are exact."""
    plans: tuple[ReplayPlan, ...] = ()
    """What was replayed, one for each direction."""
    arithmetic: str = "cpu float32"
    """Device and precision of the numbers."""

    @property
    def difference(self) -> float:
        """Mean clean metric minus mean corrupt metric: what there is to localise."""
        return float((self.clean - self.corrupt).mean())

    @property
    def informative(self) -> bool:
        """Is the difference large beside its standard error, and (of several cells) does any differ from any other?"""
        gap = self.clean - self.corrupt
        error = gap.std(ddof=1) / np.sqrt(len(gap)) if len(gap) > 1 else np.inf
        cells = self.metric.values.mean(-1).reshape(len(self.metric.values), -1)
        varied = cells.shape[1] == 1 or (np.ptp(cells, axis=1) > 0).any()
        return bool(abs(gap.mean()) > NOTHING_TO_LOCALISE * error and varied)

    @property
    def effect(self) -> Sweep:
        """Share of the difference restored (denoise) or destroyed (noise): `[direction, *cell]`."""
        return self._effect_of(self.metric)

    @property
    def rank_correlation(self) -> Sweep | None:
        """Spearman's, of estimated and exact effects over the cells that have both: `[direction]`. None without both."""
        if self.estimate is None or self.is_exact is None or not self.is_exact.any():
            return None
        estimated = self._effect_of(self.estimate).values
        pairs = zip(estimated, self.effect.values, self.is_exact, strict=True)
        found = np.array([ranks.spearman(one[both], other[both]) for one, other, both in pairs])
        return Sweep(found, ("direction",), "rank correlation", {"direction": self.metric.labels("direction")})

    def _effect_of(self, sweep: Sweep) -> Sweep:
        parts = [
            (found - self.corrupt if direction == "denoise" else self.clean - found).mean(-1)
            for direction, found in zip(sweep.labels("direction"), sweep.values, strict=True)
        ]
        coords = {dim: labels for dim, labels in sweep.coords.items() if dim != "example"}
        return Sweep(np.stack(parts) / self.difference, sweep.dims[:-1], "share of the difference", coords)


# ---- how they are found --------------------------------------------------------------------------------------------


class ReplayOptions(TypedDict, total=False):
    """What `exact` and `screened` pass on to the replay engine."""

    budget: int | None
    """Bytes of activations at once."""
    progress: Progress
    """`progress(done, total)`: cells so far."""
    verify: int
    """How many cells of each direction are run in full as well."""


def exact(
    model: GPT,
    task: Task,
    metric: Metric,
    cells: Grid,
    *,
    by: MakeEdit = patch,
    directions: Sequence[Direction] = DIRECTIONS,
    only: Bool[np.ndarray, "direction *cell"] | None = None,
    **options: Unpack[ReplayOptions],
) -> PatchingResult:
    """Every cell exactly (or `only` some, the others NaN), by the replay engine; the plans are in the result.

    `by` makes each edit from the other run's activations: `patch`, `mean`, `lambda site, _: zero(site)`, ...
    Raises NanoscopeError for sites that the model does not have, a budget in which no cell fits, and a verified cell that
    differs from a full forward.
    """
    sweep = _Patching.prepared(model, task, metric, cells, by, directions)
    chosen = [np.arange(len(cells.cells))] * len(directions) if only is None else [np.flatnonzero(one) for one in only]
    values = np.full((len(directions), len(cells.cells), len(task)), np.nan)
    say, total, done, plans = options.get("progress", no_progress), sum(map(len, chosen)), 0, []
    for n, (direction, some) in enumerate(zip(directions, chosen, strict=True)):
        here: ReplayOptions = {**options, "progress": partial(_after, say, done, total)}
        found = sweep.replayed(direction, some, **here)
        values[n, some], done = found.values.numpy(), done + len(some)
        plans.append(found.plan)
    return replace(sweep.result(values), plans=tuple(plans), is_exact=only)


def attributed(
    model: GPT,
    task: Task,
    metric: Metric,
    cells: Grid,
    *,
    by: MakeEdit = patch,
    directions: Sequence[Direction] = DIRECTIONS,
    qk_fix: bool = True,
) -> PatchingResult:
    """Every cell to first order: attribution patching, queries and keys through the pattern (AtP with the QK fix)."""
    sweep = _Patching.prepared(model, task, metric, cells, by, directions)
    found = sweep.result(np.stack([sweep.estimated(direction, qk_fix) for direction in directions]))
    return replace(found, estimate=found.metric, is_exact=np.zeros(found.metric.values.shape[:-1], dtype=bool))


def screened(
    model: GPT,
    task: Task,
    metric: Metric,
    cells: Grid,
    *,
    share: float = 0.1,
    by: MakeEdit = patch,
    directions: Sequence[Direction] = DIRECTIONS,
    **options: Unpack[ReplayOptions],
) -> PatchingResult:
    """The share of cells with the largest estimated effects exactly, the others as estimated; `is_exact` says which."""
    if not 0 < share <= 1:
        raise NanoscopeError(f"the share of cells to replay must lie in (0, 1], not {share}")
    guessed = attributed(model, task, metric, cells, by=by, directions=directions)
    chosen = _largest(guessed, int(np.ceil(share * len(cells.cells))))
    found = exact(model, task, metric, cells, by=by, directions=directions, only=chosen, **options)
    values = np.where(chosen[..., None], found.metric.values, guessed.metric.values)
    return replace(guessed, metric=replace(guessed.metric, values=values), is_exact=chosen, plans=found.plans)


def plan(
    model: GPT,
    task: Task,
    cells: Grid,
    *,
    by: MakeEdit = patch,
    direction: Direction = "denoise",
    budget: int | None = None,
) -> ReplayPlan:
    """What `exact` would do in one direction: `print(plan(...))`."""
    sweep = _Patching.prepared(model, task, metrics.loss, cells, by, [direction])
    tokens, base = sweep.tokens(direction), sweep.base(direction)
    return plan_of(model, tokens, sweep.edits(direction), task.positions, budget=budget, base=base)


@dataclass(frozen=True)
class _Patching:
    """A sweep and its two plain runs."""

    model: GPT
    task: Task
    metric: Metric
    cells: Grid
    by: MakeEdit
    directions: Sequence[Direction]
    clean: Run
    corrupt: Run

    @staticmethod
    def prepared(
        model: GPT, task: Task, metric: Metric, cells: Grid, by: MakeEdit, directions: Sequence[Direction]
    ) -> _Patching:
        """Check the sites and run both texts."""
        for cell in cells.cells:
            for site in cell:
                check_site(site, model, task.clean.shape[1])
        runs = (base_run(model, tokens, cells.names) for tokens in (task.clean, task.corrupt))
        return _Patching(model, task, metric, cells, by, directions, *runs)

    def tokens(self, direction: Direction) -> Tensor:
        """The texts whose run is patched."""
        return self.task.corrupt if direction == "denoise" else self.task.clean

    def base(self, direction: Direction) -> Run:
        """The run that is patched."""
        return self.corrupt if direction == "denoise" else self.clean

    def edits(self, direction: Direction) -> list[Edits]:
        """Of every cell, from the other run's activations."""
        source = self.clean if direction == "denoise" else self.corrupt
        return [[self.by(site, source.cache) for site in cell] for cell in self.cells.cells]

    def measure(self, logits: Tensor) -> Tensor:
        return self.metric(logits, self.task.tiled(len(logits) // len(self.task)))

    def replayed(self, direction: Direction, some: np.ndarray, **options: Unpack[ReplayOptions]) -> Replay:
        edits, tokens, base = self.edits(direction), self.tokens(direction), self.base(direction)
        chosen = [edits[n] for n in some]
        return replay(self.model, tokens, chosen, self.task.positions, self.measure, base=base, **options)

    def estimated(self, direction: Direction, qk_fix: bool) -> np.ndarray:
        edits, tokens = self.edits(direction), self.tokens(direction)
        return estimate(self.model, tokens, edits, self.task.positions, self.measure, qk_fix=qk_fix).numpy()

    def result(self, values: np.ndarray) -> PatchingResult:
        """The metric `[direction, cell, example]`, along the grid's axes."""
        axes = {"direction": tuple(self.directions), **self.cells.axes}
        shape = (*map(len, axes.values()), len(self.task))
        sweep = Sweep(values.reshape(shape), (*axes, "example"), "metric", axes)
        clean, corrupt = (
            self.metric(metrics.read(run.logits, self.task), self.task).double().cpu().numpy()
            for run in (self.clean, self.corrupt)
        )
        return PatchingResult(clean, corrupt, sweep, arithmetic=arithmetic_of(self.model))


def _largest(guessed: PatchingResult, count: int) -> Bool[np.ndarray, "direction *cell"]:
    """In each direction the cells with the largest estimated changes."""
    values, chosen = guessed.metric.values, np.zeros(guessed.metric.values.shape[:-1], dtype=bool)
    for direction, found, mask in zip(guessed.metric.labels("direction"), values, chosen, strict=True):
        plain = guessed.corrupt if direction == "denoise" else guessed.clean
        mask.flat[np.argsort(-np.abs((found - plain).mean(-1)).ravel(), kind="stable")[:count]] = True
    return chosen


def _after(say: Progress, before: int, total: int, done: int, _: int) -> None:
    """Progress in one direction as progress in all."""
    say(before + done, total)
