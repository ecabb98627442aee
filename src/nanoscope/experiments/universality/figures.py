"""The figures of universality: how many neurons, and how many features, other trainings grow too, with their controls."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nanoscope.analysis.neurons.universality import UNIVERSAL
from nanoscope.evidence.result import Result
from nanoscope.experiments.universality.features import AGAIN, UNTRAINED
from nanoscope.experiments.universality.judge import SAME
from nanoscope.plots.style import ACCENT, INK, SECOND, SOFT, THIRD, new_figure, styled

LEAST_SHOWN = 2.0
"""Per cent: the least upper limit of the axis, so that noise is not magnified where no neuron is universal."""
COLOURS = {AGAIN: THIRD, UNTRAINED: SECOND}
GRID = np.linspace(-0.2, 1.0, 241)


@styled
def neurons(result: Result) -> Figure:
    """The share of neurons above each excess correlation; and of each layer's neurons, the share that is universal."""
    figure, axes = new_figure(9.6, 4.0, 1, 2, width_ratios=(1.25, 1))
    excess = result["excess"].sel(measure="excess").values.astype(np.float64)
    _shares(axes[0], result, excess)
    _layers(axes[1], excess)
    figure.legend(loc="outside lower center", ncols=3, fontsize=8)
    title = f"{result.subject.label}: neurons that other trainings have grown too"
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold")
    return figure


def _shares(ax: Axes, result: Result, excess: np.ndarray) -> None:
    shared = result["shared"].values.astype(bool)
    planted = result["planted"].sel(measure="excess").values[shared]
    for i, twin in enumerate(excess):
        label = f"each of {len(excess)} other trainings" if i == 0 else None
        ax.plot(GRID, _above(twin), color=ACCENT, linewidth=0.7, alpha=0.5, label=label)
    ax.plot(GRID, _above(excess.mean(axis=0)), color=ACCENT, linewidth=2, label="mean over other trainings")
    ax.plot(GRID, _above(result["untrained"].sel(measure="excess").values), color=SECOND, label="an untrained model")
    ax.plot(GRID, _above(planted), color=THIRD, label="planted: neurons that are shared")
    ax.axvline(UNIVERSAL, color=INK, linewidth=0.8, linestyle=":")
    ax.set(xlabel="excess correlation", ylabel="share of neurons above it", ylim=(-0.02, 1.02), xlim=GRID[[0, -1]])
    ax.set_title("dotted: universal from here on", fontsize=9)


def _above(excess: np.ndarray) -> np.ndarray:
    values = np.sort(excess, axis=None)
    return 1 - np.searchsorted(values, GRID, side="right") / values.size


def _layers(ax: Axes, excess: np.ndarray) -> None:
    layers = np.arange(excess.shape[1])
    ax.bar(
        layers,
        100 * (excess.mean(axis=0) > UNIVERSAL).mean(axis=1),
        color=SOFT,
        width=0.6,
        label="universal by the mean",
    )
    for i, twin in enumerate(excess):
        where = layers + 0.08 * (i - (len(excess) - 1) / 2)
        label = "by one other training alone" if i == 0 else None
        ax.plot(where, 100 * (twin > UNIVERSAL).mean(axis=1), "o", color=ACCENT, markersize=3.5, label=label)
    ax.set(ylabel="universal neurons, %")
    ax.set_ylim(0, max(LEAST_SHOWN, 1.05 * ax.get_ylim()[1]))
    ax.set_title("layer by layer", fontsize=9)
    ax.set_xticks(layers, [f"L{layer}" for layer in layers])


@styled
def features(result: Result) -> Figure:
    """The share of features whose partner in another dictionary is at least so alike."""
    figure, axes = new_figure(6.4, 3.6, 1, 1)
    ax = axes[0]
    rows = dict(zip(map(str, result["features"].labels("against")), result["features"].values, strict=True))
    others = [name for name in rows if name not in COLOURS]
    labels = {name: name for name in COLOURS} | {others[0]: f"other trainings, one by one ({len(others)})"}
    for name, alike in rows.items():
        line = {"color": COLOURS.get(name, ACCENT), "linewidth": 2 if name in COLOURS else 1}
        ax.plot(GRID, _above(alike.astype(np.float64)), label=labels.get(name), **line)
    ax.axvline(SAME, color=INK, linewidth=0.8, linestyle=":")
    ax.set(xlabel="correlation with the partner", ylabel="share of features above it", ylim=(-0.02, 1.02))
    ax.set(xlim=(0, 1))
    ax.set_title("dotted: found again from here on", fontsize=9)
    figure.legend(loc="outside lower center", ncols=3, fontsize=8)
    figure.suptitle(f"{result.subject.label}: features in other dictionaries", x=0.01, ha="left", fontweight="bold")
    return figure
