"""The figures of the neurons: selectivity for concepts, cards of single neurons, statistics and ablation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from nanoscope.analysis.neurons.selectivity import SELECTIVE, best_of_layers
from nanoscope.evidence.result import Result
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.neurons.labels import CONTEXT, FAMILIES, KIND
from nanoscope.plots.fonts import MONO, families
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
    powers_of_ten,
    styled,
    visible_character,
    wrapped,
)

FAMILY_COLOURS = dict(zip(FAMILIES, (ACCENT, SECOND, THIRD, "#7c3aed", SOFT), strict=True))
SHOWN = tuple(FAMILIES.index(family) for family in (CONTEXT, KIND))
"""Families whose concepts are shown individually."""
CONTROLS = {
    "untrained": "untrained model",
    "directions": "random direction",
    "chance": "shifted labels",
    "probe": "probe",
}
GLOW = LinearSegmentedColormap.from_list("glow", ["#ffffff", "#fdba74", ACCENT])
RAISED = 6
CARD_HEIGHT, CARD_WIDTH = 2.75, 11.0
TEXT_LEFT, TEXT_INCHES = 0.085, 6.48
"""81 characters of 0.08 inches: whole pixels at the usual resolutions, so that text and background stay together."""
TEXT_SIZE = 0.08 * 72 / 0.60205
"""The size at which a character of DejaVu Sans Mono is 0.08 inches wide."""
ROLE_COLOURS = {"prediction": ACCENT, "suppression": SECOND}


# ---- concepts ------------------------------------------------------------------------------------------------------


@styled
def concepts(result: Result) -> Figure:
    """The best neuron of every layer for every concept, beside what else reaches; and how families go with depth."""
    report = result["report"].mean("window")
    order = _order(result, report)
    names = [str(report.labels("concept")[c]) for c in order]
    layers = report.values.shape[1]
    figure, axes = new_figure(
        6.4 + 0.5 * layers, 2.3 + 0.24 * max(len(order), 6), 1, 3, width_ratios=(0.45 * layers, 2.6, 3.4)
    )
    mine = report.sel(source="neurons").values[:, order].T
    _numbers(axes[0], mine, [f"L{layer}" for layer in range(layers)])
    axes[0].set_yticks(range(len(names)), names, fontsize=8)
    axes[0].set_title("Best of each layer", fontsize=9)
    _numbers(axes[1], _controls(result, report)[order], list(CONTROLS.values()))
    axes[1].set_yticks([])
    axes[1].set_title("Beside it, over all layers", fontsize=9)
    axes[1].set_xticks(
        range(len(CONTROLS)), list(CONTROLS.values()), fontsize=8, rotation=35, ha="right", rotation_mode="anchor"
    )
    _families(axes[2], result, report)
    figure.legend(loc="outside lower right", ncols=3, fontsize=7)
    figure.suptitle(f"{_label(result)}: what neurons tell (AUROC on new text)", x=0.01, ha="left", fontweight="bold")
    return figure


def _order(result: Result, report: Sweep) -> list[int]:
    """Context concepts first, then kinds of character; within each by AUROC, highest first."""
    best = report.sel(source="neurons").values.max(axis=0)
    families = result["families"].values
    return [c for c in np.lexsort((-best, families)) if families[c] in SHOWN]


def _controls(result: Result, report: Sweep) -> np.ndarray:
    """The controls `[concept, control]`, each the best over layers."""
    columns = {
        source: best_of_layers(result["selected"], result["report"], source).mean(1)
        for source in ("untrained", "directions")
    }
    columns["chance"] = result["chance"].sel(quantile=0.95).values
    columns["probe"] = report.sel(source="probe").values.max(axis=0)
    return np.stack([columns[name] for name in CONTROLS], axis=1)


def _numbers(ax: Axes, values: np.ndarray, columns: Sequence[str]) -> None:
    """AUROCs from 0.5 (white) to 1, with the number in each cell."""
    heatmap(ax, values - 0.5, 0.5, diverging=False)
    for (row, column), value in np.ndenumerate(values):
        cell_text(ax, row, column, f"{value:.2f}".removeprefix("0"), 7, bool(value > 0.8))
    ax.set_xticks(range(len(columns)), columns, fontsize=8)


def _families(ax: Axes, result: Result, report: Sweep) -> None:
    """The AUROC of each layer's best neuron, averaged over a family's concepts; dashed: untrained model."""
    families = result["families"].values
    layers = range(report.values.shape[1])
    for family, (name, colour) in enumerate(FAMILY_COLOURS.items()):
        mine = families == family
        if mine.any():
            trained, untrained = (report.sel(source=s).values[:, mine].mean(1) for s in ("neurons", "untrained"))
            ax.plot(layers, trained, color=colour, marker="o", markersize=3.5, label=f"{name} ({mine.sum()})")
            ax.plot(layers, untrained, color=colour, linestyle="--", linewidth=0.9)
    ax.axhline(SELECTIVE, color=INK, linewidth=0.6, linestyle=":", label=f"selective: {SELECTIVE} or more")
    ax.set(ylim=(0.48, 1.02), ylabel="AUROC of a layer's best neuron, mean")
    ax.set_title("Family means (dashed: untrained)", fontsize=9)
    ax.set_xticks(layers, [f"L{layer}" for layer in layers], fontsize=8)


# ---- cards ---------------------------------------------------------------------------------------------------------


def cards_of_result(result: Result) -> Figure:
    """The cards of the neurons that tell concepts best."""
    subtitles = {str(name): best_for(result, str(name)) for name in result["card_places"].labels("card")}
    return cards(result.sweeps, f"{_label(result)}: the neurons that tell concepts best", subtitles)


def best_for(result: Result, neuron: str) -> str:
    """The concepts for which a neuron is the best, with its AUROCs on new text; empty if there are none."""
    selected, chosen = result["selected"].sel(source="neurons").values, result["chosen"].sel(source="neurons").values
    layer = selected.argmax(axis=0)
    report = best_of_layers(result["selected"], result["report"], "neurons").mean(1)
    families = result["families"].values
    named = [
        f"{result['families'].labels('concept')[c]} {report[c]:.2f}"
        for c in np.argsort(-report)
        if f"L{layer[c]}N{chosen[layer[c], c]}" == neuron and families[c] in SHOWN
    ]
    return "best for " + ", ".join(named) if named else ""


@styled
def cards(sweeps: Mapping[str, Sweep], title: str, subtitles: Mapping[str, str]) -> Figure:
    """One card below another: examples with their activations, how these are spread, and which characters it raises."""
    names = sweeps["card_places"].labels("card")
    height = CARD_HEIGHT * len(names) + 0.7
    figure = Figure(figsize=(CARD_WIDTH, height))
    figure.text(0.01, 1 - 0.2 / height, wrapped(title, CARD_WIDTH), fontweight="bold", va="center")
    for card, name in enumerate(names):
        top = 1 - (0.75 + CARD_HEIGHT * card) / height
        size = (CARD_HEIGHT - 0.55) / height
        _examples(
            figure.add_axes((TEXT_LEFT, top - size, TEXT_INCHES / CARD_WIDTH, size)),
            sweeps,
            card,
            f"{name}  {subtitles.get(str(name), '')}",
        )
        _histogram(figure.add_axes((0.715, top - size, 0.12, size)), sweeps, card)
        _raised(figure.add_axes((0.88, top - size, 0.11, size)), sweeps, card)
    return figure


def _examples(ax: Axes, sweeps: Mapping[str, Sweep], card: int, title: str) -> None:
    rows = sweeps["card_places"].labels("row")
    at = slice(card * len(rows), (card + 1) * len(rows))
    values, texts = sweeps["card_texts"].values[at], sweeps["card_texts"].labels("text")[at]
    largest = max(float(sweeps["card_statistics"].sel(statistic="max").values[card]), 1e-9)
    ax.imshow(np.nan_to_num(np.clip(values / largest, 0, 1)), aspect="auto", cmap=GLOW, vmin=0, vmax=1)
    for row, text in enumerate(texts):
        _line(ax, row, str(text), np.isfinite(values[row]))
    middle = values.shape[1] // 2
    ax.axvline(middle - 0.5, color=SOFT, linewidth=0.5)
    ax.axvline(middle + 0.5, color=SOFT, linewidth=0.5)
    middles = values[:, middle]
    labels = [
        f"{name} {value:6.2f}" if np.isfinite(value) else str(name) for name, value in zip(rows, middles, strict=True)
    ]
    ax.set_yticks(range(len(rows)), labels, fontsize=6)
    ax.set_xticks([])
    ax.tick_params(length=0)
    for side in ax.spines.values():
        side.set_visible(False)
    ax.set_title(title, fontsize=9)


def _line(ax: Axes, row: int, text: str, inside: np.ndarray) -> None:
    """Draw one row of text, a character per column; grey outside the window."""
    cuts = np.flatnonzero(np.diff(inside)) + 1
    for first, last in zip((0, *cuts), (*cuts, len(text)), strict=True):
        part = "".join(visible_character(symbol) if symbol != " " else " " for symbol in text[first:last])
        colour = INK if inside[first] else SOFT
        style = {"fontsize": TEXT_SIZE, "family": families(MONO)}
        ax.text(first - 0.5, row, part, ha="left", va="center", color=colour, **style)


def _histogram(ax: Axes, sweeps: Mapping[str, Sweep], card: int) -> None:
    sample = sweeps["card_sample"].values[card]
    largest = float(sweeps["card_statistics"].sel(statistic="max").values[card])
    top = max(largest, float(sample.max()))
    ax.hist(sample, bins=40, range=(float(sample.min()), max(top, float(sample.min()) + 1e-6)), color=SECOND)
    ax.set_yscale("log")
    powers_of_ten(ax.yaxis)
    ax.axvline(largest, color=ACCENT, linewidth=1)
    ax.tick_params(labelsize=6)
    ax.set_title("activations", fontsize=8)
    ax.set_xlabel("line: largest of all", fontsize=6, labelpad=1)
    ax.set_ylabel("characters", fontsize=6, labelpad=1)


def _raised(ax: Axes, sweeps: Mapping[str, Sweep], card: int) -> None:
    weights = sweeps["card_weights"]
    row, symbols = weights.values[card], weights.labels("token")
    order = np.argsort(-row, kind="stable")
    count = min(RAISED, len(order) // 2)
    shown = [*order[:count], *order[len(order) - count :]]
    ax.barh(range(len(shown)), row[shown], color=[ACCENT if row[i] > 0 else SECOND for i in shown])
    ax.set_yticks(range(len(shown)), [visible_character(str(symbols[i])) for i in shown], fontsize=6.5)
    ax.invert_yaxis()
    ax.axvline(0, color=INK, linewidth=0.6)
    ax.tick_params(axis="x", labelsize=6)
    ax.set_title("raises, lowers", fontsize=8)
    ax.set_xlabel("logits per activation", fontsize=6, labelpad=1)


@styled
def on_text(values: np.ndarray, text: Sequence[str], names: Sequence[str], title: str) -> Figure:
    """Neurons on the user's own text: `values [neuron, char]`, as shares of each neuron's largest activation."""
    figure, (ax,) = new_figure(max(6.0, 2.6 + 0.145 * len(text)), 1.2 + 0.26 * len(names))
    ax.imshow(np.clip(values, 0, 1), aspect="auto", cmap=GLOW, vmin=0, vmax=1)
    ax.set_xticks(range(len(text)), [visible_character(symbol) for symbol in text], family=families(MONO), fontsize=7)
    ax.set_yticks(range(len(names)), names, fontsize=8)
    ax.tick_params(length=0)
    figure.colorbar(ax.images[0], ax=ax, label="share of\nits maximum", fraction=0.03, pad=0.01)
    ax.set_title(title, fontweight="bold")
    return figure


# ---- statistics ----------------------------------------------------------------------------------------------------


@styled
def statistics(result: Result) -> Figure:
    """How the neurons of each layer behave over the text, and what they are by their weights."""
    values = result["statistics"]
    figure, axes = new_figure(11, 5.6, 2, 3)
    panels = (
        ("positive", "Share of characters above 0", "share of characters", False),
        ("sparsity", "Share above a tenth of the maximum", "share of characters", False),
        ("hoyer", "Hoyer's sparsity (1: active once)", "Hoyer's sparsity", False),
        ("kurtosis", "Kurtosis of activations", "kurtosis", True),
        ("max", "Largest activation", "activation", False),
    )
    for ax, (name, title, unit, logarithmic) in zip(axes, panels, strict=False):
        _boxes(ax, values.sel(statistic=name).values, logarithmic)
        ax.set_title(title, fontsize=9)
        ax.set_ylabel(unit)
    _roles(axes[5], result["roles"])
    figure.suptitle(f"{_label(result)}: its neurons, layer by layer", x=0.01, ha="left", fontweight="bold")
    return figure


def _boxes(ax: Axes, values: np.ndarray, logarithmic: bool) -> None:
    """One box per layer: quartiles, with whiskers at 1 and 99 %."""
    finite = [row[np.isfinite(row) & ((row > 0) | (not logarithmic))] for row in values]
    some = [(layer, row) for layer, row in enumerate(finite) if len(row)]
    if some:
        ax.boxplot(
            [row for _, row in some],
            positions=[layer for layer, _ in some],
            whis=(1, 99),
            showfliers=False,
            widths=0.6,
            medianprops={"color": ACCENT},
        )
    else:
        ax.text(0.5, 0.5, "no neuron ever changes", transform=ax.transAxes, ha="center", fontsize=8)
    if logarithmic and some:
        ax.set_yscale("log")
        powers_of_ten(ax.yaxis)
        ax.yaxis.set_major_formatter("{x:g}")
    ax.set_xlim(-0.6, len(values) - 0.4)
    ax.set_xticks(range(len(values)), [f"L{layer}" for layer in range(len(values))])


def _roles(ax: Axes, roles: Sweep) -> None:
    layers = np.arange(len(roles.values))
    for which, (name, colour) in enumerate(ROLE_COLOURS.items(), start=1):
        shares = (roles.values == which).mean(1)
        ax.bar(layers + 0.4 * which - 0.6, shares, 0.38, color=colour, label=name)
    ax.set_xticks(layers, [f"L{layer}" for layer in layers])
    ax.set_title("Names what comes, or what does not", fontsize=9)
    ax.set_ylabel("share of neurons")
    ax.axhline(0.01, color=INK, linewidth=0.6, linestyle=":", label="Gaussian weights, both")
    legend_above(ax)


# ---- ablation ------------------------------------------------------------------------------------------------------


@styled
def ablation(result: Result) -> Figure:
    """What each ablated neuron costs where it is active and elsewhere, beside random neurons of the same layers."""
    change, count = result["ablation"], result["ablation_count"].values
    names, group = change.labels("neuron"), result["ablation_group"].values
    figure, axes = new_figure(max(7.0, 2.5 + 0.42 * len(names)), 5.4, 2, 1, sharex=True)
    marks = {
        "mean": (ACCENT, "o", "set to its mean"),
        "mean, direct": (SECOND, "x", "set to its mean, direct effect only"),
        "zero": (SOFT, "s", "set to 0"),
    }
    for part, (ax, title) in enumerate(zip(axes, ("where the neuron is active", "elsewhere"), strict=True)):
        for effect, (colour, mark, label) in marks.items():
            sums = change.sel(effect=effect).values[:, part]
            middle, half = _ratios(sums, count[:, part])
            look = {"color": colour, "marker": mark, "markersize": 4, "linestyle": "none", "elinewidth": 0.8}
            ax.errorbar(range(len(names)), middle, half, label=label, **look)
        ax.axhline(0, color=INK, linewidth=0.6)
        ax.axvline(np.flatnonzero(group == 1).min(initial=len(names)) - 0.5, color=SOFT, linewidth=0.8)
        ax.set_ylabel("loss added,\nnats per character")
        ax.set_title(f"Without one neuron, {title}", fontsize=9)
    axes[1].set_xticks(range(len(names)), [str(name) for name in names], rotation=90, fontsize=7)
    axes[1].set_xlabel("left of the line: chosen for a concept; right of it: random neurons of the same layers")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=7)
    figure.suptitle(f"{_label(result)}: what neurons are worth", x=0.01, ha="left", fontweight="bold")
    return figure


def _ratios(sums: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ratios of sums over windows `[neuron, window]`, and half the widths of their 95 % intervals (delta method)."""
    totals = np.maximum(counts.sum(-1), 1)
    ratio = sums.sum(-1) / totals
    error = (sums - ratio[:, None] * counts).std(-1, ddof=1) * np.sqrt(sums.shape[-1])
    return ratio, 1.96 * error / totals


def _label(result: Result) -> str:
    return result.subject.label
