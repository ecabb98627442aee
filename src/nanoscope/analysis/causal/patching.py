"""Activation patching: which activations carry the difference between a clean and a corrupt text?

*Denoising* puts a clean activation into the corrupt run: does it suffice to restore the behaviour? *Noising* puts a
corrupt activation into the clean run: is it necessary? They are not symmetric: an AND of two components shows in noising,
an OR in denoising. An effect is the share of the clean-corrupt difference restored or destroyed (ratio of means).

A `Grid` lists the cells; `exact` replays each, `attributed` estimates each to first order, and `screened` replays those
with the largest estimates:

    exact(model, task, logit_diff, heads(model, task)).effect

Source: Zhang & Nanda 2023; Heimersheim & Nanda 2024; Nanda 2023 and Kramar et al. 2024 for the estimates;
docs/methods/patching.md.
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
from nanoscope.model.precision import arithmetic_of, resolution
from nanoscope.model.sites import Site
from nanoscope.statistics import ranks
from nanoscope.tasks import metrics
from nanoscope.tasks.metrics import Metric
from nanoscope.tasks.task import Task
from nanoscope.text.windows import at_a_time, batches

__all__ = [
    "DIRECTIONS",
    "Grid",
    "PatchingResult",
    "attention_outputs",
    "attributed",
    "exact",
    "exact_in_parts",
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
"""Minimum clean-corrupt difference, in standard errors; below it there is nothing to localise."""
MakeEdit = Callable[[Site, Cache], Edit]
"""Makes the edit at a site from the other run's activations: `patch`, or an ablation."""


def no_progress(done: int, total: int) -> None:
    """Ignore progress."""


# ---- results -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PatchingResult:
    """The metric in the two unpatched runs, `[example]`, and in every patched run, `[direction, *cell, example]`."""

    clean: np.ndarray
    corrupt: np.ndarray
    metric: Sweep
    estimate: Sweep | None = None
    """The first-order estimates, shaped like `metric`; None if none were made."""
    is_exact: np.ndarray | None = None
    """`[direction, *cell]`: whether each value of `metric` is exact or an estimate; None if all are exact."""
    plans: tuple[ReplayPlan, ...] = ()
    """The replay plan of each direction."""
    arithmetic: str = "cpu float32"
    """Device and precision of the numbers."""
    resolution: float = 0.0
    """Size of the differences that rounding alone could make, in logits; of a metric in other units, a rough guide."""

    def __repr__(self) -> str:
        some = 1.0 if self.is_exact is None else float(self.is_exact.mean())
        means = f"clean {self.clean.mean():.3g}, corrupt {self.corrupt.mean():.3g}"
        return f"PatchingResult({means}; {some:.0%} of the cells exact; metric {self.metric})"

    @property
    def difference(self) -> float:
        """Mean clean metric minus mean corrupt metric: the quantity to localise."""
        return float((self.clean - self.corrupt).mean())

    @property
    def resolved(self) -> bool:
        """Whether the difference exceeds what rounding could make and, of several examples, ten of its standard errors."""
        gap = self.clean - self.corrupt
        error = gap.std(ddof=1) / np.sqrt(len(gap)) if len(gap) > 1 else 0.0
        return bool(abs(gap.mean()) > max(NOTHING_TO_LOCALISE * error, self.resolution))

    @property
    def informative(self) -> bool:
        """Whether shares of the difference locate anything: it is resolved, and the cells (if several) are not all equal."""
        cells = self.metric.values.mean(-1).reshape(len(self.metric.values), -1)
        return self.resolved and (cells.shape[1] == 1 or bool((np.ptp(cells, axis=1) > self.resolution).any()))

    @property
    def change(self) -> Sweep:
        """What is restored (denoise) or destroyed (noise), in the metric's units: `[direction, *cell]`."""
        return self._change_of(self.metric)

    @property
    def effect(self) -> Sweep:
        """Share of the difference restored (denoise) or destroyed (noise): `[direction, *cell]`. Ask `informative` first."""
        return replace(self.change, values=self.change.values / self.difference, unit="share of the difference")

    @property
    def rank_correlation(self) -> Sweep | None:
        """Spearman correlation of estimated and exact effects over cells with both: `[direction]`; None if no cell has both."""
        if self.estimate is None or self.is_exact is None or not self.is_exact.any():
            return None
        estimated = self._change_of(self.estimate).values
        pairs = zip(estimated, self.change.values, self.is_exact, strict=True)
        found = np.array([ranks.spearman(one[both], other[both]) for one, other, both in pairs])
        return Sweep(found, ("direction",), "rank correlation", {"direction": self.metric.labels("direction")})

    def _change_of(self, sweep: Sweep) -> Sweep:
        parts = [
            (found - self.corrupt if direction == "denoise" else self.clean - found).mean(-1)
            for direction, found in zip(sweep.labels("direction"), sweep.values, strict=True)
        ]
        coords = {dim: labels for dim, labels in sweep.coords.items() if dim != "example"}
        return Sweep(np.stack(parts), sweep.dims[:-1], "change of the metric", coords)


