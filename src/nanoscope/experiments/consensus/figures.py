"""The figures of `consensus`: every edge's effect in every training, and when edges formed."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from nanoscope.evidence.result import Result
from nanoscope.plots.style import ACCENT, INK, SECOND, SOFT, THIRD, heatmap, new_figure, styled

SHOWN = 30
COLOURS = (ACCENT, SECOND, THIRD, INK, "#a06cd5", SOFT)


@styled
def edges(result: Result) -> Figure:
    """The effect of the edges that are strongest on average, in each training; a dot marks those of its circuit."""
    shares, has = result["shares"], result["has"].values
    order = np.argsort(-shares.values.mean(0), kind="stable")[:SHOWN]
    figure, (ax,) = new_figure(10, 0.35 * len(shares.values) + 2.6)
    heatmap(ax, shares.values[:, order], float(np.abs(shares.values).max()))
    rows, columns = np.nonzero(has[:, order])
    ax.plot(columns, rows, ".", color=INK, markersize=4)
    ax.set_xticks(range(len(order)), [str(shares.labels("edge")[at]) for at in order], rotation=90, fontsize=7)
    ax.set_yticks(range(len(has)), [str(name) for name in shares.labels("training")])
    title = f"{result.subject.label}: each edge's share of the behaviour (heads by role; dots: in the circuit)"
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold")
    return figure


@styled
def formation(result: Result) -> Figure:
    """The behaviour over the training, and the effects of the strongest edges: the mean over trainings, and each."""
    figure, axes = new_figure(11, 3.8, 1, 2)
    steps = np.array(result["formed"].labels("step"), dtype=float)
    for row in result["behaviour"].values:
        axes[0].plot(steps, row, color=SECOND, linewidth=0.8, alpha=0.6)
    axes[0].set(title="the behaviour: clean minus corrupt", ylabel="logits")
    for at, (edge, colour) in enumerate(zip(result["formed"].labels("edge"), COLOURS, strict=False)):
        values = result["formed"].values[:, at]
        here = values[~np.isnan(values).all(1)]
        for row in here:
            axes[1].plot(steps, row, color=colour, linewidth=0.5, alpha=0.35)
        if len(here):
            axes[1].plot(steps, here.mean(0), color=colour, linewidth=2, label=f"{edge} ({len(here)})")
    axes[1].set(title="edges alone (in brackets: in so many circuits)", ylabel="logits")
    axes[1].legend(fontsize=7)
    for ax in axes:
        ax.set_xlabel("iteration")
    figure.suptitle(f"{result.subject.label}: when the circuit formed", x=0.01, ha="left", fontweight="bold")
    return figure
