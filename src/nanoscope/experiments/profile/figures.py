"""The figures of experiment 00: what is read and which parts do it, how few heads are enough, and the tables beside it."""

from __future__ import annotations

from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import StrMethodFormatter

from nanoscope.evidence.result import Result
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.profile.control import REACH
from nanoscope.experiments.profile.judge import LOST, alone_and_together, best_table, fewest
from nanoscope.experiments.profile.measure import MODEL
from nanoscope.experiments.profile.setting import HELD_OUT, TEXTS
from nanoscope.model.names import head_name
from nanoscope.plots.style import (
    ACCENT,
    INK,
    SECOND,
    SOFT,
    hundredths,
    iterations_axis,
    legend_above,
    new_figure,
    styled,
)
from nanoscope.statistics.intervals import TAILS, resampled_means

MOST_NAMED = 8
LONG_MATCH = 3
SMALL = 0.02
"""Nats up to which the costs of parts are drawn on a linear scale."""
NOT_APPLICABLE = "its windows are too short to be cut"


@styled
def parts(result: Result) -> Figure:
    """What each cut of the context costs, and what the model loses without each layer's heads and MLP."""
    layers = _layers(result)
    figure, (left, right) = new_figure(
        10.5, max(3.6, 0.5 * layers + 1.2), 1, 2, gridspec_kw={"width_ratios": (1, 1.15)}
    )
    if "context" in result.sweeps:
        _context(left, result)
    else:
        left.text(0.5, 0.5, NOT_APPLICABLE, ha="center", transform=left.transAxes)
        left.set_axis_off()
    _by_layer(right, result, layers)
    figure.suptitle(
        f"{result.subject.label}: what it reads, and with which parts", x=0.01, ha="left", fontweight="bold"
    )
    return figure


def _context(ax: Axes, result: Result) -> None:
    sweep = result["context"]
    lengths = [int(k) for k in sweep.labels("context")]
    for text, colour, marker in zip(TEXTS, (ACCENT, SOFT), ("o-", "s--"), strict=True):
        values = sweep.sel(text=text).values
        ax.errorbar(
            range(len(lengths)),
            values.mean(1),
            _bars(values),
            fmt=marker,
            color=colour,
            capsize=2,
            label=f"{text} text",
        )
    ax.axhline(0, color=INK, linewidth=0.8, zorder=0)
    if REACH in lengths:
        ax.axvline(lengths.index(REACH), color=INK, linewidth=0.8, linestyle=":", zorder=0)
    lost = sweep.sel(text=HELD_OUT).values.mean(1)
    ax.set_xticks(range(len(lengths)), [f"{k}\n{hundredths(value)}" for k, value in zip(lengths, lost, strict=True)])
    ax.set(xlabel="how many of the last tokens are seen; below: nats lost, held-out", ylabel="nats lost per token")
    ax.set_title("Without what stands further back")
    legend_above(ax, size=8)


def _by_layer(ax: Axes, result: Result, layers: int) -> None:
    """Three bars a layer: its heads together, the sum of each alone, its MLP."""
    names = [str(name) for name in result["ablation"].labels("set")]
    together = [result["ablation"].sel(text=HELD_OUT, set=f"heads of L{layer}").values for layer in range(layers)]
    single = [[name for name in names if name.startswith(f"L{layer}H")] for layer in range(layers)]
    alone = [alone_and_together(result.sweeps, one, f"heads of L{n}")[0] for n, one in enumerate(single)]
    mlps = [result["ablation"].sel(text=HELD_OUT, set=f"MLP{n}").values for n in range(layers) if f"MLP{n}" in names]
    _bar(ax, -0.27, np.array(together), ACCENT, "its heads, together")
    ax.barh(np.arange(layers), alone, 0.25, color=SECOND, label="its heads, the sum of each alone")
    for row, value in enumerate(alone):
        ax.text(max(value, 0), row, f" {hundredths(value)}", va="center", fontsize=7)
    if mlps:
        _bar(ax, 0.27, np.array(mlps), SOFT, "its MLP")
    ax.axvline(0, color=INK, linewidth=0.8)
    ax.set_yticks(range(layers), [f"L{layer}" for layer in range(layers)])
    ax.invert_yaxis()
    ax.set(xlabel="nats lost per token")
    ax.set_title("Without a layer's heads, or its MLP")
    legend_above(ax, columns=3, size=7.5)


def _bar(ax: Axes, offset: float, values: np.ndarray, colour: str, label: str) -> None:
    """Bars of `values [layer, window]` with the means beside them."""
    at, mean, bars = np.arange(len(values)) + offset, values.mean(1), _bars(values)
    ax.barh(at, mean, 0.25, xerr=bars, color=colour, ecolor=INK, label=label)
    for row, value, half in zip(at, mean, bars[1], strict=True):
        ax.text(max(float(value + half), 0), row, f" {hundredths(float(value))}", va="center", fontsize=7)


