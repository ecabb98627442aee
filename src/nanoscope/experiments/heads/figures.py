"""The figures of experiment 02: what every head attends to, what it is called, and what its weights do."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from nanoscope.evidence.result import Result
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.heads.census import THRESHOLDS, confusion, shares_by_threshold
from nanoscope.experiments.heads.groups import Cost, by_class, costs
from nanoscope.experiments.heads.label import WEAK, classes_of, in_words
from nanoscope.experiments.heads.pairs import best_of_all_ways
from nanoscope.model.names import head_name
from nanoscope.plots.attention import attention_grid
from nanoscope.plots.style import (
    ACCENT,
    INK,
    SECOND,
    SOFT,
    THIRD,
    cell_text,
    heatmap,
    legend_above,
    new_figure,
    styled,
    tenths,
    upright,
    visible_character,
)

CARDS = 6
FARTHEST = 16


@styled
def grid(result: Result) -> Figure:
    """Every head's attention on one passage, with the classes that it was given."""
    return _grid(
        result["example"],
        _labels(result),
        f"{_label(result)}: what every head attends to in the passage along the axes",
    )


@styled
def sentence(patterns: Sweep, titles: Sequence[Sequence[str]], label: str) -> Figure:
    """Every head's attention on one text, `[layer, head, query, key]`, with a title for each."""
    return _grid(patterns, titles, label)


def _grid(patterns: Sweep, names: Sequence[Sequence[str]], label: str) -> Figure:
    titles = [
        [f"{head_name(layer, head)} {name}".strip() for head, name in enumerate(row)] for layer, row in enumerate(names)
    ]
    return attention_grid(patterns.values, titles, [str(symbol) for symbol in patterns.labels("key")], label)


