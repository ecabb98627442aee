"""The figures of a first look at a model: its answers in four panels, and a text of the user's own, character by character."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure

from nanoscope.evidence.sweep import Sweep
from nanoscope.plots.style import (
    ACCENT,
    INK,
    SECOND,
    SOFT,
    cell_text,
    heatmap,
    legend_above,
    new_figure,
    ordered_colours,
    styled,
    upright,
    visible_character,
)

LINE, MOST_LINES = 60, 12
"""Characters in one row of a text's figure, and the most rows; the text goes on in its table."""
SHORT = {
    "previous token": "previous",
    "current token": "current",
    "first token": "first",
    "same character": "same char.",
}
LETTERS = 8
"""Letters of a class that fit into a cell."""
MOST_CELLS = 144
"""Models with more heads are drawn without the classes in the cells."""


@styled
def overview(
    loss: Sweep,
    context: tuple[Sweep, Sweep] | None,
    ablation: Sweep,
    classes: Sequence[Sequence[str]],
    lens: Mapping[str, Sweep],
    title: str,
) -> Figure:
    """Four panels: the loss by context, beside n-gram tables; every head; components together; the lens.

    `loss [predictor, window]`; `context`, the cost of each cut `[context, window]` and the loss without one `[window]`, or
    None if that was not measured; `ablation [set, window]`; `classes[layer][head]` in words; and the
    lens's "loss" and "final" `[reading, window]`.
    """
    layers, heads = len(classes), len(classes[0])
    together = [name for name in map(str, ablation.labels("set")) if " " in name or name.startswith("MLP")]
    lower = max(3.2, 0.19 * len(together) + 1.2)
    figure, (above, grid, bars, read) = new_figure(
        max(11.0, 5 + 0.95 * heads),
        max(3.4, 0.42 * layers + 1.2) + lower,
        2,
        2,
        gridspec_kw={"height_ratios": (1, 1.2)},
    )
    _by_context(above, loss, context)
    image = _heads(grid, ablation, classes)
    figure.colorbar(image, ax=grid, label="nats without it")
    _together(bars, ablation, together)
    _lens(read, lens)
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold")
    return figure


def _by_context(ax: Axes, loss: Sweep, context: tuple[Sweep, Sweep] | None) -> None:
    """The loss of the model that sees the last k tokens, and of the n-gram table that sees as many."""
    tables = loss.values[1:].mean(1)
    lengths = [] if context is None else [int(length) for length in context[0].labels("context")]
    seen = sorted({*range(len(tables)), *lengths})
    where = {length: i for i, length in enumerate(seen)}
    ax.plot([where[n] for n in range(len(tables))], tables, "s--", color=SOFT, label="n-gram table")
    if context is not None:
        cost, whole = context[0].values, float(context[1].values.mean())
        half = 1.96 * cost.std(1, ddof=1) / np.sqrt(cost.shape[1])
        at = [where[length] for length in lengths]
        ax.errorbar(at, whole + cost.mean(1), half, fmt="o-", color=SECOND, ecolor=INK, capsize=2, label="the model")
        ax.axhline(whole, color=SECOND, linewidth=0.8, linestyle=":", label="the model, whole context")
    ax.set_xticks(range(len(seen)), [str(length) for length in seen])
    ax.set(xlabel="how many of the last tokens are seen", ylabel="loss, nats per token")
    ax.set_title("How far back it reads")
    legend_above(ax)


def _in_a_cell(name: str) -> str:
    """A head's classes, a line each; a long one takes two."""
    lines = [SHORT.get(one, one) for one in name.split(" and ")]
    return "\n".join(line if len(line) <= LETTERS else line.replace(" ", "\n") for line in lines)


def _heads(ax: Axes, ablation: Sweep, classes: Sequence[Sequence[str]]):
    """What every head alone costs, and its class."""
    shape = (len(classes), len(classes[0]))
    values = np.array(
        [ablation.sel(set=f"L{layer}H{head}").values.mean() for layer, head in np.ndindex(shape)]
    ).reshape(shape)
    limit = float(np.abs(values).max())
    image = heatmap(ax, values, limit)
    for layer, head in product(*map(range, shape)) if values.size <= MOST_CELLS else ():
        dark = bool(abs(values[layer, head]) > 0.6 * limit)
        cell_text(ax, layer, head, _in_a_cell(classes[layer][head]), 6.5, dark)
    ax.set_xticks(range(shape[1]), [f"H{head}" for head in range(shape[1])])
    ax.set_yticks(range(shape[0]), [f"L{layer}" for layer in range(shape[0])])
    ax.set_title("Every head: what it attends to, what it costs alone")
    return image


