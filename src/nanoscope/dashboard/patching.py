"""Activation patching between two texts: the sweep, streamed part by part, and what one cell changes."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from fastapi.responses import StreamingResponse
from pydantic import Field

from nanoscope.analysis.causal.patching import Direction, Grid
from nanoscope.dashboard.asked import Opened
from nanoscope.dashboard.jobs import Job
from nanoscope.dashboard.pairs import AskedPair, Texts, texts_of
from nanoscope.errors import NanoscopeError
from nanoscope.views import patch, patch_live
from nanoscope.views.patch_cells import effects
from nanoscope.views.patch_live import CellChange, Part

router = APIRouter(prefix="/api")
MOST = 20_000
"""Cells of a sweep in the page; the command line takes more."""
Sweep = Literal[
    "residual", "heads", "heads-by-position", "queries", "keys", "values", "attention", "mlps", "neurons", "pattern"
]


class AskedSweep(AskedPair):
    """A sweep between two texts, in one direction."""

    sweep: Sweep = "residual"
    direction: Direction = "denoise"
    layer: int | None = Field(None, ge=0, le=999)
    head: int | None = Field(None, ge=0, le=999)


class AskedCell(AskedSweep):
    """One cell of it, by its number in the grid's order."""

    cell: int = Field(ge=0, lt=MOST)


@dataclass(frozen=True)
class Axis:
    name: str
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Swept:
    """What is swept, and the cells from the number `first` on: the logits that each restores (denoise) or destroys (noise)."""

    axes: tuple[Axis, ...]
    first: int
    changes: tuple[float, ...]
    clean: float
    corrupt: float
    """Logit of the answer minus logit of the wrong answer, in both texts."""
    answer: str
    wrong: str
    note: str
    doubt: str | None
    """Of the last part: why shares of the difference would mislead; None if they mean what they say."""


@dataclass(frozen=True)
class Cells:
    """The cells of a sweep between two texts."""

    texts: Texts
    asked: AskedSweep
    grid: Grid

    def parts(self) -> Iterator[Part]:
        return patch_live.in_parts(self.texts.checkpoint.model, self.texts.task, self.grid, self.asked.direction)


def cells_of(session: Opened, asked: AskedSweep) -> Cells:
    """NanoscopeError for texts that cannot be compared, and for more cells than `MOST`."""
    texts = texts_of(session, asked)
    grid = patch.grid(texts.checkpoint.model, texts.task, asked.sweep, asked.layer, asked.head)
    if len(grid.cells) > MOST:
        raise NanoscopeError(
            f"the sweep has {len(grid.cells):,} cells, more than the {MOST:,} that the page shows; shorten the texts, or use "
            "nanoscope patch"
        )
    return Cells(texts, asked, grid)


@router.post("/patch")
async def sweep(session: Opened, cells: Annotated[Cells, Depends(cells_of)]) -> StreamingResponse:
    """Every cell, exactly, some at a time."""

    def measure(job: Job) -> Iterator[Swept]:
        parts, done, count = cells.parts(), 0, len(cells.grid.cells)
        while done < count:
            job.progress(cells.asked.sweep, done, count)
            with job.turn():
                part = next(parts)
            done = part.first + len(part.changes)
            yield _said(cells, part, done == count)

    return session.jobs.streamed(measure)


@router.post("/patch/cell")
def cell(session: Opened, asked: AskedCell) -> CellChange:
    """What one cell changes in what is expected."""
    with session.busy:
        cells = cells_of(session, asked)
        if asked.cell >= len(cells.grid.cells):
            raise NanoscopeError(
                f"there is no cell {asked.cell}; the sweep has {len(cells.grid.cells):,}, counted from 0"
            )
        model, texts = cells.texts.checkpoint.model, cells.texts
        return patch_live.of_cell(model, texts.task, cells.grid, asked.cell, asked.direction, texts.names)


def _said(cells: Cells, part: Part, last: bool) -> Swept:
    texts = cells.texts
    named = effects(part.so_far, texts.between, texts.checkpoint.model.config.n_layer)
    return Swept(
        tuple(Axis(dim, tuple(map(str, named.labels(dim)))) for dim in cells.grid.axes),
        part.first,
        tuple(part.changes.tolist()),
        float(part.so_far.clean.mean()),
        float(part.so_far.corrupt.mean()),
        texts.between.answer,
        texts.between.wrong,
        texts.note,
        patch.against_shares(part.so_far) if last else None,
    )
