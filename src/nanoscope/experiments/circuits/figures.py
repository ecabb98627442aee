"""The figures of `circuits`: the circuit, faithfulness against size, estimates, known circuits, training."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from nanoscope.analysis.circuits.faithfulness import FAITHFUL
from nanoscope.analysis.circuits.search import ranked
from nanoscope.evidence.result import Result
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.circuits.stored import exact, main_task, size
from nanoscope.interventions.edges.graph import Edge, Graph
from nanoscope.plots.circuit import circuit_diagram
from nanoscope.plots.style import ACCENT, INK, SECOND, SEQUENTIAL, SOFT, THIRD, legend_above, new_figure, styled
from nanoscope.statistics.intervals import TAILS, resampled_means

DRAWN = 40
"""The strongest edges of the circuit are drawn."""
AREAS = ("log CPR", "log CMD")


def diagram(result: Result) -> Figure:
    """The circuit of the main task: its connected edges, as wide as their effects alone."""
    name, sweeps = main_task(result.sweeps), result.sweeps
    edges, change = chosen(result, name), _change(sweeps["metric"], name)
    graph = Graph.named(map(str, sweeps["effects"].labels("edge")))
    asked = size(sweeps, name)
    some = f"the {len(edges)} strongest of {asked}" if asked > len(edges) else str(asked)
    title = f"{result.subject.label}: {name}, {some} of {len(graph):,} edges"
    return circuit_diagram(graph, edges, change, title)


def chosen(result: Result, name: str, most: int = DRAWN) -> dict[Edge, float]:
    """The strongest edges of a task's circuit with their mean effects, in logits."""
    scores = exact(result.sweeps, name)
    best = ranked(scores)[: min(size(result.sweeps, name), most)]
    return {edge: float(scores.of(edge).mean()) for edge in best}


def _change(metric: Sweep, name: str) -> float:
    clean, corrupt = metric.sel(task=name, split="select").values.mean(-1)
    return float(corrupt - clean)


