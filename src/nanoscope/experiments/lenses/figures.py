"""The figures of experiment 03: how predictions form through the layers and through training."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from nanoscope.analysis.prediction.table_distance import DIRECTIONS, MEASURES, Nearest
from nanoscope.evidence.result import Result
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.lenses import stored
from nanoscope.plots.style import (
    ACCENT,
    SECOND,
    SOFT,
    THIRD,
    cell_text,
    heatmap,
    iterations_axis,
    new_figure,
    ordered_colours,
    plain_logarithms,
    styled,
    upright,
    visible_character,
)

MEASURED = {
    "table to lens": "KL(table || lens)",
    "lens to table": "KL(lens || table)",
    "loss": "difference of the losses",
}
SETTLED = {"near": "KL to the output stays below 0.1 nats", "top": "Top character stays the output's"}
TABLE_NAMES = {1: "unigram", 2: "bigram", 3: "trigram"}
STYLES = {"logit lens": ("--", "o"), "tuned lens": ("-", "s")}
LINE, SHORTEST = 30, 20
"""Characters of an example in one row of the figure, and the fewest for which a row has room: a title has to fit."""


@styled
def formation(result: Result) -> Figure:
    """Loss through both lenses beside the n-gram tables; which characters the lenses speak of."""
    figure, axes = new_figure(11, 4.4, 1, 2)
    _losses(axes[0], result)
    _chances(axes[1], result)
    figure.suptitle(f"{_label(result)}: how a prediction forms", x=0.01, ha="left", fontweight="bold")
    return figure


def _losses(ax: Axes, result: Result) -> None:
    positions = result["places"].sel(kind="all").values.sum()
    losses = result["reading"].sel(measure="loss")
    readings = range(len(losses.labels("layer")))
    tables = result["table_loss"].sel(kind="all").values.sum(-1) / positions
    best = tables.argmin()
    top = max(1.15 * tables[0], losses.sel(lens="tuned lens").values.sum(-1).max() / positions)
    for n in sorted({0, 1, 2, int(best)} & set(range(len(tables)))):
        ax.axhline(tables[n], color=SOFT, linewidth=0.8, zorder=0)
        ax.text(1.01, tables[n], f"{_table(n + 1)} table", transform=ax.get_yaxis_transform(), fontsize=8, va="center")
    for lens, colour in (("logit lens", SECOND), ("tuned lens", ACCENT)):
        line, marker = STYLES[lens]
        values = losses.sel(lens=lens).values.sum(-1) / positions
        ax.plot(readings, values, line, marker=marker, color=colour, markersize=4, label=lens)
        for at in np.flatnonzero(values > top):
            ax.annotate(f"{values[at]:.1f}", (at, top), fontsize=8, color=colour, ha="left", va="top")
    ax.set(ylim=(0.9 * min(tables.min(), losses.values.sum(-1).min() / positions), top))
    ax.set(ylabel="loss, nats per character", title="Loss if the model stopped here")
    _name_readings(ax, len(readings))
    ax.legend(fontsize=8, loc="upper right")


def _chances(ax: Axes, result: Result) -> None:
    means = result["reading_by_kind"].sel(kind="all")
    readings = range(len(means.labels("layer")))
    colours = {"next": ACCENT, "current": SECOND, "previous": THIRD}
    names = {"next": "the next character", "current": "the current one", "previous": "the one before"}
    for lens, (line, marker) in STYLES.items():
        for measure, colour in colours.items():
            values = means.sel(lens=lens, measure=measure).values
            ax.plot(
                readings, values, line, marker=marker, color=colour, markersize=4, label=f"{names[measure]}, {lens}"
            )
    ax.set(ylim=(-0.03, 1.03), ylabel="mean probability", title="Probability that the lens gives to ...")
    _name_readings(ax, len(readings))
    ax.legend(fontsize=8)


@styled
def ngrams(result: Result) -> Figure:
    """How far every reading is from every n-gram table, by three measures; boxed where the nearest is told from the others."""
    lenses = stored.sound_lenses(result.sweeps)
    readings = len(stored.kl_to_output(result.sweeps, lenses[0]))
    figure, axes = new_figure(13, len(lenses) * (0.33 * readings + 1.2) + 0.6, len(lenses), len(MEASURES))
    for row, lens in enumerate(lenses):
        for column, measure in enumerate(MEASURES):
            ax = axes[row * len(MEASURES) + column]
            values = stored.distances(result.sweeps, lens)[column].T
            _table_distances(ax, values, stored.nearest(result.sweeps, lens, measure))
            ax.set_title(f"{lens}: {MEASURED[measure]}", fontsize=9)
            ax.set_yticks(range(readings), _reading_names(readings) if column == 0 else [""] * readings)
    figure.suptitle(
        f"{_label(result)}: how far from each table, nats (solid box: nearest; dotted: not told from the next)",
        x=0.01,
        ha="left",
        fontweight="bold",
    )
    return figure


def _table_distances(ax: Axes, distances: np.ndarray, nearest: Nearest) -> None:
    """Draw `distances [reading, n]` and box the nearest table of each reading."""
    limit = float(np.percentile(distances, 80))
    heatmap(ax, distances, limit, diverging=False)
    for reading, n in np.ndindex(distances.shape):
        cell_text(ax, reading, n, f"{distances[reading, n]:.2f}", 7, bool(distances[reading, n] > 0.6 * limit))
    for reading, (n, told) in enumerate(zip(nearest.n, nearest.told, strict=True)):
        line = {"linewidth": 2, "linestyle": "-"} if told else {"linewidth": 1.2, "linestyle": ":"}
        ax.add_patch(Rectangle((n - 1.5, reading - 0.5), 1, 1, fill=False, edgecolor=ACCENT, **line))
    ax.set_xticks(range(distances.shape[1]), [str(n + 1) for n in range(distances.shape[1])])
    ax.set_xlabel("n of the table")


@styled
def settling(result: Result) -> Figure:
    """Where predictions settle, for each kind of character, by two criteria and both lenses."""
    shares = result["settled"]
    kinds = [str(kind) for kind in shares.labels("kind")]
    panels = [(lens, criterion) for criterion in SETTLED for lens in stored.sound_lenses(result.sweeps)]
    figure, axes = new_figure(3.4 * len(panels) + 1.6, 0.34 * len(kinds) + 2.3, 1, len(panels), sharey=True)
    depths = len(shares.labels("depth"))
    colours = [*ordered_colours(depths - 1), "#e5e7eb"]
    names = [*_reading_names(depths - 1), "never"]
    for ax, (lens, criterion) in zip(axes, panels, strict=True):
        values = shares.sel(lens=lens, criterion=criterion).values
        edges = np.cumsum(values, axis=0) - values
        for depth in range(depths):
            ax.barh(range(len(kinds)), values[depth], left=edges[depth], color=colours[depth], label=names[depth])
        ax.set(xlim=(0, 1), xlabel="share of predictions")
        ax.set_title(f"{SETTLED[criterion]}\n({lens})", fontsize=9)
    axes[0].set_yticks(range(len(kinds)), kinds)
    axes[0].invert_yaxis()
    shown = axes[0].get_legend_handles_labels()
    figure.legend(*shown, loc="outside lower center", ncols=depths, fontsize=8, title="settles at")
    figure.suptitle(f"{_label(result)}: when a prediction is made", x=0.01, ha="left", fontweight="bold")
    return figure


@styled
def training(result: Result) -> Figure:
    """How far the whole model is from every table, over training, in both directions."""
    figure, axes = new_figure(11, 4.6, 1, 2)
    steps = np.array([int(step) for step in result["training"].labels("step")])
    if len(steps) == 0:
        for ax in axes:
            ax.set_axis_off()
        axes[0].text(0, 0.5, "This model's training left no checkpoints.", fontsize=11)
        return figure
    places = result["training_places"].values.sum()
    for ax, direction in zip(axes, DIRECTIONS, strict=True):
        means = result["training"].sel(direction=direction).values.sum(-1) / places
        _table_curves(ax, steps, means, MEASURED[direction].replace("lens", "model"))
    figure.suptitle(
        f"{_label(result)}: how far from each n-gram table, in training", x=0.01, ha="left", fontweight="bold"
    )
    return figure


def _table_curves(ax: Axes, steps: np.ndarray, means: np.ndarray, measure: str) -> None:
    """One curve per table from `means [step, n]`."""
    for n, colour in enumerate(ordered_colours(means.shape[1])):
        ax.plot(np.log1p(steps), means[:, n], color=colour, linewidth=1.4, label=_table(n + 1))
    iterations_axis(ax, float(steps[-1]))
    ax.set(yscale="log", ylabel=f"{measure}, nats per character")
    ax.set_title(measure)
    plain_logarithms(ax)
    ax.set_ylim(bottom=0.35 * means.min())
    ax.legend(fontsize=8, loc="lower center", ncols=4)


@styled
def writers(result: Result) -> Figure:
    """What every component writes, directly, into the next character's logit."""
    direct = result["writers_by_kind"]
    components, kinds = direct.labels("component"), [str(kind) for kind in direct.labels("kind")]
    figure, axes = new_figure(max(8, 0.27 * len(components) + 3), 0.34 * len(kinds) + 2.2)
    ax, values = axes[0], direct.values.T
    image = heatmap(ax, values, float(np.abs(values).max()))
    ax.set_xticks(range(len(components)), [str(name) for name in components], rotation=90, fontsize=8)
    ax.set_yticks(range(len(kinds)), kinds)
    ax.set(xlabel="component, in the order in which they write", ylabel="what is predicted")
    figure.colorbar(image, ax=ax, label="logits above\nthe mean logit")
    figure.suptitle(f"{_label(result)}: who writes the next character", x=0.01, ha="left", fontweight="bold")
    return figure


