"""The figure of a patching sweep: every cell's effect in both directions."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nanoscope.evidence.sweep import Sweep
from nanoscope.plots.style import ACCENT, SECOND, heatmap, new_figure, styled, visible_character

TITLES = {
    "denoise": "denoising: clean into corrupt",
    "noise": "noising: corrupt into clean",
}
POSITIONS = ("pos", "query", "key")
LETTERED = 48
"""The largest number of rows or columns that are all labelled."""


@styled
def sweep_effects(effect: Sweep, symbols: Sequence[str], title: str) -> Figure:
    """Draw `effect [direction, *cell]`, one panel per direction: the last axis as columns, the others as rows.

    `symbols` has the prompt's symbol at each position.
    """
    if len(effect.dims) == 2:
        return _curves(effect, title)
    rows = [_label(effect.dims[1:-1], at, symbols) for at in product(*(effect.labels(d) for d in effect.dims[1:-1]))]
    columns = [_label(effect.dims[-1:], (label,), symbols) for label in effect.labels(effect.dims[-1])]
    figure, axes = new_figure(max(7.6, 4.4 + 0.16 * min(len(columns), 60)), 1.6 + 0.2 * min(len(rows), 60), 1, 2)
    limit = max(float(np.abs(effect.values).max()), 1e-9)
    for ax, direction, values in zip(axes, effect.labels("direction"), effect.values, strict=True):
        heatmap(ax, values.reshape(len(rows), len(columns)), limit)
        ax.set_title(TITLES[str(direction)])
        _ticks(ax, columns, rows)
        ax.set_xlabel({"pos": "position patched", "key": "key", "head": "head"}.get(effect.dims[-1], effect.dims[-1]))
    figure.colorbar(axes[0].images[0], ax=axes, label="share of the\nclean-corrupt difference")
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold")
    return figure


def _curves(effect: Sweep, title: str) -> Figure:
    """Curves of both directions over a single cell axis, such as the neurons of a layer."""
    figure, (ax,) = new_figure(9, 3)
    for colour, direction, values in zip((SECOND, ACCENT), effect.labels("direction"), effect.values, strict=True):
        ax.plot(values, linewidth=0.8, color=colour, label=TITLES[str(direction)])
    ax.set_xlabel(effect.dims[1])
    ax.set_ylabel("share of the\nclean-corrupt difference")
    ax.legend()
    ax.set_title(title, fontweight="bold")
    return figure


def _label(dims: Sequence[str], at: Sequence[object], symbols: Sequence[str]) -> str:
    known = dict(zip(dims, at, strict=True))
    if "layer" in known and "head" in known:
        known = {"layer": f"L{known['layer']}H{known['head']}", **{d: v for d, v in known.items() if d in POSITIONS}}
    elif "layer" in known:
        known["layer"] = f"L{known['layer']}"
    return " ".join(
        f"{value} {visible_character(symbols[int(str(value))])}" if dim in POSITIONS else str(value)
        for dim, value in known.items()
    )


def _ticks(ax: Axes, columns: Sequence[str], rows: Sequence[str]) -> None:
    for labels, set_ticks in ((columns, ax.set_xticks), (rows, ax.set_yticks)):
        step = -(-len(labels) // LETTERED)
        set_ticks(range(0, len(labels), step), labels[::step], fontsize=7)
    if max(map(len, columns)) > 2:
        ax.tick_params(axis="x", rotation=90)