@styled
def curves(result: Result) -> Figure:
    """How much of each task the best edges keep, against their share of all edges; and how much random circuits keep."""
    tasks = [str(name) for name in result["curve"].labels("task")]
    columns = min(3, len(tasks))
    figure, axes = new_figure(4 * columns, 2.9 * -(-len(tasks) // columns) + 0.4, -(-len(tasks) // columns), columns)
    for ax, name in zip(axes, tasks, strict=False):
        _curve(ax, result, name)
    for ax in axes[len(tasks) :]:
        ax.set_axis_off()
    legend_above(axes[len(tasks) - 1], size=8)
    figure.suptitle(f"{result.subject.label}: what the best edges keep", x=0.01, ha="left", fontweight="bold")
    return figure


def _curve(ax: Axes, result: Result, name: str) -> None:
    sizes = np.array(result["curve"].labels("share"), dtype=float)
    nothing = result["ends"].sel(task=name, end="nothing").values
    whole = result["ends"].sel(task=name, end="model").values - nothing
    for ranking, colour in zip(result["curve"].labels("ranking"), (ACCENT, SECOND), strict=True):
        kept = result["curve"].sel(task=name, ranking=ranking).values - nothing
        drawn = resampled_means(np.vstack([kept, whole]).T, "curve")
        low, high = np.percentile(drawn[:, :-1] / drawn[:, -1:], TAILS, axis=0)
        ax.plot(
            sizes,
            kept.mean(-1) / whole.mean(),
            "o-",
            color=colour,
            markersize=3,
            linewidth=1.2,
            label=f"best, {ranking}",
        )
        ax.fill_between(sizes, low, high, color=colour, alpha=0.15, linewidth=0)
    random = result["random"].sel(task=name).values
    here = size(result.sweeps, name) / len(result["effects"].labels("edge"))
    ax.plot(np.full(len(random), here), random, "_", color=INK, alpha=0.3, label="random, same size and layers")
    for level in (0, FAITHFUL, 1):
        ax.axhline(level, color=SOFT, linewidth=0.8, zorder=0)
    ax.set(title=name, xscale="log", xlabel="share of all edges", ylabel="share of the behaviour", ylim=(-0.3, 1.6))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g} %"))


@styled
def estimates(result: Result) -> Figure:
    """Every method's mean scores against exact effects, as shares of the whole change."""
    sweep = result["estimates"]
    methods = [str(name) for name in sweep.labels("method")][1:]
    figure, axes = new_figure(12.5, 5.4, 2, 5)
    change = _change(result["metric"], main_task(result.sweeps))
    effects, seconds = sweep.sel(method="exact").values / change, result["seconds_of"]
    for ax, name in zip(axes, methods, strict=False):
        scores = sweep.sel(method=name).values / change
        ax.plot(
            effects, scores, "o", color=THIRD if name in ("weights", "random") else ACCENT, markersize=2.5, alpha=0.6
        )
        limit = max(np.abs(effects).max(), 1e-9)
        ax.plot([-limit, limit], [-limit, limit], color=SOFT, linewidth=0.8, zorder=0)
        cost = float(seconds.sel(what=name).values / seconds.sel(what="plain forward").values)
        ax.set_title(f"{name} ({cost:.0f} forwards)", fontsize=9)
        ax.set_xlabel("exact, share of the whole", fontsize=8)
        ax.set_ylabel("estimate", fontsize=8)
    for ax in axes[len(methods) :]:
        ax.set_axis_off()
    figure.suptitle(f"{result.subject.label}: estimates beside exact effects", x=0.01, ha="left", fontweight="bold")
    return figure


@styled
def known(result: Result) -> Figure:
    """How well each method finds the true edges of hand-built models: the AUROC over all edges."""
    figure, (ax,) = new_figure(8.5, 3.4)
    table = result["truth"].sel(measure="AUROC")
    models, methods = (tuple(map(str, table.labels(dim))) for dim in table.dims)
    ax.imshow(table.values, cmap=SEQUENTIAL, vmin=0.5, vmax=1, aspect="auto")
    for row, column in np.ndindex(table.values.shape):
        value = table.values[row, column]
        ax.text(
            column, row, f"{value:.2f}", ha="center", va="center", fontsize=8, color="white" if value > 0.8 else INK
        )
    ax.set_xticks(range(len(methods)), methods, rotation=35, ha="right")
    ax.set_yticks(range(len(models)), models)
    figure.suptitle("How well each method finds known edges (AUROC)", x=0.01, ha="left", fontweight="bold")
    return figure


@styled
def training(result: Result) -> Figure:
    """The effect of the circuit's strongest edges over the training, as shares of the final change."""
    figure, (ax,) = new_figure(8, 3.6)
    sweep = result["training"]
    change = _change(result["metric"], main_task(result.sweeps))
    shares = sweep.values.mean(-1) / change
    steps = np.array(sweep.labels("step"), dtype=float)
    for at, colour in zip(np.argsort(-shares[-1])[:6], (ACCENT, SECOND, THIRD, INK, SOFT, "#999999"), strict=False):
        ax.plot(steps, shares[:, at], "o-", color=colour, markersize=3, label=str(sweep.labels("edge")[at]))
    ax.set(xlabel="iteration", ylabel="effect, share of the final whole")
    ax.legend(fontsize=8)
    figure.suptitle(f"{result.subject.label}: when its edges formed", x=0.01, ha="left", fontweight="bold")
    return figure


@styled
def tasks(result: Result) -> Figure:
    """What each task loses without the circuit of each: a task that has edges of its own suffers most from its own."""
    lost = result["lost"]
    names = [str(name) for name in lost.labels("task")]
    figure, (ax,) = new_figure(3 + 0.62 * len(names), 1.9 + 0.42 * len(names))
    image = ax.imshow(lost.values, cmap=SEQUENTIAL, vmin=0, vmax=1, aspect="auto")
    for row, column in np.ndindex(lost.values.shape):
        value = lost.values[row, column]
        ax.text(
            column, row, f"{value:.2f}", ha="center", va="center", fontsize=8, color="white" if value > 0.6 else INK
        )
    ax.set_xticks(range(len(names)), names, rotation=35, ha="right")
    ax.set_yticks(range(len(names)), names)
    ax.set(xlabel="task", ylabel="without the circuit of")
    figure.colorbar(image, ax=ax, label="share of the task lost")
    figure.suptitle(f"{result.subject.label}: whose circuit does a task need?", x=0.01, ha="left", fontweight="bold")
    return figure