def _together(ax: Axes, ablation: Sweep, names: Sequence[str]) -> None:
    """What MLPs, layers of heads and classes of heads cost."""
    values = np.stack([ablation.sel(set=name).values for name in names])
    mean, half = values.mean(1), 1.96 * values.std(1, ddof=1) / np.sqrt(values.shape[1])
    colours = [ACCENT if name.startswith("class") else SOFT if name.startswith("MLP") else SECOND for name in names]
    ax.barh(range(len(names)), mean, 0.7, xerr=half, color=colours, ecolor=INK)
    ends = mean + half
    for row, (end, value) in enumerate(zip(ends, mean, strict=True)):
        ax.text(max(float(end), 0) + 0.01 * float(max(ends.max(), 1e-3)), row, f" {value:.3f}", va="center", fontsize=7)
    ax.set_yticks(range(len(names)), names, fontsize=7.5)
    ax.set_xlim(right=1.2 * float(max(ends.max(), 1e-3)))
    ax.invert_yaxis()
    ax.set(xlabel="nats per token that the model loses without them")
    ax.set_title("Parts taken out together")


def _lens(ax: Axes, lens: Mapping[str, Sweep]) -> None:
    """How much of the prediction is final after each layer."""
    final, loss = lens["final"].values.mean(1), lens["loss"].values.mean(1)
    names = [str(name) for name in lens["final"].labels("reading")]
    ax.bar(range(len(final)), 100 * final, 0.7, color=SECOND)
    for at, share in enumerate(final):
        ax.text(at, 100 * share + 1.5, f"{100 * share:.0f} %", ha="center", fontsize=8)
    ticks = [f"{name}\n{value:.2f}" for name, value in zip(names, loss, strict=True)]
    ax.set_xticks(range(len(names)), ticks, fontsize=8)
    ax.set(xlabel="read after; below: the lens's loss, nats", ylabel="first choices that are final, %", ylim=(0, 112))
    ax.set_title("Where it decides (logit lens)")


@styled
def text_reading(pieces: Sequence[str], loss: np.ndarray, decided: np.ndarray, layers: int, title: str) -> Figure:
    """A text, one bar per character: how surprising it was, coloured by the layer after which the prediction had settled.

    `loss` and `decided` belong to all pieces but the first, which nothing precedes.
    """
    shown = min(len(pieces), LINE * MOST_LINES)
    rows = -(-shown // LINE)
    figure, axes = new_figure(11.5, 1.15 * rows + 1.1, rows, 1)
    colours = ordered_colours(layers + 1)
    top = float(max(loss.max(), 1.0))
    for row, ax in enumerate(axes):
        at = np.arange(row * LINE, min((row + 1) * LINE, shown))
        known = at[at > 0]
        ax.bar(known - row * LINE, loss[known - 1], 0.8, color=[colours[n] for n in decided[known - 1]])
        labels = [visible_character(pieces[i]) for i in at.tolist()]
        ax.set_xticks(at - row * LINE, labels, fontsize=9, rotation=upright(labels))
        ax.set(xlim=(-0.7, min(LINE, shown) - 0.3), ylim=(0, top), ylabel="nats")
    names = ["embedding", *(f"L{layer}" for layer in range(layers))]
    scale = ScalarMappable(BoundaryNorm(np.arange(layers + 2) - 0.5, layers + 1), ListedColormap(colours))
    bar = figure.colorbar(scale, ax=axes, ticks=range(layers + 1), label="settled after", shrink=min(1.0, 3 / rows))
    bar.ax.set_yticklabels(names, fontsize=7)
    more = "" if shown == len(pieces) else f" (the first {shown} of {len(pieces)} tokens)"
    figure.suptitle(f"{title}: how surprising each character was{more}", x=0.01, ha="left", fontweight="bold")
    return figure