@styled
def example(result: Result) -> Figure:
    """Both lenses on one passage."""
    names = {int(i): str(symbol) for i, symbol in enumerate(result["symbols"].labels("symbol"))}
    lenses = [(str(lens), result["example"].sel(lens=lens)) for lens in result["example"].labels("lens")]
    return _sentences(lenses, names, _label(result))


TITLE_PAD = 18


@styled
def sentence(read: Sweep, symbols: tuple[str, ...], lens: str, label: str) -> Figure:
    """A lens on one text (`logit_lens.on_sentence`, with the text's characters as the labels of its positions)."""
    return _sentences([(lens, read)], dict(enumerate(symbols)), label)


def _sentences(lenses: list[tuple[str, Sweep]], symbols: dict[int, str], label: str) -> Figure:
    """One grid per lens and line of text: under each character, the lens's prediction of the next one at each reading."""
    positions = len(lenses[0][1].labels("place"))
    readings = len(lenses[0][1].labels("layer"))
    lines = [(lens, read, at) for lens, read in lenses for at in range(0, positions, LINE)]
    standing = (max(_room(read) for _, read in lenses) - TITLE_PAD) / 72  # inches for long symbols above each line
    height = len(lines) * (0.26 * (readings + 1) + 0.45 + standing) + 0.9
    figure, axes = new_figure(0.3 * _columns(positions) + 2.2, height, len(lines))
    images = []
    for ax, (lens, read, at) in zip(axes, lines, strict=True):
        images.append(_line(ax, read, symbols, range(at, min(at + LINE, positions))))
        if at == 0:
            ax.set_title(
                f"{lens}: the most probable next character after each layer; boxed: it does follow", pad=_room(read)
            )
    figure.colorbar(images[0], ax=axes, label="its probability", shrink=min(1.0, 3 / len(lines)))
    figure.suptitle(f"{label}: reading along", x=0.01, ha="left", fontweight="bold")
    return figure


