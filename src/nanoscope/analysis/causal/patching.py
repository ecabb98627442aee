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

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from nanoscope.errors import NanoscopeError
from nanoscope.evidence.sweep import Label, Sweep
from nanoscope.interventions.edits import Edit, patch
from nanoscope.interventions.first_order import estimate
from nanoscope.interventions.replay import Progress, ReplayPlan, base_run, replay
from nanoscope.interventions.replay import plan as plan_of
from nanoscope.interventions.run import Cache, Run, check_site
from nanoscope.model.gpt import GPT
from nanoscope.model.precision import arithmetic_of
from nanoscope.model.sites import AXES, Site
from nanoscope.statistics import ranks
from nanoscope.tasks import metrics
from nanoscope.tasks.metrics import Metric
from nanoscope.tasks.task import Task

Direction = Literal["denoise", "noise"]
DIRECTIONS: tuple[Direction, ...] = ("denoise", "noise")
NOTHING_TO_LOCALISE = 10.0
"""The clean-corrupt difference must be at least this many of its standard errors, or no effect is a share of it."""
MakeEdit = Callable[[Site, Cache], Edit]
"""Makes the edit of a site from the activations of the other run: `patch`, or an ablation."""


def no_progress(done: int, total: int) -> None:
    """Says nothing."""


# ---- which cells ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Grid:
    """The cells of a sweep: labelled axes, and the sites that are edited at each place, row by row."""

    axes: Mapping[str, tuple[Label, ...]]
    cells: tuple[tuple[Site, ...], ...]

    @property
    def names(self) -> set[str]:
        """Which activations are edited."""
        return {site.name for cell in self.cells for site in cell}


def grid(model: GPT, task: Task, name: str, *axes: str, positions: Sequence[int] | None = None, **at: int) -> Grid:
    """One activation, slice by slice along some of its axes: `grid(model, task, "q", "layer", "head", "pos")`.

    `at` fixes others: `layer=2`. Positions (queries, keys) go from the first difference to the last read unless they
    are given; the keys from 0.
    """
    config, last = model.config, int(task.positions.max()) + 1
    places = tuple(range(task.first_difference, last)) if positions is None else tuple(positions)
    labels = {"layer": range(config.n_layer), "head": range(config.n_head), "neuron": range(config.d_mlp)}
    known = labels | {"pos": places, "query": places, "key": range(last)}
    unknown = [axis for axis in axes if axis not in known or axis not in ("layer", *AXES.get(name, ()))]
    if unknown:
        raise NanoscopeError(
            f"{name} cannot be swept along {unknown[0]}; its axes are layer {' '.join(AXES.get(name, ()))}"
        )
    chosen = {axis: tuple(known[axis]) for axis in axes}
    return Grid(
        chosen, tuple((Site(name, **at, **dict(zip(axes, one, strict=True))),) for one in product(*chosen.values()))
    )


def residual_stream(model: GPT, task: Task) -> Grid:
    """Each layer's input, one position at a time, and (as layer n_layer) the last one's output: `[layer, pos]`."""
    each = grid(model, task, "resid_pre", "layer", "pos")
    last = grid(model, task, "resid_post", "pos", layer=model.config.n_layer - 1)
    return Grid({"layer": (*each.axes["layer"], model.config.n_layer), **last.axes}, each.cells + last.cells)


def heads(model: GPT, task: Task) -> Grid:
    """Each head's output at all positions: `[layer, head]`."""
    return grid(model, task, "z", "layer", "head")


def heads_by_position(model: GPT, task: Task) -> Grid:
    """Each head's output, one position at a time: `[layer, head, pos]`."""
    return grid(model, task, "z", "layer", "head", "pos")


def queries(model: GPT, task: Task) -> Grid:
    """Each head's queries at all positions: `[layer, head]`."""
    return grid(model, task, "q", "layer", "head")


def keys(model: GPT, task: Task) -> Grid:
    """Each head's keys at all positions: `[layer, head]`."""
    return grid(model, task, "k", "layer", "head")


def values(model: GPT, task: Task) -> Grid:
    """Each head's values at all positions: `[layer, head]`."""
    return grid(model, task, "v", "layer", "head")


def attention_outputs(model: GPT, task: Task) -> Grid:
    """What each layer's attention writes, one position at a time: `[layer, pos]`."""
    return grid(model, task, "attn_out", "layer", "pos")


def mlps(model: GPT, task: Task) -> Grid:
    """What each MLP writes, one position at a time: `[layer, pos]`."""
    return grid(model, task, "mlp_out", "layer", "pos")


def pattern_entries(model: GPT, task: Task, layer: int, head: int) -> Grid:
    """Each entry of one head's attention pattern: `[query, key]`."""
    return grid(model, task, "pattern", "query", "key", layer=layer, head=head)


def neurons(model: GPT, task: Task, layer: int) -> Grid:
    """Each neuron of one layer at all positions: `[neuron]`."""
    return grid(model, task, "post", "neuron", layer=layer)


def sets(groups: Sequence[Sequence[Site]]) -> Grid:
    """Several sites at once: `[set]`. Patching parts together shows what they do together (AND, OR)."""
    return Grid({"set": tuple(range(len(groups)))}, tuple(tuple(group) for group in groups))


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


