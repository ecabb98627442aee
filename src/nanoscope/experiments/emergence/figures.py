"""The figures of the emergence experiment."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nanoscope.evidence.result import Result
from nanoscope.evidence.sweep import Sweep
from nanoscope.plots.style import (
    ACCENT,
    INK,
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

HEADS = ("induction head", "previous-token head")


@styled
def onset(result: Result) -> Figure:
    """Every score over training, with bands (95 % of a normal over examples) and the events: a line with its interval."""
    figure, axes = new_figure(11, 6.2, 2, 3, sharex=True)
    steps = _steps(result["followed"])
    for ax, draw in zip(axes, (_heads, _copies, _tables, _context, _repeated, _loss), strict=True):
        draw(ax, result)
        iterations_axis(ax, steps[-1])
        legend_above(ax, columns=2 if draw is _tables else 1)
    for ax in axes[:3]:
        ax.set_xlabel("")
    figure.suptitle(f"{result.subject.label}: what appears when", x=0.01, ha="left", fontweight="bold")
    return figure


def _heads(ax: Axes, result: Result) -> None:
    names = [str(name) for name in result["names"].labels("score")]
    scores = ("prefix matching", "previous token")
    steps, followed = _steps(result["followed"]), result["followed"].values
    for name, values, colour, score, event in zip(names, followed, (ACCENT, SECOND), scores, HEADS, strict=True):
        _band(ax, steps, values[:, values.mean((0, 2)).argmin()], colour, f"{name}: {score}{_when(result, event)}")
        _mark(ax, result, event, colour)
    ax.plot(
        np.log1p(steps),
        result["copying"].values,
        color=SOFT,
        linestyle=":",
        label=f"{names[0]}: OV copying (raw embeddings)",
    )
    ax.set(ylabel="attention above uniform; OV score", title="heads")


def _copies(ax: Axes, result: Result) -> None:
    steps, behaviour = _steps(result["behaviour"]), result["behaviour"]
    runs = behaviour.sel(measure="log_prob")
    gain = runs.sel(run="clean").values - runs.sel(run="corrupt").values
    _band(ax, steps, gain, THIRD, f"log-probability, nats{_when(result, 'copying')}")
    _band(ax, steps, behaviour.sel(measure="accuracy", run="clean").values, INK, "accuracy, second copy")
    _mark(ax, result, "copying", THIRD)
    ax.set(ylabel="gain, nats; accuracy", title="what a copy of random characters gains")


def _tables(ax: Axes, result: Result) -> None:
    text = result["text"]
    grams = [str(name) for name in text.labels("quantity") if str(name).endswith("-gram")]
    steps = _steps(text)
    for name, colour in zip(grams, ordered_colours(len(grams)), strict=True):
        _band(ax, steps, text.sel(quantity=name).values, colour, f"{name}{_when(result, f'least distance to {name}s')}")
    ax.set(ylabel="KL(table || model), nats", title="distance to n-gram tables", yscale="log")
    plain_logarithms(ax)


def _context(ax: Axes, result: Result) -> None:
    if "held_out" not in result.sweeps:
        values = -result["text"].sel(quantity="in-context").values
        _band(
            ax, _steps(result["text"]), values, ACCENT, f"early minus late loss{_when(result, 'in-context learning')}"
        )
        ax.set(ylabel="loss fallen, nats per character", title="in-context learning on ordinary text")
        return
    held_out = result["held_out"]
    steps, early = _steps(held_out), -held_out.sel(quantity="in-context").values
    worth = held_out.sel(quantity="longer context").values
    _band(ax, steps, early, SOFT, "early minus late places")
    _band(ax, steps, worth, ACCENT, f"late places, context cut or not{_when(result, 'in-context learning')}")
    _mark(ax, result, "in-context learning", ACCENT)
    ax.set(ylabel="loss saved, nats per character", title="what a longer context is worth")


def _repeated(ax: Axes, result: Result) -> None:
    if "held_out" not in result.sweeps:
        text = result["text"]
        values = text.sel(quantity="new").values - text.sel(quantity="repeated").values
        _band(ax, _steps(text), values, SECOND, "new minus repeated")
        ax.set(ylabel="loss saved, nats per character", title="loss in passages that stood before")
        return
    held_out = result["held_out"]
    steps = _steps(held_out)
    model = held_out.sel(quantity="new").values - held_out.sel(quantity="repeated").values
    beyond = result["curves"].sel(curve="repeated passages").values
    _band(ax, steps, model, SECOND, "model, new minus repeated")
    ax.plot(np.log1p(steps), model.mean(-1) - beyond, color=SOFT, label="table as good in new ones")
    _mark(ax, result, "repeated passages", SECOND)
    ax.set(ylabel="loss saved, nats per character", title="loss in passages that stood before")


def _loss(ax: Axes, result: Result) -> None:
    _band(ax, _steps(result["text"]), result["text"].sel(quantity="loss").values, INK, "validation text")
    ax.set(ylabel="loss, nats per character", title="loss on ordinary text")


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
        ax.set(title=title, ylabel="attention above uniform,\nlowest block length")
    axes[1].legend(fontsize=7, title="layer", title_fontsize=7)
    figure.suptitle(f"{result.subject.label}: every head over training", x=0.01, ha="left", fontweight="bold")
    return figure


def _steps(sweep: Sweep) -> np.ndarray:
    return np.array(sweep.labels("step"), dtype=float)


def _event(result: Result, event: str, part: str) -> float:
    return float(result["events"].sel(event=event, part=part).values)


def _when(result: Result, event: str) -> str:
    """For a legend: at which iteration, if at all."""
    step = _event(result, event, "step")
    return "" if math.isnan(step) else f" ({round(step):,})"


def _mark(ax: Axes, result: Result, event: str, colour: str) -> None:
    """A dashed line where half of the change is done, and its interval behind it."""
    step, low, high = (np.log1p(_event(result, event, part)) for part in ("step", "low", "high"))
    if not math.isnan(step):
        ax.axvspan(low, high, color=colour, alpha=0.12, linewidth=0)
        ax.axvline(step, color=colour, linestyle="--", linewidth=0.8)


def _band(ax: Axes, steps: np.ndarray, values: np.ndarray, colour: str, label: str) -> None:
    """A mean over examples `[step, example]` with 1.96 standard errors."""
    mean, half = values.mean(-1), 1.96 * values.std(-1, ddof=1) / np.sqrt(values.shape[-1])
    ax.plot(np.log1p(steps), mean, color=colour, label=label, linewidth=1.2)
    ax.fill_between(np.log1p(steps), mean - half, mean + half, color=colour, alpha=0.2, linewidth=0)
