"""The figure of a patching sweep: every cell's effect in both directions."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nanoscope.evidence.sweep import Sweep
from nanoscope.plots.style import ACCENT, SECOND, heatmap, legend_above, new_figure, styled

TITLES = {
    "denoise": "denoising: clean into corrupt",
    "noise": "noising: corrupt into clean",
}
UNITS = {"logits": "change of the\nlogit difference, logits"}
SHARE = "share of the\nclean-corrupt difference"
NAMES = {"pos": "position patched", "neuron": "neuron"}
PITCH = 0.115
"""Inches from one labelled row or column to the next: a line of letters of 7 points."""
LETTERED = 256
"""The largest number of rows or columns that are all labelled; of more, as many evenly spaced ones."""


@styled
def sweep_effects(effect: Sweep, title: str) -> Figure:
    """Draw `effect [direction, *cell]`, one panel per direction: the last axis as columns, the others as rows.

    The labels of the axes are written as they are; a head is called by its layer and number.
    """
    if len(effect.dims) == 2:
        return _curves(effect, title)
    rows = [_row(effect.dims[1:-1], at) for at in product(*(effect.labels(dim) for dim in effect.dims[1:-1]))]
    columns = [str(label) for label in effect.labels(effect.dims[-1])]
    width, height = (PITCH * min(count, LETTERED) for count in (len(columns), len(rows)))
    figure, axes = new_figure(max(7.6, 3.4 + 2 * width), 1.7 + max(height, 0.2 * min(len(rows), 12)), 1, 2)
    limit = max(float(np.abs(effect.values).max()), 1e-9)
    for ax, direction, values in zip(axes, effect.labels("direction"), effect.values, strict=True):
        heatmap(ax, values.reshape(len(rows), len(columns)), limit)
        ax.set_title(TITLES[str(direction)])
        _ticks(ax, columns, rows)
        ax.set_xlabel(NAMES.get(effect.dims[-1], effect.dims[-1]))
    figure.colorbar(axes[0].images[0], ax=axes, label=UNITS.get(effect.unit, SHARE))
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold")
    return figure


def _curves(effect: Sweep, title: str) -> Figure:
    """Curves of both directions over a single cell axis, such as the neurons of a layer."""
    figure, (ax,) = new_figure(9, 3)
    for colour, direction, values in zip((SECOND, ACCENT), effect.labels("direction"), effect.values, strict=True):
        ax.plot(values, linewidth=0.8, color=colour, label=TITLES[str(direction)])
    ax.set_xlabel(effect.dims[1])
    ax.set_ylabel(UNITS.get(effect.unit, SHARE))
    legend_above(ax, columns=2)
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold")
    return figure


def _row(dims: Sequence[str], at: Sequence[object]) -> str:
    """`L0H3` for a head, `L2` for a layer, other labels as they are."""
    known = dict(zip(dims, at, strict=True))
    layer = known.pop("layer", None)
    if layer is None:
        return " ".join(map(str, known.values()))
    first = layer if isinstance(layer, str) else f"L{layer}"
    return f"{first}H{known['head']}" if "head" in known else first


def _ticks(ax: Axes, columns: Sequence[str], rows: Sequence[str]) -> None:
    for labels, set_ticks in ((columns, ax.set_xticks), (rows, ax.set_yticks)):
        step = -(-len(labels) // LETTERED)
        set_ticks(range(0, len(labels), step), labels[::step], fontsize=7)
    if max(map(len, columns)) > 2:
        ax.tick_params(axis="x", rotation=90)