def exact(
    model: GPT,
    task: Task,
    metric: Metric,
    cells: Grid,
    *,
    by: MakeEdit = patch,
    directions: Sequence[Direction] = DIRECTIONS,
    budget: int | None = None,
    progress: Progress = no_progress,
    verify: int = 0,
) -> PatchingResult:
    """Every cell exactly, by the replay engine; the plans are in the result.

    `by` makes each edit from the other run's activations: `patch`, `mean`, `lambda site, _: zero(site)`, ...
    `budget`: bytes of activations at once; `progress(done, total)`: cells so far; `verify`: how many cells of each
    direction are run in full as well. Raises NanoscopeError for sites that the model does not have, a budget in which no
    cell fits, and a verified cell that differs.
    """
    sides = [_Side(model, task, cells, by, direction) for direction in directions]
    total, measure = len(cells.cells) * len(sides), _measure(task, metric)
    runs = _runs(model, task, cells)
    found = [
        replay(
            model, side.tokens, side.edits(runs), task.positions, measure, budget=budget, base=side.base(runs),
            progress=lambda done, _, n=n: progress(n * len(cells.cells) + done, total), verify=verify,
        )
        for n, side in enumerate(sides)
    ]  # fmt: skip
    values = torch.stack([one.values for one in found])
    return _patched(model, task, metric, cells, directions, runs, values, plans=tuple(one.plan for one in found))


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
    runs = _runs(model, task, cells)
    sides = [_Side(model, task, cells, by, direction) for direction in directions]
    measure = _measure(task, metric)
    estimates = torch.stack(
        [estimate(model, s.tokens, s.edits(runs), task.positions, measure, qk_fix=qk_fix) for s in sides]
    )
    found = _patched(model, task, metric, cells, directions, runs, estimates)
    none = np.zeros(found.metric.values.shape[:-1], dtype=bool)
    return replace(found, estimate=found.metric, is_exact=none)


def screened(
    model: GPT,
    task: Task,
    metric: Metric,
    cells: Grid,
    *,
    share: float = 0.1,
    by: MakeEdit = patch,
    directions: Sequence[Direction] = DIRECTIONS,
    budget: int | None = None,
    progress: Progress = no_progress,
    verify: int = 0,
) -> PatchingResult:
    """The share of cells with the largest estimated effects exactly, the others as estimated; `is_exact` says which."""
    if not 0 < share <= 1:
        raise NanoscopeError(f"the share of cells to replay must lie in (0, 1], not {share}")
    guessed = attributed(model, task, metric, cells, by=by, directions=directions)
    flat = guessed.metric.values.reshape(len(directions), len(cells.cells), -1)
    count = int(np.ceil(share * len(cells.cells)))
    runs, measure = _runs(model, task, cells), _measure(task, metric)
    mixed, chosen, plans = flat.copy(), np.zeros(flat.shape[:-1], dtype=bool), []
    for n, direction in enumerate(directions):
        side = _Side(model, task, cells, by, direction)
        plain = guessed.corrupt if direction == "denoise" else guessed.clean
        largest = np.argsort(-np.abs((flat[n] - plain).mean(-1)), kind="stable")[:count]
        edits = side.edits(runs)
        found = replay(
            model, side.tokens, [edits[cell] for cell in largest], task.positions, measure, budget=budget,
            base=side.base(runs), progress=lambda done, _, n=n: progress(n * count + done, count * len(directions)),
            verify=verify,
        )  # fmt: skip
        mixed[n, largest], chosen[n, largest] = found.values.numpy(), True
        plans.append(found.plan)
    sweep = Sweep(mixed.reshape(guessed.metric.values.shape), guessed.metric.dims, "metric", guessed.metric.coords)
    shape = sweep.values.shape[:-1]
    return replace(guessed, metric=sweep, is_exact=chosen.reshape(shape), plans=tuple(plans))


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
    runs, side = _runs(model, task, cells), _Side(model, task, cells, by, direction)
    return plan_of(model, side.tokens, side.edits(runs), task.positions, budget=budget, base=side.base(runs))


@dataclass(frozen=True)
class _Side:
    """One direction: the run that is patched, and the edits that the other run gives."""

    model: GPT
    task: Task
    cells: Grid
    by: MakeEdit
    direction: Direction

    @property
    def tokens(self) -> Tensor:
        return self.task.corrupt if self.direction == "denoise" else self.task.clean

    def base(self, runs: tuple[Run, Run]) -> Run:
        return runs[1] if self.direction == "denoise" else runs[0]

    def edits(self, runs: tuple[Run, Run]) -> list[Edits]:
        source = runs[0] if self.direction == "denoise" else runs[1]
        return [[self.by(site, source.cache) for site in cell] for cell in self.cells.cells]


def _runs(model: GPT, task: Task, cells: Grid) -> tuple[Run, Run]:
    for cell in cells.cells:
        for site in cell:
            check_site(site, model, task.clean.shape[1])
    return base_run(model, task.clean, cells.names), base_run(model, task.corrupt, cells.names)


def _measure(task: Task, metric: Metric) -> Callable[[Tensor], Tensor]:
    return lambda logits: metric(logits, task.tiled(len(logits) // len(task)))


def _patched(
    model: GPT,
    task: Task,
    metric: Metric,
    cells: Grid,
    directions: Sequence[Direction],
    runs: tuple[Run, Run],
    found: Tensor,
    plans: tuple[ReplayPlan, ...] = (),
) -> PatchingResult:
    shape = (len(directions), *(len(labels) for labels in cells.axes.values()), len(task))
    dims, coords = ("direction", *cells.axes, "example"), {"direction": tuple(directions), **cells.axes}
    clean, corrupt = (metric(metrics.read(run.logits, task), task).double().cpu().numpy() for run in runs)
    sweep = Sweep(found.numpy().reshape(shape), dims, "metric", coords)
    return PatchingResult(clean, corrupt, sweep, plans=plans, arithmetic=arithmetic_of(model))
