"""The figure of the emergence experiment."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from nanoscope.plots.style import ACCENT, SECOND, SOFT, THIRD, new_figure, styled
from nanoscope.results import Result


@styled
def onset(result: Result) -> Figure:
    """Head scores and copying over training."""
    followed, behaviour = result["followed"], result["behaviour"]
    steps = [int(step) for step in followed.labels("step")]
    names = [str(name) for name in result["names"].labels("score")]
    figure, axes = new_figure(9, 3.8)
    ax = axes[0]
    labels = (f"{names[0]}: induction", f"{names[1]}: previous token")
    for values, colour, label in zip(followed.values, (ACCENT, SECOND), labels, strict=True):
        by_example = values.min(axis=1) if values.shape[1] == 1 else values[:, values.mean((0, 2)).argmin()]
        mean, half = by_example.mean(-1), 1.96 * by_example.std(-1, ddof=1) / np.sqrt(by_example.shape[-1])
        ax.plot(steps, mean, color=colour, label=label)
        ax.fill_between(steps, mean - half, mean + half, color=colour, alpha=0.2, linewidth=0)
    accuracy = behaviour.sel(measure="accuracy").mean("example")
    ax.plot(steps, accuracy.sel(run="clean").values, color=THIRD, linestyle="--", label="accuracy, second copy")
    ax.plot(steps, accuracy.sel(run="corrupt").values, color=SOFT, linestyle="--", label="accuracy, no first copy")
    ax.set(xlabel="iteration", ylabel="score above uniform; accuracy", ylim=(-0.06, 1.04))
    ax.legend(fontsize=8, loc="upper left")
    title = f"{result.subject['label']}: when induction appears"
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold")
    return figure