class ReplayOptions(TypedDict, total=False):
    """Options that `exact` and `screened` pass on to the replay engine."""

    budget: int | None
    """Maximum bytes of activations at once."""
    progress: Progress
    """Called as `progress(done, total)`, in cells."""
    verify: int
    """Number of cells per direction that are checked against a full forward."""


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
    """Patch every cell exactly by the replay engine (or `only` some; the others are NaN).

    `by` makes each edit from the other run's activations: `patch`, `mean`, `lambda site, _: zero(site)`, ...
    Raises NanoscopeError for sites that the model does not have, a budget too small for one cell, and a verified cell
    that differs from a full forward.
    """
    sweep = _Patching.prepared(model, task, metric, cells, by, directions)
    chosen = [np.arange(len(cells.cells))] * len(directions) if only is None else [np.flatnonzero(one) for one in only]
    values = np.full((len(directions), len(cells.cells), len(task)), np.nan)
    report, total, done, plans = options.get("progress", no_progress), sum(map(len, chosen)), 0, []
    for n, (direction, some) in enumerate(zip(directions, chosen, strict=True)):
        here: ReplayOptions = {**options, "progress": partial(_after, report, done, total)}
        found = sweep.replayed(direction, some, **here)
        values[n, some], done = found.values.numpy(), done + len(some)
        plans.append(found.plan)
    return replace(sweep.result(values), plans=tuple(plans), is_exact=only)


def exact_in_parts(model: GPT, task: Task, metric: Metric, cells: Grid) -> PatchingResult:
    """`exact` on as many examples at a time as the vocabulary allows; the metric must need no other example."""
    parts = batches(len(task), at_a_time(len(task), task.clean.shape[1], model.config.vocab_size))
    return _joined([exact(model, task[some], metric, cells) for some in parts])


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
    """Estimate every cell to first order: attribution patching, with queries and keys through the pattern (QK fix)."""
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
    """Patch the share of cells with the largest estimated effects exactly and estimate the others; see `is_exact`."""
    if not 0 < share <= 1:
        raise NanoscopeError(f"the share of cells to replay must lie in (0, 1], not {share}")
    estimated = attributed(model, task, metric, cells, by=by, directions=directions)
    chosen = _largest(estimated, int(np.ceil(share * len(cells.cells))))
    found = exact(model, task, metric, cells, by=by, directions=directions, only=chosen, **options)
    values = np.where(chosen[..., None], found.metric.values, estimated.metric.values)
    return replace(estimated, metric=replace(estimated.metric, values=values), is_exact=chosen, plans=found.plans)


def plan(
    model: GPT,
    task: Task,
    cells: Grid,
    *,
    by: MakeEdit = patch,
    direction: Direction = "denoise",
    budget: int | None = None,
) -> ReplayPlan:
    """The plan of `exact` in one direction, to be printed: `print(plan(...))`."""
    sweep = _Patching.prepared(model, task, metrics.loss, cells, by, [direction])
    tokens, base = sweep.tokens(direction), sweep.base(direction)
    return plan_of(model, tokens, sweep.edits(direction), task.positions, budget=budget, base=base)


@dataclass(frozen=True)
class _Patching:
    """A sweep and its two unpatched runs."""

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
        """The edits of every cell, from the other run's activations."""
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
        """Reshape the metric `[direction, cell, example]` along the grid's axes."""
        axes = {"direction": tuple(self.directions), **self.cells.axes}
        shape = (*map(len, axes.values()), len(self.task))
        sweep = Sweep(values.reshape(shape), (*axes, "example"), "metric", axes)
        read = [metrics.read(run.logits, self.task) for run in (self.clean, self.corrupt)]
        clean, corrupt = (self.metric(logits, self.task).double().cpu().numpy() for logits in read)
        least = resolution(self.model) * max(float(logits.abs().max()) for logits in read)
        return PatchingResult(clean, corrupt, sweep, arithmetic=arithmetic_of(self.model), resolution=least)


def _joined(parts: Sequence[PatchingResult]) -> PatchingResult:
    """One sweep over all examples from exact ones over some of them."""
    clean, corrupt = (np.concatenate(found) for found in zip(*((p.clean, p.corrupt) for p in parts), strict=True))
    values = np.concatenate([part.metric.values for part in parts], axis=-1)
    least, plans = max(part.resolution for part in parts), tuple(plan for part in parts for plan in part.plans)
    metric = replace(parts[0].metric, values=values)
    return replace(parts[0], clean=clean, corrupt=corrupt, metric=metric, plans=plans, resolution=least)


def _largest(estimated: PatchingResult, count: int) -> Bool[np.ndarray, "direction *cell"]:
    """Mask of the cells with the largest estimated changes in each direction."""
    values, chosen = estimated.metric.values, np.zeros(estimated.metric.values.shape[:-1], dtype=bool)
    for direction, found, mask in zip(estimated.metric.labels("direction"), values, chosen, strict=True):
        plain = estimated.corrupt if direction == "denoise" else estimated.clean
        mask.flat[np.argsort(-np.abs((found - plain).mean(-1)).ravel(), kind="stable")[:count]] = True
    return chosen


def _after(report: Progress, before: int, total: int, done: int, _: int) -> None:
    """Report progress in one direction as progress in all."""
    report(before + done, total)