@styled
def heads(result: Result) -> Figure:
    """What the model loses if it keeps some heads only: those that the search leaves, beside random ones."""
    figure, (ax,) = new_figure(8, 3.8)
    sweep, random = result["kept"], result["random"]
    for text, colour, line in zip(TEXTS, (ACCENT, SOFT), ("o-", "s--"), strict=True):
        values = sweep.sel(text=text).values
        label = "those that are missed most" if text == HELD_OUT else "the same, on training text"
        ax.plot(range(len(values)), values.mean(1), line, color=colour, markersize=3, label=label)
        low, high = _limits(values)
        ax.fill_between(range(len(values)), low, high, color=colour, alpha=0.2, linewidth=0)
    for at, (size, draws) in enumerate(zip(random.labels("kept"), random.values.mean(-1), strict=True)):
        ax.plot(
            np.full(len(draws), int(size)),
            draws,
            "_",
            color=SECOND,
            markersize=9,
            label="random ones" * (at == 0) or None,
        )
    count, cost = fewest(result.sweeps), sweep.sel(text=HELD_OUT).values.mean(1)
    ax.axhline(LOST * max(float(cost[0]), 0), color=INK, linewidth=0.8, linestyle=":", zorder=0)
    ax.plot(count, cost[count], "o", markersize=9, markerfacecolor="none", markeredgecolor=INK)
    ax.set_title(f"{count} of {len(cost) - 1} are enough: {_kept(result, count)}")
    ax.axhline(0, color=INK, linewidth=0.8, zorder=0)
    ax.set(xlabel="heads that are kept, with every MLP", ylabel="nats lost per token")
    legend_above(ax, columns=3, size=8)
    figure.suptitle(f"{result.subject.label}: how few heads are enough", x=0.01, ha="left", fontweight="bold")
    return figure


def _kept(result: Result, count: int) -> str:
    """The heads of the smallest set that is enough, in a line; of many the first."""
    names = [str(name) for name in result["order"].labels("removed")]
    kept = sorted(names[len(names) - count :])
    more = f" and {count - MOST_NAMED} others" if count > MOST_NAMED else ""
    return f"{', '.join(kept[:MOST_NAMED])}{more}" if count else "none is needed"


@styled
def tables(result: Result) -> Figure:
    """The model beside n-gram tables: losses, agreement and divergences by order, and the loss by kind of character."""
    figure, (left, middle, right) = new_figure(12.5, 3.9, 1, 3, gridspec_kw={"width_ratios": (1, 1, 1.25)})
    _losses(left, result)
    _agreement(middle, result)
    _kinds(right, result)
    figure.suptitle(f"{result.subject.label}: beside tables of n-grams", x=0.01, ha="left", fontweight="bold")
    return figure


def _losses(ax: Axes, result: Result) -> None:
    losses = result["loss"].sel(text=HELD_OUT).values
    orders, mean = np.arange(1, len(losses)), losses.mean(1)
    ax.errorbar(orders, mean[1:], _bars(losses[1:]), fmt="s-", color=SOFT, ecolor=INK, capsize=2, label="a table")
    low, high = _limits(losses[:1])
    ax.axhspan(float(low[0]), float(high[0]), color=ACCENT, alpha=0.2, linewidth=0)
    ax.axhline(mean[0], color=ACCENT, label=f"the model ({mean[0]:.2f})")
    ax.set_xticks(orders, [f"{n}\n{mean[n]:.2f}" for n in orders])
    ax.set(xlabel="n, of the table; below: its loss", ylabel="loss on held-out text, nats")
    ax.set_title("Who predicts better")
    legend_above(ax, size=8)


def _agreement(ax: Axes, result: Result) -> None:
    forth, back, same = result["agreement"].sel(text=HELD_OUT).values.mean(-1)
    orders = np.arange(1, len(forth) + 1)
    ax.plot(orders, forth, "o-", color=ACCENT, markersize=4, label="KL from table to model")
    ax.plot(orders, back, "^-", color=SECOND, markersize=4, label="KL from model to table")
    ax.set_xticks(orders, [f"{n}\n{100 * share:.0f} %" for n, share in zip(orders, same, strict=True)])
    ax.set(xlabel="n, of the table; below: same first choice", ylabel="distance, nats", ylim=(0, None))
    ax.set_title("How alike they predict")
    legend_above(ax, size=8)