@styled
def taxonomy(result: Result) -> Figure:
    """Every head's score in every class on text it was not chosen on, beside untrained models."""
    report = result["scores_report"]
    classes = [str(name) for name in report.labels("cls")]
    heads = report.values.shape[2]
    flat = report.values.reshape(len(classes), -1)
    untrained = result["untrained_scores"].values.max(axis=(0, 2, 3))[:, None]
    width, height = max(6.0, 0.36 * flat.shape[1] + 4.6), 0.27 * len(classes) + 1.7
    figure, axes = new_figure(width, height, 1, 2, width_ratios=(flat.shape[1], 1.4), sharey=True)
    images = [heatmap(ax, values, 1.0) for ax, values in zip(axes, (flat, untrained), strict=True)]
    for ax, values in zip(axes, (flat, untrained), strict=True):
        for row, column in np.argwhere(values >= 0.1):
            cell_text(ax, row, column, tenths(float(values[row, column])), 6.5, bool(values[row, column] > 0.6))
    for column in range(flat.shape[1]):
        for name in classes_of(result.sweeps, column // heads, column % heads):
            at = (column - 0.5, classes.index(name) - 0.5)
            axes[0].add_patch(Rectangle(at, 1, 1, fill=False, edgecolor=INK, linewidth=1.8))
    names = [head_name(column // heads, column % heads) for column in range(flat.shape[1])]
    axes[0].set_xticks(range(len(names)), names, rotation=90, fontsize=8)
    axes[0].set_yticks(range(len(classes)), classes)
    axes[0].set_title("Share of attention above chance; boxed: the head's classes")
    axes[1].set_xticks([0], ["best\nuntrained"], fontsize=8)
    figure.colorbar(images[0], ax=axes, label="share above chance")
    figure.suptitle(f"{_label(result)}: what the heads are", x=0.01, ha="left", fontweight="bold")
    return figure


@styled
def cards(result: Result) -> Figure:
    """The clearest heads one by one: how far back they look, at which characters and from which, and what they then write."""
    chosen = _clearest(result)
    names = _labels(result)
    figure, axes = new_figure(14, 2.1 * len(chosen) + 0.6, len(chosen), 4)
    for row, (layer, head) in enumerate(chosen):
        near, characters, reads, writes = axes[4 * row : 4 * row + 4]
        _by_offset(near, result["by_offset"].values[layer, head])
        near.set_title(f"{head_name(layer, head)}: {names[layer][head]}", fontweight="bold")
        _by_character(characters, result, layer, head)
        _pairs(reads, result, "qk_strongest", (layer, head), SECOND)
        reads.set(xlabel="score, by the weights")
        reads.set_title("from → looks at", fontsize=9)
        _pairs(writes, result, "ov_strongest", (layer, head), THIRD)
        writes.set(xlabel="logits, if all attention is there")
        writes.set_title("attending to → raises", fontsize=9)
    figure.suptitle(f"{_label(result)}: single heads", x=0.01, ha="left", fontweight="bold")
    return figure


def _clearest(result: Result) -> list[tuple[int, int]]:
    """The head with the highest score of every class, best first; without any class, the best heads."""
    report, names = result["scores_report"], _labels(result)
    score, label = report.values, result["label"].values.astype(int)
    named = [at for at in np.ndindex(label.shape) if names[at[0]][at[1]]]
    chosen: dict[int, tuple[int, int]] = {}
    for at in sorted(named, key=lambda at: -score[label[at], *at]):
        chosen.setdefault(int(label[at]), at)
    best = np.argsort(-score[:-1].max(0), axis=None, kind="stable")[:2]
    return list(chosen.values())[:CARDS] or [(int(i // score.shape[2]), int(i % score.shape[2])) for i in best]


def _by_offset(ax: Axes, attention: np.ndarray) -> None:
    shown = attention[: FARTHEST + 1]
    uniform = [np.mean(1 / np.arange(back + 1, len(attention) + 1)) for back in range(len(shown))]
    ax.bar(range(len(shown)), shown, color=ACCENT)
    ax.plot(range(len(shown)), uniform, color=INK, linewidth=1, linestyle=":", label="uniform attention")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set(xlabel="positions back", ylabel="mean attention", ylim=(0, max(0.2, 1.1 * float(shown.max()))))
    legend_above(ax)


def _by_character(ax: Axes, result: Result, layer: int, head: int) -> None:
    above = result["by_character"].values[layer, head]
    symbols = [str(symbol) for symbol in result["symbols"].labels("symbol")]
    order = np.argsort(-np.abs(above), kind="stable")[:10]
    order = order[np.argsort(-above[order], kind="stable")]
    ax.bar(range(len(order)), above[order], color=[ACCENT if above[i] > 0 else SOFT for i in order])
    ax.axhline(0, color=INK, linewidth=0.6)
    labels = [visible_character(symbols[i]) for i in order]
    ax.set_xticks(range(len(order)), labels, rotation=upright(labels))
    ax.set_ylabel("share of attention\nabove uniform")
    ax.set_title("looks at", fontsize=9)


def _pairs(ax: Axes, result: Result, table: str, at: tuple[int, int], colour: str) -> None:
    """The largest entries of one of a head's tables of characters by characters."""
    rows = result[table].values[at]
    symbols = [visible_character(str(symbol)) for symbol in result["symbols"].labels("symbol")]
    rows = rows[~np.isnan(rows[:, 2])]
    ax.barh(range(len(rows)), rows[:, 2], color=colour)
    ax.ticklabel_format(axis="x", style="sci", scilimits=(-3, 4))  # tiny scores have long numbers
    ax.set_yticks(range(len(rows)), [f"{symbols[int(a)]} → {symbols[int(b)]}" for a, b, _ in rows])
    ax.invert_yaxis()


@styled
def composition(result: Result) -> Figure:
    """How much each later head fits what each earlier head wrote, at most through queries, keys or values; and the same of all
    pairs that can compose beside those that cannot.

    The last layer's heads write for no other head, and the first layer's read from none; a single layer has all its heads.
    """
    pairs = best_of_all_ways(result["composition"])
    layers, heads = pairs.scores.shape[:2]
    count = layers * heads
    flat = np.where(pairs.feeds, pairs.scores, np.nan).reshape(count, count)
    names = [head_name(i // heads, i % heads) for i in range(count)]
    first = heads if layers > 1 else 0
    scores, writing, reading = flat[: count - first, first:], names[: count - first], names[first:]
    size = 0.26 * len(writing) + 2.4
    figure, axes = new_figure(size + 5.5, max(size, 3.6), 1, 2, width_ratios=(size + 1, 4))
    image = heatmap(axes[0], scores, float(np.nanmax(pairs.scores)) or 1.0, diverging=False)
    axes[0].set_xticks(range(len(reading)), reading, rotation=90, fontsize=7)
    axes[0].set_yticks(range(len(writing)), writing, fontsize=7)
    axes[0].set(xlabel="later head, which reads", ylabel="earlier head, which writes")
    figure.colorbar(image, ax=axes[0], label="composition score", shrink=0.8)
    for part, colour, label in ((pairs.possible, ACCENT, "can compose"), (pairs.impossible, SOFT, "cannot")):
        axes[1].plot(np.sort(part), np.arange(1, len(part) + 1) / max(len(part), 1), color=colour, label=label)
    axes[1].set(xlabel="composition score", ylabel="share of pairs with less", ylim=(0, 1.02))
    legend_above(axes[1], columns=2)
    figure.suptitle(f"{_label(result)}: composition", x=0.01, ha="left", fontweight="bold")
    return figure


@styled
def ablation(result: Result) -> Figure:
    """What is lost without the heads of each class, each layer and all: together, one by one, and without as many others."""
    found = costs(result.sweeps)
    figure, axes = new_figure(9, 0.5 * max(len(found), 1) + 1.8, 1, 1)
    if not found:
        axes[0].set_axis_off()
        axes[0].text(0, 0.5, "No head of this model has a class.", fontsize=11)
        return figure
    rows = np.arange(len(found), dtype=float)
    half = [1.96 * one.together.std(ddof=1) / np.sqrt(len(one.together)) for one in found]
    together = [one.together.mean() for one in found]
    axes[0].barh(rows, together, 0.27, xerr=half, color=ACCENT, ecolor=INK, label="all at once")
    axes[0].barh(rows + 0.28, [one.apart for one in found], 0.27, color=SECOND, label="each alone, summed")
    beside = [(row, one.others.mean(-1)) for row, one in zip(rows, found, strict=True) if len(one.others)]
    middle = np.array([others.mean() for _, others in beside])
    spread = np.abs(np.array([(others.min(), others.max()) for _, others in beside]).reshape(-1, 2).T - middle)
    label, at = "as many others (line: every set)", [row + 0.56 for row, _ in beside]
    axes[0].barh(at, middle, 0.27, xerr=spread, color=SOFT, ecolor=INK, label=label)
    axes[0].set_yticks(rows + 0.28, [f"{one.name} ({_taken_out(result, one)})" for one in found])
    axes[0].invert_yaxis()
    axes[0].axvline(0, color=INK, linewidth=0.6)
    axes[0].set(xlabel="loss added by mean ablation, nats per character")
    axes[0].legend(fontsize=7.5, ncols=3, loc="lower right", bbox_to_anchor=(1, 1))
    figure.suptitle(f"{_label(result)}: what is lost without them", x=0.01, ha="left", fontweight="bold")
    return figure


@styled
def planted(result: Result) -> Figure:
    """What planted heads are named: right, by class and strength; and all strengths together, by class and name."""
    counts = confusion(result.sweeps)
    found = result.sweeps.get("planted_scores") or result["planted"]
    classes, strengths = [str(name) for name in found.labels("planted")], found.labels("strength")
    names = [*classes[: counts.shape[-1] - 1], "none"]
    right = np.einsum("scc->cs", counts[..., : len(classes)]) / counts.sum(-1).T
    mixed = counts.sum(0) / counts.sum((0, 2))[:, None]
    figure, axes = new_figure(13, 0.27 * len(classes) + 2.6, 1, 2, width_ratios=(len(strengths), len(classes)))
    images = [heatmap(ax, values, 1.0, diverging=False) for ax, values in zip(axes, (right, mixed), strict=True)]
    for ax, values in zip(axes, (right, mixed), strict=True):
        for row, column in np.argwhere(values > 0):
            text = f"{100 * values[row, column]:.0f}"
            cell_text(ax, row, column, text, 7, bool(values[row, column] > 0.6))
        ax.set_yticks(range(len(classes)), classes)
    axes[0].set_xticks(range(len(strengths)), [f"{float(s):g}" for s in strengths])
    axes[0].set(xlabel="share of attention that goes where the class says", title="named right, by strength")
    axes[1].set_xticks(range(len(names)), names, rotation=90)
    axes[1].set(xlabel="name", ylabel="planted", title="names, all strengths together")
    figure.colorbar(images[0], ax=axes, label="share of the row (numbers: %)")
    heads = int(counts[0, 0].sum())
    figure.suptitle(f"The categoriser on planted heads ({heads} of each)", x=0.01, ha="left", fontweight="bold")
    return figure


@styled
def thresholds(result: Result) -> Figure:
    """How many heads get a class by the threshold: the model's, untrained ones, and planted heads of all strengths."""
    figure, (ax,) = new_figure(6.4, 3.6)
    looks = (
        (INK, "-", 1.5),
        (SOFT, "-", 4.5),
        (THIRD, "-", 1.5),
        (ACCENT, "--", 1.5),
        (ACCENT, ":", 1.5),
    )  # at 0 they overlap
    for (name, shares), (colour, line, width) in zip(shares_by_threshold(result.sweeps).items(), looks, strict=True):
        ax.plot(THRESHOLDS, shares, line, color=colour, linewidth=width, label=name)
    ax.axvline(WEAK, color=SOFT, linewidth=0.8, linestyle=":")
    ax.set(
        xlabel="threshold on the score (dotted: the one in use)",
        ylabel="share of heads that get a class",
        ylim=(-0.03, 1.03),
    )
    ax.legend(loc="upper right")
    figure.suptitle(f"{_label(result)}: heads by the threshold", x=0.01, ha="left", fontweight="bold")
    return figure


def _labels(result: Result) -> list[list[str]]:
    """Every head's classes in words, layer by layer."""
    layers, heads = result["label"].values.shape
    return [[in_words(classes_of(result.sweeps, layer, head)) for head in range(heads)] for layer in range(layers)]


def _taken_out(result: Result, one: Cost) -> str:
    """How many heads were taken out: those with a class's label, though it need not hold on the other half."""
    if one.name not in by_class(result["label"].values):
        return str(len(one.heads))
    weak = sum(not classes_of(result.sweeps, *at) for at in one.heads)
    which = f", {weak} of them" if weak < len(one.heads) else ","
    return f"{len(one.heads)}{which} weak on new text" if weak else str(len(one.heads))


def _label(result: Result) -> str:
    return result.subject.label
