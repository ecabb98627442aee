"""Cards of single neurons, drawn from stored sweeps over `card`; and neurons on a text, marked on its characters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from nanoscope.evidence.sweep import Sweep
from nanoscope.plots.fonts import MONO, families
from nanoscope.plots.style import (
    ACCENT,
    INK,
    SECOND,
    SOFT,
    new_figure,
    powers_of_ten,
    styled,
    visible_character,
    wrapped,
)

GLOW = LinearSegmentedColormap.from_list("glow", ["#ffffff", "#fdba74", ACCENT])
RAISED = 6
CARD_HEIGHT, CARD_WIDTH = 2.75, 11.0
TEXT_LEFT, TEXT_INCHES = 0.085, 6.48
"""81 characters of 0.08 inches: whole pixels at the usual resolutions, so that text and background stay together."""
TEXT_SIZE = 0.08 * 72 / 0.60205
"""The size at which a character of DejaVu Sans Mono is 0.08 inches wide."""


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
