"""Attention patterns of several heads, with the text along both axes of each.

Every character is shown, however long the text: panels grow with it, and from `SINGLE` characters on the letters of an axis
stand in two rows by turns. Where that would make the figure larger than `LARGEST`, the axes are numbered and the text is
printed below, with the number of each line's first character. Many letters are drawn as one outline per panel: as ticks they
would take a minute.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from matplotlib.textpath import TextPath
from matplotlib.transforms import Affine2D

from nanoscope.plots.fonts import MONO, families, quiet
from nanoscope.plots.style import INK, heatmap, upright, visible_character, wrapped

PITCH = 0.072
"""Inches from one letter to the next, of 5 points."""
TICKS, SINGLE = 12, 64
"""Longest texts whose letters are ticks, and those that stand in one row."""
LARGEST = 40.0
"""Inches."""
SMALLEST = 1.5
TITLE, BAR = 0.36, 1.0
"""Inches above a panel, for two lines, and to the right of all, for the scale."""
LINE, LINE_HEIGHT = 100, 0.15


@dataclass(frozen=True)
class _Layout:
    """Sizes in inches."""

    side: float
    letters: float
    """Room for an axis's letters or numbers."""
    rows: int
    columns: int
    below: float
    """Room for the text below the panels."""

    @property
    def width(self) -> float:
        return self.columns * (self.side + self.letters) + BAR

    @property
    def height(self) -> float:
        return self.rows * (self.side + self.letters + TITLE) + self.below + 0.4

    def corner(self, row: int, column: int) -> tuple[float, float]:
        """The lower left corner of a panel, in inches."""
        top = self.height - 0.4 - row * (self.side + self.letters + TITLE)
        return column * (self.side + self.letters) + self.letters, top - TITLE - self.side

    def panel(self, row: int, column: int) -> tuple[float, float, float, float]:
        """Left, bottom, width and height of a panel, in shares of the figure."""
        left, bottom = self.corner(row, column)
        return left / self.width, bottom / self.height, self.side / self.width, self.side / self.height


def attention_grid(
    patterns: Float[np.ndarray, "row column query key"],
    titles: Sequence[Sequence[str]],
    symbols: Sequence[str],
    label: str,
) -> Figure:
    """One panel per head, from `query` (rows) to `key` (columns). Colours are linear in the square root of attention."""
    rows, columns, size, _ = patterns.shape
    text = [visible_character(symbol) for symbol in symbols]
    longest = max(map(len, text), default=1)
    numbered, layout = _laid_out(rows, columns, size, longest)
    figure = Figure(figsize=(layout.width, layout.height))
    outline = _outline(text, layout) if size > TICKS and not numbered and longest <= 2 else None
    for row, column in product(range(rows), range(columns)):
        ax = figure.add_axes(layout.panel(row, column))
        heatmap(ax, np.sqrt(patterns[row, column]), 1.0, diverging=False)
        ax.set_title(textwrap.fill(titles[row][column], int(layout.side * 16)), fontsize=7.5)
        _ticks(ax, text, numbered, outline is None)
        if outline is not None:
            place = Affine2D().translate(*layout.corner(row, column)) + figure.dpi_scale_trans
            letters = PathPatch(
                outline, transform=place, facecolor=INK, linewidth=0, clip_on=False, label="".join(text)
            )
            figure.add_artist(letters)
    _scale(figure, layout)
    title = wrapped(label, layout.width)
    figure.text(0.1 / layout.width, 1 - 0.1 / layout.height, title, va="top", fontsize=10.8, fontweight="bold")
    if numbered:
        lines = _lines(text)
        style = {"family": families(MONO), "fontsize": 7.5, "va": "bottom", "linespacing": 1.2}
        figure.text(0.1 / layout.width, 0.05 / layout.height, "\n".join(lines), **style)
    return figure


def _laid_out(rows: int, columns: int, size: int, longest: int) -> tuple[bool, _Layout]:
    """Whether the axes are numbered, and the layout, with room for the longest symbol beside the panels."""
    pitch, letters = (PITCH, 0.24) if size <= SINGLE or longest > 2 else (PITCH / 2, 0.34)
    letters += 0.045 * max(0, longest - 2)
    lettered = _Layout(max(SMALLEST, pitch * size), letters, rows, columns, 0.0)
    if max(lettered.width, lettered.height) <= LARGEST:
        return False, lettered
    below = LINE_HEIGHT * -(-size // LINE) + 0.1
    return True, _Layout(min(5.0, max(3.0, size / 75)), 0.4, rows, columns, below)


def _ticks(ax: Axes, text: Sequence[str], numbered: bool, lettered: bool) -> None:
    """Numbers, letters, or neither at the ticks of both axes."""
    step = max(1, 2 ** round(np.log2(len(text) / 12))) if numbered else 1
    at = range(0, len(text), step) if lettered or numbered else []
    labels = [str(n) if numbered else text[n] for n in at]
    ax.set_xticks(at, labels, fontsize=6 if numbered else 5, rotation=0 if numbered else upright(labels))
    ax.set_yticks(at, labels, fontsize=6 if numbered else 5)
    ax.tick_params(length=2 if numbered else 0, pad=1 if numbered else 3)
    if numbered:
        ax.set_xlabel("position", fontsize=6, labelpad=1)
        ax.set_ylabel("position", fontsize=6, labelpad=1)


def _outline(text: Sequence[str], layout: _Layout) -> Path:
    """The letters below and to the left of a panel, in inches from its lower left corner."""
    em, font, pitch = 5 / 72, FontProperties(family=families(MONO)), layout.side / len(text)
    paths = []
    with quiet():
        for n, symbol in enumerate(text):
            away = 0.09 + 0.1 * (n % 2 if len(text) > SINGLE else 0)
            middle, width = (n + 0.5) * pitch, 0.6 * em * len(symbol)
            paths.append(TextPath((middle - width / 2, -away - 0.02), symbol, size=em, prop=font))
            paths.append(TextPath((-away + 0.03 - width, layout.side - middle - 0.35 * em), symbol, size=em, prop=font))
    return Path.make_compound_path(*paths)


def _lines(text: Sequence[str]) -> list[str]:
    return [f"{at:5} {''.join(text[at : at + LINE])}" for at in range(0, len(text), LINE)]


def _scale(figure: Figure, layout: _Layout) -> None:
    height = min(3.0, 0.8 * (layout.height - layout.below - 0.4))
    bottom = (layout.height + layout.below - 0.4 - height) / 2
    ax = figure.add_axes(
        (
            (layout.width - BAR + 0.15) / layout.width,
            bottom / layout.height,
            0.12 / layout.width,
            height / layout.height,
        )
    )
    bar = figure.colorbar(figure.axes[0].images[0], cax=ax, label="attention (row: from, column: to)")
    bar.set_ticks([0, 0.5, np.sqrt(0.5), 1], labels=["0", "0.25", "0.5", "1"])
