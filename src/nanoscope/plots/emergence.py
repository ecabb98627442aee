"""The figures of the emergence experiment."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nanoscope.plots.style import ACCENT, INK, SECOND, SOFT, THIRD, iterations_axis, new_figure, ordered_colours, styled
from nanoscope.results import Result, Sweep


@styled
def onset(result: Result) -> Figure:
    """Every score over training with its band (95 % of a normal over examples): heads, copying, context, tables."""
    figure, axes = new_figure(10.5, 6.2, 2, 2, sharex=True)
    heads, copying, context, tables = axes
    names = [str(name) for name in result["names"].labels("score")]
    labels = (f"{names[0]}: prefix matching", f"{names[1]}: previous token")
    steps = _steps(result["followed"])
    for values, colour, label in zip(result["followed"].values, (ACCENT, SECOND), labels, strict=True):
        _band(heads, steps, values[:, values.mean((0, 2)).argmin()], colour, label)
    heads.plot(
        np.log1p(steps), result["copying"].values, color=SOFT, linestyle=":", label=f"{names[0]}: copying by OV weights"
    )
    heads.set(ylabel="above uniform; OV score", title="heads")
    runs = result["behaviour"].sel(measure="log_prob")
    _band(copying, steps, runs.sel(run="clean").values - runs.sel(run="corrupt").values, THIRD, "log-probability, nats")
    accuracy = result["behaviour"].sel(measure="accuracy")
    _band(copying, steps, accuracy.sel(run="clean").values, INK, "accuracy, second copy")
    copying.set(ylabel="gain, nats; accuracy", title="what a copy of random characters gains")
    text = result["text"]
    _band(
        context, steps, -text.sel(quantity="in-context").values, ACCENT, "in-context learning (early minus late loss)"
    )
    _band(
        context,
        steps,
        text.sel(quantity="new").values - text.sel(quantity="repeated").values,
        SECOND,
        "repeated passages (new minus repeated loss)",
    )
    context.set(ylabel="nats", title="what context buys on ordinary text")
    grams = [str(name) for name in text.labels("quantity") if str(name).endswith("-gram")]
    for name, colour in zip(grams, ordered_colours(len(grams)), strict=True):
        _band(tables, steps, text.sel(quantity=name).values, colour, name)
    tables.set(ylabel="KL(table || model), nats", title="distance to n-gram tables", yscale="log")
    for ax in axes:
        iterations_axis(ax, steps[-1])
        ax.legend(fontsize=7, loc="best")
    figure.suptitle(f"{result.subject['label']}: what appears when", x=0.01, ha="left", fontweight="bold")
    return figure


@styled
def every_head(result: Result) -> Figure:
    """Every head's prefix matching and previous-token score over training."""
    figure, axes = new_figure(10.5, 3.4, 1, 2, sharex=True, sharey=True)
    scores = result["heads"]
    steps, layers = _steps(scores), scores.values.shape[2]
    colours = ordered_colours(layers)
    for ax, score, title in zip(axes, ("induction", "previous"), ("prefix matching", "previous token"), strict=True):
        values = scores.sel(score=score).values
        for layer in range(layers):
            lines = ax.plot(np.log1p(steps), values[:, layer], color=colours[layer], linewidth=0.9)
            lines[0].set_label(f"L{layer}")
        iterations_axis(ax, steps[-1])
        ax.set(title=title, ylabel="above uniform, lowest block length")
    axes[1].legend(fontsize=7, title="layer", title_fontsize=7)
    figure.suptitle(f"{result.subject['label']}: every head over training", x=0.01, ha="left", fontweight="bold")
    return figure


def _steps(sweep: Sweep) -> np.ndarray:
    return np.array(sweep.labels("step"), dtype=float)


def _band(ax: Axes, steps: np.ndarray, values: np.ndarray, colour: str, label: str) -> None:
    """A mean over examples `[step, example]` with 1.96 standard errors."""
    mean, half = values.mean(-1), 1.96 * values.std(-1, ddof=1) / np.sqrt(values.shape[-1])
    ax.plot(np.log1p(steps), mean, color=colour, label=label, linewidth=1.2)
    ax.fill_between(np.log1p(steps), mean - half, mean + half, color=colour, alpha=0.2, linewidth=0)
