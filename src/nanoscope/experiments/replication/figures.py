"""The figures of the replication comparison."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from nanoscope.evidence.result import Result
from nanoscope.plots.style import ACCENT, INK, SECOND, SOFT, THIRD, cell_text, heatmap, hundredths, new_figure, styled

LEAST_SHOWN = 0.1
"""A training's best head of a class is shown if its score (share of attention above chance) is at least this."""
LETTERS = {1: "yes", 0: "?", -1: "no"}


@styled
def verdicts(result: Result) -> Figure:
    """Every claim's verdict in every training."""
    table = result["verdicts"]
    claims, trainings = [str(label) for label in table.labels("claim")], _trainings(result)
    figure, (ax,) = new_figure(0.62 * len(trainings) + 3.4, 0.19 * len(claims) + 1.6)
    ax.imshow(table.values, aspect="auto", cmap=ListedColormap(["#e4c9b8", "#eef1f4", "#bcd4f0"]), vmin=-1, vmax=1)
    for row, column in np.ndindex(table.values.shape):
        ax.text(column, row, LETTERS[int(table.values[row, column])], ha="center", va="center", fontsize=6, color=INK)
    ax.set_yticks(range(len(claims)), claims, fontsize=6.5)
    ax.set_xticks(range(len(trainings)), trainings, fontsize=7)
    ax.tick_params(length=0)
    ax.xaxis.tick_top()
    title = f"{result.subject.label}: claims supported (yes),\nnot supported (no), not decided\nor not applicable (?)"
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold", fontsize=9)
    return figure


@styled
def heads(result: Result) -> Figure:
    """How alike the heads of two trainings are, matched by function and by nulls; where the best heads lie; and how alike
    matched heads of every two layers are."""
    measured = "layers_matched" in result.sweeps
    figure, axes = new_figure(13.5 if measured else 9.5, 3.6, 1, 3 if measured else 2)
    table = result["agreement"]
    names = [str(name) for name in table.labels("assignment")]
    for column, (name, colour) in enumerate(zip(names, (ACCENT, SECOND, THIRD, SOFT), strict=True)):
        each = np.nanmean(table.sel(assignment=name).values, axis=1)
        axes[0].scatter(np.linspace(-0.15, 0.15, len(each)) + column, each, color=colour, s=22)
        axes[0].hlines(each.mean(), column - 0.3, column + 0.3, color=colour)
    axes[0].set_xticks(range(len(names)), names)
    axes[0].axhline(0, color=INK, linewidth=0.6)
    axes[0].set(ylabel="cosine on the other half of the text", title="how alike assigned heads are (a dot a training)")
    _depths(axes[1], result)
    if measured:
        _layers(axes[2], result)
    figure.suptitle(result.subject.label, x=0.01, ha="left", fontweight="bold")
    return figure


def _depths(ax: Axes, result: Result) -> None:
    """How many trainings have their best head of a class in each layer, for classes that any training has."""
    depth, best = result["depth"], result["best"]
    classes = [str(name) for name in depth.labels("cls")]
    has = best.values >= LEAST_SHOWN
    shown = [c for c in range(len(classes)) if has[:, c].any()]
    layers = int(result["layers"].values)
    for row, c in enumerate(shown):
        counts = np.bincount(depth.values[has[:, c], c], minlength=layers)
        for layer in np.flatnonzero(counts):
            ax.text(float(layer), row, str(counts[layer]), ha="center", va="center", fontsize=8)
    ax.set(xlim=(-0.5, layers - 0.5), ylim=(len(shown) - 0.5, -0.5))
    ax.set(xlabel=f"layer (numbers: trainings whose best head scores {LEAST_SHOWN} or more)")
    ax.set_title("where each class's best head lies")
    ax.set_xticks(range(layers), [f"L{layer}" for layer in range(layers)])
    ax.set_yticks(range(len(shown)), [classes[c] for c in shown], fontsize=7)


def _layers(ax: Axes, result: Result) -> None:
    """The mean cosine of heads matched between every two layers, over pairs of trainings."""
    cosine = np.nanmean(result["layers_matched"].values, axis=(0, 1))
    heatmap(ax, cosine, 1.0)
    for row, column in np.ndindex(cosine.shape):
        cell_text(ax, row, column, hundredths(float(cosine[row, column])), 7, bool(abs(cosine[row, column]) > 0.6))
    names = [f"L{layer}" for layer in range(len(cosine))]
    ax.set_xticks(range(len(names)), names)
    ax.set_yticks(range(len(names)), names)
    ax.set(xlabel="layer of another training", title="cosine of heads matched between two layers")


def _trainings(result: Result) -> list[str]:
    """A short name for each compared training: its seed if it has one, else its label."""
    names = {model.label: model for model in result.subject.models}
    labels = [str(label) for label in result["verdicts"].labels("training")]
    return [label if (of := names.get(label)) is None or of.seed is None else f"seed {of.seed}" for label in labels]
