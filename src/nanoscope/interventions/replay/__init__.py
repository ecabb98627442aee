"""The replay engine: exact interventions on many cells at the price of what they change.

A sweep is one base run and many small replays of it. A cell (a list of edits) is resumed at its first edited layer;
only the positions that its edits have changed so far are computed, and earlier ones give their keys and values from
the base run; of the last layer and the unembedding only what the metric reads. All cells of a pack share the same
matrix products. The values are those of `run(model, tokens, cell)` to float tolerance, whatever the packing.

    found = replay(model, tokens, cells, positions, measure)     # found.values [cell, example]
    print(found.plan)

Where edits have large tensors of their own, a `Cell` makes them when its pack runs. docs/replay.md draws an example.

Method: nanoscope's own (key-value caching, Pope et al. 2022, put to use for interventions); the joining of attention
over parts of the keys is online softmax, Milakov & Gimelshein 2018.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from nanoscope.errors import NanoscopeError
from nanoscope.interventions.replay.cells import Cell, Edits, as_cell, locate
from nanoscope.interventions.replay.data_flow import kept_of_base
from nanoscope.interventions.replay.execute import SweepContext, make_context, replay_rows
from nanoscope.interventions.replay.plan import Pack, ReplayPlan, make_plan
from nanoscope.interventions.replay.verify import verify as verify_cells
from nanoscope.interventions.replay.writes import pack_edits
from nanoscope.interventions.run import Run, check_site, run
from nanoscope.model.gpt import GPT
from nanoscope.tasks.metrics import read_at

__all__ = ["Cell", "Edits", "Replay", "ReplayPlan", "base_run", "plan", "replay"]

Measure = Callable[[Tensor], Tensor]
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Replay:
    """`values [cell, example]`: the metric of every cell; `base [example]`: without any edit; and what was done."""

    values: Tensor
    base: Tensor
    plan: ReplayPlan


def replay(
    model: GPT,
    tokens: Int[Tensor, "example pos"],
    cells: Sequence[Cell | Edits],
    positions: Int[Tensor, "example read"],
    measure: Callable[[Float[Tensor, "row read vocab"]], Float[Tensor, "row"]],
    *,
    budget: int | None = None,
    progress: Progress = lambda done, total: None,
    base: Run | None = None,
    verify: int = 0,
) -> Replay:
    """The metric of every cell, per example, exactly: what `run(model, tokens, cell)` would give, in double precision.

    A cell is a list of edits, or a `Cell` that makes them when they are needed.
    `positions` are where the logits are read, and `measure` makes one value of an example's reads. It is given all the
    examples in order, of one cell after another, so its first axis is a multiple of their number.
    `budget` bounds the activations' memory, in bytes (a quarter of what is free). `progress(done, total)` counts cells.
    `base` is a run from `base_run`, where one is at hand. `verify` of the cells, evenly spaced, are run in full as well.
    Raises NanoscopeError for a site that the model does not have, a budget in which no cell fits, a cell that makes
    other edits than it declares, and a verified cell that differs (see `verify.tolerance`).
    """
    if verify < 0:
        raise NanoscopeError(f"the number of cells to verify must not be negative, and is {verify}")
    cells = [as_cell(cell) for cell in cells]
    base = base_run(model, tokens, _named(cells)) if base is None else base
    planned = plan(model, tokens, cells, positions, budget=budget, base=base)
    with torch.inference_mode():
        read = read_at(base.logits, positions)
        unedited = measure(read).double().cpu()
        values = unedited.repeat(len(cells), 1)
        context = make_context(model, base.cache, positions.cpu().numpy(), planned.most_tokens)
        done = planned.trivial
        progress(done, len(cells))
        for pack in planned.packs:
            found = measure(_pack_logits(context, cells, planned, pack, read)).double().cpu()
            values[torch.from_numpy(pack.cells)] = found.unflatten(0, (len(pack.cells), -1))
            done += len(pack.cells)
            progress(done, len(cells))
    verify_cells(model, tokens, cells, positions, measure, values, verify)
    return Replay(values.clone(), unedited.clone(), planned)


def plan(
    model: GPT,
    tokens: Int[Tensor, "example pos"],
    cells: Sequence[Cell | Edits],
    positions: Int[Tensor, "example read"],
    *,
    budget: int | None = None,
    base: Run | None = None,
) -> ReplayPlan:
    """What `replay` with the same arguments would do; printing it explains it. Costs one run of the model."""
    cells = [as_cell(cell) for cell in cells]
    for cell in cells:
        for site in cell.sites:
            check_site(site, model, tokens.shape[1])
    base = base_run(model, tokens, _named(cells)) if base is None else base
    with torch.inference_mode():
        return make_plan(model, base.cache, cells, positions.cpu().numpy(), budget)


def base_run(model: GPT, tokens: Int[Tensor, "example pos"], names: Iterable[str]) -> Run:
    """A plain run with all that cells need which edit these activations: what they are replayed on."""
    if model.training:
        raise NanoscopeError("the model is in training mode, where dropout is random; call model.eval() first")
    return run(model, tokens, keep=kept_of_base(model.config, names))


def _named(cells: Sequence[Cell]) -> set[str]:
    return {site.name for cell in cells for site in cell.sites}


def _pack_logits(
    context: SweepContext, cells: Sequence[Cell], planned: ReplayPlan, pack: Pack, read: Tensor
) -> Float[Tensor, "row read vocab"]:
    """The logits that the metric reads, of all examples of a pack's cells: the base run's, where nothing changes.

    The cells' edits are made here, and are gone with the end of this function.
    """
    logits = read.repeat(len(pack.cells), 1, 1)
    located = [locate(cells[n], planned.edited[n], context.base) for n in pack.cells]
    edits = pack_edits(located, *context.reads.shape)
    for rows in pack.rows:
        replay_rows(context, edits, rows, logits)
    return logits