def _kinds(ax: Axes, result: Result) -> None:
    loss, count = result["kind_loss"].sel(text=HELD_OUT), result["kind_count"].sel(text=HELD_OUT).values.sum(-1)
    best = f"{best_table(result['loss'].sel(text=HELD_OUT))}-gram"
    there = np.flatnonzero(count)
    for offset, predictor, colour in ((-0.19, MODEL, ACCENT), (0.19, best, SOFT)):
        means = loss.sel(predictor=predictor).values.sum(-1)[there] / count[there]
        label = "the model" if predictor == MODEL else f"the {best} table"
        ax.barh(np.arange(len(there)) + offset, means, 0.36, color=colour, label=label)
    ax.set_yticks(range(len(there)), [f"{loss.labels('kind')[i]} ({int(count[i]):,})" for i in there], fontsize=8)
    ax.invert_yaxis()
    ax.set(xlabel="loss on held-out text, nats")
    ax.set_title("What is predicted (places)")
    legend_above(ax, columns=2, size=8)


@styled
def training(result: Result) -> Figure:
    """Along the training: the loss and what a cut context costs, on both texts; the layers' parts; one head's copying."""
    figure, (losses, context, parts, prefix) = new_figure(11, 7, 2, 2)
    for text, colour in zip(TEXTS, (ACCENT, SOFT), strict=True):
        _over_steps(losses, result["along_loss"].sel(text=text), colour, f"{text} text")
        for k, line in zip(result["along_context"].labels("context"), ("--", "-"), strict=False):
            cost = result["along_context"].sel(text=text, context=k)
            _over_steps(context, cost, colour, f"last {k}, {text}", line)
    losses.set(ylabel="loss, nats", title="What it predicts")
    context.set(ylabel="nats lost per token", title="With the context cut to its last 4 or 16 tokens")
    for name in map(str, result["along_parts"].labels("set")):
        layer = int(name.removeprefix("heads of L").removeprefix("MLP"))
        shade = matplotlib.colormaps["viridis"](0.9 * layer / max(1, _layers(result) - 1))
        line = "--" if name.startswith("MLP") else "-"
        _over_steps(parts, result["along_parts"].sel(set=name), shade, name, line)
    parts.set_yscale("symlog", linthresh=SMALL)  # layer 0 is worth a hundred times what some others are
    parts.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    parts.set(
        ylabel=f"nats lost, logarithmic above {SMALL:g}", title="Without a layer's heads (lines), or its MLP (dashes)"
    )
    _one_head(prefix, result)
    for ax in (losses, context, parts, prefix):
        iterations_axis(ax, int(result["along_loss"].labels("step")[-1]))
        legend_above(ax, columns=4, size=7)
    figure.suptitle(f"{result.subject.label}: along its training", x=0.01, ha="left", fontweight="bold")
    return figure


def _over_steps(ax: Axes, sweep: Sweep, colour: Any, label: str, line: str = "-") -> None:
    """The mean over windows at each step, and a band for its interval."""
    at = np.log1p([int(step) for step in sweep.labels("step")])
    ax.plot(at, sweep.values.mean(-1), line, color=colour, label=label, linewidth=1.3)
    ax.fill_between(at, *_limits(sweep.values), color=colour, alpha=0.15, linewidth=0)


def _one_head(ax: Axes, result: Result) -> None:
    """The prefix matching of the head that ends best at three tokens or more."""
    sweep = result["along_prefix"]
    long = [n for n, k in enumerate(sweep.labels("match")) if int(k) >= LONG_MATCH]
    last = np.nan_to_num(sweep.values[-1][long]).mean(0)
    layer, head = np.unravel_index(last.argmax(), last.shape)
    at = np.log1p([int(step) for step in sweep.labels("step")])
    for n, k in enumerate(sweep.labels("match")):
        values = sweep.values[:, n, layer, head]
        if np.isfinite(values).any():
            ax.plot(at, values, color=matplotlib.colormaps["plasma"](0.2 * n), label=f"{k}", linewidth=1.3)
    ax.axhline(0, color=INK, linewidth=0.8, zorder=0)
    ax.set(
        ylabel="attention beyond lookalikes",
        title=f"{head_name(int(layer), int(head))}: to what followed the last 1, 2, ... tokens",
    )


def _layers(result: Result) -> int:
    return sum(str(name).startswith("heads of L") for name in result["ablation"].labels("set"))


def _limits(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The ends of the intervals of each row's mean over windows."""
    low, high = np.percentile(resampled_means(values.T.astype(float), "profile"), TAILS, axis=0)
    return low, high


def _bars(values: np.ndarray) -> np.ndarray:
    """How far these intervals reach below and above the means."""
    low, high = _limits(values)
    return np.stack([values.mean(1) - low, high - values.mean(1)]).clip(min=0)
