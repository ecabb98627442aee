"""The parts of a score as a grid: writes into the query down, writes into the key across."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nanoscope.plots.style import SOFT, cell_text, heatmap, hundredths, new_figure, styled, upright

MOST = 12
"""Writes of an axis that have a row or column of their own; the others share one."""
CELL = 0.36
"""Inches of a row and a column: room for `-10.25` in 6 points."""
FAINT = 0.02
"""Share of the colour scale below which a cell is almost white and has no number."""
DARK = 0.6
"""Share of the colour scale from which on numbers are white."""


@styled
def score_parts_grid(
    names: Sequence[str], parts: Float[np.ndarray, "into_query into_key"], places: tuple[str, str], title: str
) -> Figure:
    """Draw the parts, in nats; all cells sum to the whole, and all but the faintest have their numbers.

    The writes with the largest parts are drawn, in the order of the model, and the sum of all others. `places` are what query
    and key are called.
    """
    (rows, values), (columns, across) = _folded(names, parts), _folded(names, parts.T)
    grid = _summed(_summed(parts, values).T, across).T
    limit = max(float(np.abs(grid).max()), 1e-9)
    figure, (ax,) = new_figure(max(5.6, CELL * len(columns) + 2.4), max(3.0, CELL * len(rows) + 1.9))
    image = heatmap(ax, grid, limit)
    for (row, column), value in np.ndenumerate(grid):
        if abs(value) >= FAINT * limit:
            cell_text(ax, row, column, hundredths(value), 6, bool(abs(value) > DARK * limit))
    ax.set_xticks(range(len(columns)), columns, fontsize=7, rotation=upright(columns))
    ax.set_yticks(range(len(rows)), rows, fontsize=7)
    ax.set_xlabel(f"write into the key,\nat {places[1]}")
    ax.set_ylabel(f"write into the query,\nat {places[0]}")
    _separate(ax, len(rows) > len(values), len(columns) > len(across), grid.shape)
    figure.colorbar(image, ax=ax, label="nats above the mean key")
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold")
    return figure


def _folded(names: Sequence[str], parts: Float[np.ndarray, "write other"]) -> tuple[list[str], list[int]]:
    """The labels of an axis, and the writes with rows of their own: all, or those with the largest parts."""
    if len(names) <= MOST + 1:
        return list(names), list(range(len(names)))
    largest = [int(at) for at in np.sort((-np.abs(parts).sum(1)).argsort(kind="stable")[:MOST])]
    return [*(names[at] for at in largest), f"{len(names) - MOST} others"], largest


def _summed(parts: Float[np.ndarray, "write other"], kept: Sequence[int]) -> Float[np.ndarray, "row other"]:
    """The rows that are kept, and the sum of the others if there are any."""
    others = np.delete(parts, kept, axis=0)
    return np.concatenate([parts[kept], others.sum(0, keepdims=True)[: len(others)]])


def _separate(ax: Axes, below: bool, right: bool, shape: tuple[int, ...]) -> None:
    """Lines before the sums of others."""
    if below:
        ax.axhline(shape[0] - 1.5, color=SOFT, linewidth=0.8)
    if right:
        ax.axvline(shape[1] - 1.5, color=SOFT, linewidth=0.8)
