"""The figures of the range of sizes."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from nanoscope.evidence.result import Result
from nanoscope.plots.style import INK, heatmap, hundredths, new_figure, ordered_colours, powers_of_ten, styled

SHOWN = (
    ("echo", "copying accuracy"),
    ("echo", "induction head"),
    ("text", "induction head"),
    ("text", "previous-token head"),
)
TITLES = {"echo": "control task", "text": "text"}
NAMES = {
    "copying accuracy": "accuracy gained from a copy",
    "induction head": "best induction score",
    "previous-token head": "best previous-token score",
}


@styled
def capabilities(result: Result) -> Figure:
    """What each depth and width can do on the control task and on text: every seed's score, and their mean as colour."""
    scores = result["scores"]
    layers, widths = scores.labels("layers"), scores.labels("width")
    figure, axes = new_figure(11, 3.2, 1, len(SHOWN), sharey=True)
    images = []
    for ax, (task, measure) in zip(axes, SHOWN, strict=True):
        values = scores.sel(task=task, measure=measure).values
        mean = np.nan_to_num(_over_seeds(values))
        images.append(heatmap(ax, mean, 1.0, diverging=False))
        for row, column in np.ndindex(mean.shape):
            cell = values[row, column]
            text = "not run" if np.isnan(cell).all() else "\n".join(hundredths(x) for x in cell if not np.isnan(x))
            colour = "white" if mean[row, column] > 0.6 else INK
            ax.text(column, row, text, ha="center", va="center", fontsize=6.5, color=colour)
        ax.set_xticks(range(len(widths)), [str(width) for width in widths])
        ax.set_yticks(range(len(layers)), [str(layer) for layer in layers])
        ax.set(xlabel="width", title=f"{TITLES[task]}:\n{NAMES[measure]}")
    axes[0].set_ylabel("layers")
    figure.colorbar(images[0], ax=axes, label="share, mean over seeds", shrink=0.9)
    figure.suptitle(str(result.subject.label), x=0.01, ha="left", fontweight="bold")
    return figure


@styled
def loss(result: Result) -> Figure:
    """The validation loss of each size against what its training cost; a dot a training."""
    losses = result["scores"].sel(measure="loss", task="text")
    flops = result["sizes"].sel(size="FLOPs", task="text")
    layers, widths = losses.labels("layers"), losses.labels("width")
    figure, (ax,) = new_figure(6.5, 3.8)
    for depth, colour in zip(layers, ordered_colours(len(layers)), strict=True):
        x, y = flops.sel(layers=depth).values, losses.sel(layers=depth).values
        ax.scatter(x.ravel(), y.ravel(), s=14, color=colour)
        ax.plot(_over_seeds(x), _over_seeds(y), color=colour, label=f"{depth} layer{'s' * (int(depth) > 1)}")
        for width, at, value in zip(widths, _over_seeds(x), _over_seeds(y), strict=True):
            if not np.isnan(value):
                ax.annotate(str(width), (at, value), textcoords="offset points", xytext=(3, 4), fontsize=7)
    ax.set(xscale="log", xlabel="FLOPs of the training", ylabel="loss on validation text, nats per character")
    powers_of_ten(ax.xaxis)
    ax.legend(fontsize=8, title="(numbers: width)", title_fontsize=7)
    figure.suptitle(f"{result.subject.label}: loss", x=0.01, ha="left", fontweight="bold")
    return figure


def _over_seeds(values: np.ndarray) -> np.ndarray:
    """The mean over the seeds that were run; NaN if none was."""
    run = ~np.isnan(values)
    return np.where(run.any(-1), np.where(run, values, 0.0).sum(-1) / np.maximum(run.sum(-1), 1), np.nan)
