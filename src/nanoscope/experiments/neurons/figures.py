"""The figures of the neurons: selectivity for concepts, cards of single neurons, statistics and ablation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nanoscope.analysis.neurons.selectivity import SELECTIVE
from nanoscope.analysis.neurons.statistics import DEAD
from nanoscope.evidence.result import Result
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.neurons import census
from nanoscope.experiments.neurons.labels import CONTEXT, FAMILIES, KIND
from nanoscope.experiments.neurons.stored import (
    OF_INPUTS,
    aurocs,
    best_aurocs,
    chosen_neuron,
    context_names,
    has_silent,
)
from nanoscope.plots.neuron_cards import cards
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
)

FAMILY_COLOURS = dict(zip(FAMILIES, (ACCENT, SECOND, THIRD, "#7c3aed", SOFT), strict=True))
SHOWN = tuple(FAMILIES.index(family) for family in (CONTEXT, KIND))
"""Families whose concepts are shown individually."""
CONTROLS = {"untrained": "untrained model", "directions": "random direction", "silent": "most silent neuron"}
"""Sources beside the best neuron, as they are called."""
ACTIVE = ("on, in", "on, outside", "silent, in", "silent, outside")
"""The neuron, and the characters of which it is active on a share."""
ROLE_COLOURS = {"prediction": ACCENT, "suppression": SECOND}


# ---- concepts ------------------------------------------------------------------------------------------------------


@styled
def concepts(result: Result) -> Figure:
    """The best neuron of every layer for every concept, beside what else reaches; and how families go with depth."""
    found = aurocs(result.sweeps)
    order = _order(result)
    names = [str(found.labels("concept")[c]) for c in order]
    layers, beside, shares = found.values.shape[1], _controls(result), _active(result)
    widths = (0.45 * layers, 0.5 * len(beside), *([0.5 * len(shares)] if shares else []), 3.4)
    figure, axes = new_figure(
        3.0 + 1.15 * sum(widths), 2.6 + 0.24 * max(len(order), 6), 1, len(widths), width_ratios=widths
    )
    mine = found.sel(source="neurons").values[:, order].T
    _numbers(axes[0], mine, [f"L{layer}" for layer in range(layers)])
    axes[0].set_yticks(range(len(names)), names, fontsize=8)
    axes[0].set_title("Best of each layer", fontsize=9)
    panels = {"Beside it, of all layers": beside, "Active on this share": shares}
    for ax, (title, columns) in zip(axes[1:-1], panels.items(), strict=False):
        _numbers(ax, np.stack(list(columns.values()), axis=1)[order], list(columns), 0.0 if columns is shares else 0.5)
        ax.set_yticks([])
        ax.set_title(title, fontsize=9)
        ax.set_xticks(range(len(columns)), list(columns), fontsize=8, rotation=35, ha="right", rotation_mode="anchor")
    _families(axes[-1], result, found)
    figure.legend(loc="outside lower right", ncols=3, fontsize=7)
    what = "their input" if OF_INPUTS in result.sweeps else "their activation"
    title = f"{_label(result)}: what neurons tell (AUROC of {what} on new text)"
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold")
    return figure


def _order(result: Result) -> list[int]:
    """Context concepts first, then kinds of character; within each by AUROC, highest first."""
    best = aurocs(result.sweeps).sel(source="neurons").values.max(axis=0)
    families = result["families"].values
    return [c for c in np.lexsort((-best, families)) if families[c] in SHOWN]


def _controls(result: Result) -> dict[str, np.ndarray]:
    """What stands beside the best neuron, each `[concept]`."""
    sources = [source for source in CONTROLS if source != "silent" or has_silent(result.sweeps)]
    columns = {CONTROLS[source]: best_aurocs(result.sweeps, source) for source in sources}
    probe = aurocs(result.sweeps).sel(source="probe").values.max(axis=0)
    return {**columns, "shifted labels": result["chance"].sel(quantile=0.95).values, "probe": probe}


def _active(result: Result) -> dict[str, np.ndarray]:
    """Shares of characters on which the most on and the most silent neuron are active, each `[concept]`; none in old
    results."""
    return dict(zip(ACTIVE, result["active"].values.reshape(4, -1), strict=True)) if "active" in result.sweeps else {}


def _numbers(ax: Axes, values: np.ndarray, columns: Sequence[str], white: float = 0.5) -> None:
    """AUROCs from 0.5 (white) to 1, or shares from 0, with the number in each cell."""
    heatmap(ax, values - white, 1 - white, diverging=False)
    for (row, column), value in np.ndenumerate(values):
        cell_text(ax, row, column, f"{value:.2f}".removeprefix("0"), 7, bool(value > (0.6 * (1 - white) + white)))
    ax.set_xticks(range(len(columns)), columns, fontsize=8)


def _families(ax: Axes, result: Result, found: Sweep) -> None:
    """The AUROC of each layer's best neuron, averaged over a family's concepts; dashed: untrained model."""
    families = result["families"].values
    layers = range(found.values.shape[1])
    for family, (name, colour) in enumerate(FAMILY_COLOURS.items()):
        mine = families == family
        if mine.any():
            trained, untrained = (found.sel(source=s).values[:, mine].mean(1) for s in ("neurons", "untrained"))
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
    names, families = result["families"].labels("concept"), result["families"].values
    found = best_aurocs(result.sweeps)
    named = [
        f"{names[c]} {found[c]:.2f}"
        for c in np.argsort(-found)
        if families[c] in SHOWN and chosen_neuron(result.sweeps, int(c)) == neuron
    ]
    return "best for " + ", ".join(named) if named else ""


# ---- thresholds ----------------------------------------------------------------------------------------------------


@styled
def thresholds(result: Result) -> Figure:
    """How many context concepts are told, and how many neurons stay low, at every threshold instead of one."""
    figure, axes = new_figure(9.6, 4.2, 1, 2, width_ratios=(1.3, 1))
    _told(axes[0], result)
    _low(axes[1], result)
    figure.legend(loc="outside lower center", ncols=4, fontsize=8)
    figure.suptitle(f"{_label(result)}: counts at every threshold", x=0.01, ha="left", fontweight="bold")
    return figure


def _low(ax: Axes, result: Result) -> None:
    """How many neurons never exceed a height."""
    ax.plot(census.HEIGHTS, census.neurons_below(result.sweeps), color=ACCENT)
    ax.axvline(DEAD, color=INK, linewidth=0.8, linestyle=":")
    ax.set_xscale("log")
    ax.set_yscale("log")
    powers_of_ten(ax.xaxis)
    powers_of_ten(ax.yaxis)
    count = result["roles"].values.size
    ax.set(
        xlabel="share of the median neuron's maximum",
        ylabel=f"of {count:,} neurons, those that never exceed it",
        ylim=(0.8, count),
    )
    ax.set_title("dotted: dead up to here", fontsize=9)


def _told(ax: Axes, result: Result) -> None:
    """Numbers of context concepts that the best of each kind tells; the band of neurons is over resampled windows."""
    looks = {
        "neurons": (ACCENT, "-", "a neuron is on"),
        "silent": (THIRD, "-", "a neuron is silent (1 - AUROC)"),
        "directions": (SECOND, "-", "as many random directions"),
        "untrained": (SOFT, "--", "an untrained model"),
    }
    ax.fill_between(census.AUROCS, *census.told_band(result.sweeps, "neurons"), color=ACCENT, alpha=0.2, linewidth=0)
    for source, (colour, line, label) in looks.items():
        ax.plot(census.AUROCS, census.concepts_told(result.sweeps, source), line, color=colour, label=label)
    count = len(context_names(result.sweeps))
    ax.axvline(SELECTIVE, color=INK, linewidth=0.8, linestyle=":")
    ax.set(
        xlabel="AUROC on new text",
        ylabel=f"of {count} context concepts",
        ylim=(-0.2, max(1, count) + 0.3),
        xlim=(0.5, 1),
    )
    ax.set_title("dotted: selective from here on", fontsize=9)


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
