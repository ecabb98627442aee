"""The replay engine: many exact interventions at the cost of computing only what they change.

A sweep is one base run and many small replays of it. A cell (a list of edits) is replayed from its first edited layer.
Only the positions that its edits have changed so far are computed; unchanged keys and values come from the base run. In
the last layer and the unembedding, only what the metric reads is computed. All cells of a pack share the same matrix
products. The values equal those of `run(model, tokens, cell)` to rounding and do not depend on the packing.

    found = replay(model, tokens, cells, positions, measure)     # found.values [cell, example]
    print(found.plan)

If edits need large tensors of their own, a `Cell` creates them when its pack runs. docs/replay.md shows an example.

Method: nanoscope's own application of key-value caching (Pope et al. 2022) to interventions. Attention over subsets of
the keys is joined by online softmax (Milakov & Gimelshein 2018).
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
from nanoscope.interventions.run import Run, check_swept, run
from nanoscope.model.gpt import GPT
from nanoscope.tasks.metrics import read_at

__all__ = ["Cell", "Edits", "Replay", "ReplayPlan", "base_run", "plan", "replay"]

Measure = Callable[[Tensor], Tensor]
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Replay:
    """The metric of every cell, `values [cell, example]`, and without any edit, `base [example]`; and the plan used."""

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
    """The exact metric of every cell and example: that of `run(model, tokens, cell)`, as float64.

    A cell is a list of edits, or a `Cell` that creates them when they are needed.
    The logits are read at `positions`, and `measure` maps the reads of each row to one value. Its rows are all examples
    of one cell after another, so their number is a multiple of the number of examples.
    `budget` limits the activations' memory in bytes (default: a quarter of the free memory). `progress(done, total)`
    counts cells. `base` may be a previous result of `base_run`. `verify` is the number of cells, evenly spaced, that are
    also run in full.
    Raises NanoscopeError for a site that the model does not have, a budget in which no cell fits, a cell that creates
    other edits than it declares, and a verified cell that differs (see `verify.tolerance`).
    """
    if verify < 0:
        raise NanoscopeError(f"the number of cells to verify must not be negative, but is {verify}")
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
    """The plan of `replay` with the same arguments. Printing it explains it. Costs one run of the model."""
    cells = [as_cell(cell) for cell in cells]
    for cell in cells:
        for site in cell.sites:
            check_swept(site, model, tokens.shape[1])
    base = base_run(model, tokens, _named(cells)) if base is None else base
    with torch.inference_mode():
        return make_plan(model, base.cache, cells, positions.cpu().numpy(), budget)


def base_run(model: GPT, tokens: Int[Tensor, "example pos"], names: Iterable[str]) -> Run:
    """An unedited run that keeps all activations needed to replay cells that edit the named activations."""
    if model.training:
        raise NanoscopeError("the model is in training mode, where dropout is random; call model.eval() first")
    return run(model, tokens, keep=kept_of_base(model.config, names))


def _named(cells: Sequence[Cell]) -> set[str]:
    return {site.name for cell in cells for site in cell.sites}


def _pack_logits(
    context: SweepContext, cells: Sequence[Cell], planned: ReplayPlan, pack: Pack, read: Tensor
) -> Float[Tensor, "row read vocab"]:
    """The logits at the reads for all examples of a pack's cells; those of the base run wherever nothing changes.

    The cells' edits are created here and freed when this function returns.
    """
    logits = read.repeat(len(pack.cells), 1, 1)
    located = [locate(cells[n], planned.edited[n], context.base) for n in pack.cells]
    edits = pack_edits(located, *context.reads.shape)
    for rows in pack.rows:
        replay_rows(context, edits, rows, logits)
    return logits