def _room(read: Sweep) -> int:
    """Points between the title and the cells, for the text that stands there."""
    labels = [visible_character(str(symbol)) for symbol in read.labels("place")]
    return 8 * max(map(len, labels)) + 12 if upright(labels) else TITLE_PAD


def _line(ax: Axes, read: Sweep, symbols: dict[int, str], where: range):
    """Draw a range of positions: one row per reading, the last one on top, the text above."""
    text = [str(symbol) for symbol in read.labels("place")]
    top, chance = (read.sel(measure=measure).values[::-1, where.start : where.stop] for measure in ("top", "chance"))
    image = heatmap(ax, chance, 1.0, diverging=False)
    for row, column in np.ndindex(top.shape):
        predicted = symbols[int(top[row, column])]
        shown = visible_character(predicted)
        shown, size = (shown, 8) if len(shown) <= 2 else (shown if len(shown) <= 6 else f"{shown[:5]}…", 5.5)
        cell_text(ax, row, column, shown, size, bool(chance[row, column] > 0.6))
        follows = where[column] + 1 < len(text) and text[where[column] + 1] == predicted
        if follows:
            ax.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor=ACCENT, linewidth=1))
    labels = [visible_character(text[i]) for i in where]
    ax.set_xticks(range(len(where)), labels, fontsize=9, fontweight="bold", rotation=upright(labels))
    ax.xaxis.tick_top()
    ax.set_yticks(range(len(top)), _reading_names(len(top))[::-1], fontsize=8)
    ax.set_xlim(-0.5, _columns(len(text)) - 0.5)
    return image


def _columns(positions: int) -> int:
    """Characters that one row of the figure has room for."""
    return min(LINE, max(SHORTEST, positions))


def _table(n: int) -> str:
    return TABLE_NAMES.get(n, f"{n}-gram")


def _reading_names(count: int) -> list[str]:
    return ["embedding", *(f"after L{layer}" for layer in range(count - 1))]


def _name_readings(ax: Axes, count: int) -> None:
    ax.set_xticks(range(count), _reading_names(count), fontsize=8, rotation=0 if count < 6 else 30)


def _label(result: Result) -> str:
    return result.subject.label
