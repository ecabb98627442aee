"""The figures of the evolution comparison."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import stats

from nanoscope.evidence.result import Result
from nanoscope.plots.style import (
    ACCENT,
    SECOND,
    SOFT,
    THIRD,
    iterations_axis,
    legend_above,
    new_figure,
    ordered_colours,
    plain_logarithms,
    styled,
)

PANELS = {
    "heads": ("induction head", "previous-token head"),
    "copying and context": ("copying", "in-context learning", "repeated passages"),
    "loss": ("loss",),
}
UNITS = {
    "heads": "attention above uniform",
    "copying and context": "gain, nats per character",
    "loss": "loss, nats per character",
}


@styled
def bands(result: Result) -> Figure:
    """Every score over training: the mean over trainings, its 95 % interval (Student's t), and each training thin."""
    curves = result["curves"]
    names = [str(name) for name in curves.labels("curve")]
    panels = {**PANELS, "distance to n-gram tables": tuple(name for name in names if name.endswith("-gram"))}
    figure, axes = new_figure(10.5, 6.2, 2, 2, sharex=True)
    steps = np.array(curves.labels("step"), dtype=float)
    for ax, (title, shown) in zip(axes, panels.items(), strict=True):
        colours = ordered_colours(len(shown)) if len(shown) > 3 else (ACCENT, SECOND, THIRD)
        for name, colour in zip(shown, colours, strict=False):
            _mean_band(ax, steps, curves.sel(curve=name).values, colour, name)
        ax.set(title=title, ylabel=UNITS.get(title, "KL(table || model), nats"))
        iterations_axis(ax, steps[-1])
    axes[-1].set_yscale("log")
    plain_logarithms(axes[-1])
    for ax in axes:
        legend_above(ax, columns=len(ax.get_legend_handles_labels()[1]))
    figure.suptitle(f"{result.subject.label}: what appears when", x=0.01, ha="left", fontweight="bold")
    return figure


@styled
def timeline(result: Result) -> Figure:
    """When each event happens in each training, with its interval."""
    events = result["events"]
    steps = events.sel(part="step").values
    there = [i for i in range(steps.shape[1]) if not np.isnan(steps[:, i]).all()]
    order = sorted(there, key=lambda i: float(np.nanmedian(steps[:, i])))
    names, count = [str(name) for name in events.labels("event")], len(steps)
    figure, (ax,) = new_figure(9, 0.42 * len(order) + 1.5)
    for row, i in enumerate(order):
        low, high = (events.sel(event=names[i], part=part).values for part in ("low", "high"))
        heights = row + np.linspace(-0.25, 0.25, count)
        ax.hlines(heights, np.log1p(low), np.log1p(high), color=SOFT, linewidth=1)
        ax.scatter(np.log1p(steps[:, i]), heights, s=14, color=ACCENT if "head" in names[i] else SECOND, zorder=3)
    labels = [f"{names[i]} ({int((~np.isnan(steps[:, i])).sum())} of {count})" for i in order]
    ax.set_yticks(range(len(order)), labels, fontsize=8)
    ax.invert_yaxis()
    iterations_axis(ax, float(result["curves"].labels("step")[-1]))
    title = f"{result.subject.label}: the order of events (a dot a training)"
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold")
    return figure


def _mean_band(ax: Axes, steps: np.ndarray, values: np.ndarray, colour: str, label: str) -> None:
    """Mean over trainings `[training, step]` with Student's t interval; the trainings themselves thin."""
    x, mean, count = np.log1p(steps), values.mean(0), len(values)
    half = stats.t.ppf(0.975, count - 1) * values.std(0, ddof=1) / np.sqrt(count)
    ax.plot(x, values.T, color=colour, linewidth=0.4, alpha=0.5)
    ax.plot(x, mean, color=colour, linewidth=1.6, label=label)
    ax.fill_between(x, mean - half, mean + half, color=colour, alpha=0.2, linewidth=0)
