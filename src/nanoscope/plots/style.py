"""The style of all figures, and what their panels have in common."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, ParamSpec

import matplotlib
import matplotlib.colors
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import LogFormatterSciNotation, LogLocator, NullFormatter, StrMethodFormatter

from nanoscope.plots.fonts import families

INK, SOFT, ACCENT, SECOND, THIRD = "#1f2933", "#9aa5b1", "#c2410c", "#1d4ed8", "#15803d"
Shown = ParamSpec("Shown")
"""Arguments of a drawing function: a result, or parts of one."""
TITLE_LETTERS = 9.5
"""Letters per inch of a figure's title, in bold of 10.8 points."""
DIVERGING, SEQUENTIAL = "RdBu_r", "Blues"
SUPERSCRIPTS = str.maketrans("-\N{MINUS SIGN}0123456789", "⁻⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
SETTINGS: Any = {
    "font.size": 9,
    "font.family": list(families()),
    "text.parse_math": False,  # a prompt, a path or a label may hold dollar signs
    "text.usetex": False,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": True,
    "legend.edgecolor": "white",
    "legend.framealpha": 0.9,
    "figure.facecolor": "white",
}


def styled(draw: Callable[Shown, Figure]) -> Callable[Shown, Figure]:
    """Make a function draw with `SETTINGS` instead of the user's own settings, and break a title that is too long."""

    @wraps(draw)
    def drawn(*args: Shown.args, **kwargs: Shown.kwargs) -> Figure:
        with matplotlib.rc_context(SETTINGS):
            figure = draw(*args, **kwargs)
            for title in figure.texts:
                if title.get_text() and title.get_text() == figure.get_suptitle():
                    title.set_text(wrapped(title.get_text(), figure.get_figwidth()))
        return figure

    return drawn


def wrapped(title: str, width: float) -> str:
    """A figure's title in lines that fit into a width in inches."""
    lines = [textwrap.wrap(line, max(10, int(width * TITLE_LETTERS))) for line in title.splitlines()]
    return "\n".join(line for some in lines for line in some)


def new_figure(
    width: float, height: float, rows: int = 1, columns: int = 1, **options: Any
) -> tuple[Figure, list[Axes]]:
    """A figure outside pyplot's global state, and its axes, row by row."""
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, **options)
    return figure, list(axes.flat)


def heatmap(ax: Axes, values: np.ndarray, limit: float, diverging: bool = True) -> AxesImage:
    """An image with one cell per value; a diverging scale is centred on 0, and an all-zero image stays white."""
    low = -limit if diverging else 0.0
    cmap = DIVERGING if diverging else SEQUENTIAL
    image = ax.imshow(values, aspect="auto", cmap=cmap, vmin=low, vmax=max(limit, 1e-9), interpolation="nearest")
    for side in ax.spines.values():
        side.set_visible(False)
    ax.tick_params(length=0)
    return image


def cell_text(ax: Axes, row: int, column: int, text: str, size: float, dark: bool) -> None:
    """A few characters in a cell of a heatmap, white where the cell is dark."""
    ax.text(column, row, text, ha="center", va="center", fontsize=size, color="white" if dark else INK)


def iterations_axis(ax: Axes, last: float) -> None:
    """Label an axis of log(iteration + 1) in iterations."""
    shown = [tick for tick in (0, 1, 10, 100, 1000, 10_000, 100_000) if tick <= last]
    ax.set_xticks(np.log1p(shown), [f"{tick:,}" for tick in shown])
    ax.set_xlabel("iteration (logarithmic)")


def plain_logarithms(ax: Axes) -> None:
    """Label a logarithmic y axis at 1, 2 and 5 of each decade, in plain numbers."""
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    ax.yaxis.set_minor_formatter(NullFormatter())


def powers_of_ten(axis: Axis) -> None:
    """Label a logarithmic axis as matplotlib does, but in plain characters (10³): no text of a figure is a formula."""
    axis.set_major_formatter(_PlainPowers())
    axis.set_minor_formatter(_PlainPowers())


class _PlainPowers(LogFormatterSciNotation):
    """Turns `$\\mathdefault{2\\times10^{3}}$` into `2×10³`."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        said = super().__call__(x, pos).replace("$\\mathdefault{", "").removesuffix("}$").replace("\\times", "×")
        base, _, power = said.partition("^")
        return base + power.strip("{}").translate(SUPERSCRIPTS)


def legend_above(ax: Axes, columns: int = 1, size: float = 7) -> None:
    """Draw a legend above a panel's data by extending its y axis, linear or logarithmic. Set limits and scale first."""
    rows = math.ceil(len(ax.get_legend_handles_labels()[1]) / columns)
    height = ax.get_window_extent().height / ax.figure.dpi * 72
    share = min(0.6, (1.6 * rows + 1.5) * size / height)
    across = ax.transScale
    low, high = (across.transform((1, end))[1] for end in ax.get_ylim())
    ax.set_ylim(top=across.inverted().transform((1, low + (high - low) / (1 - share)))[1])
    ax.legend(loc="upper left", ncols=columns, fontsize=size)


def ordered_colours(count: int) -> list[str]:
    """Colours from light to dark, for ordered curves and bars."""
    shades = matplotlib.colormaps["viridis_r"](np.linspace(0.05, 0.95, count))
    return [matplotlib.colors.to_hex(shade) for shade in shades]


def tenths(share: float) -> str:
    """A positive share for a narrow cell: `.3`; from 0.95 on `1.0`."""
    return f"{math.floor(10 * share + 0.5) / 10:.1f}".removeprefix("0")


def hundredths(value: float) -> str:
    """A value with two decimals; one that rounds to zero has no sign."""
    return f"{round(value, 2) + 0.0:.2f}"


SIGNS = {"\n": "↵", " ": "␣", "\t": "⇥", "<start>": "▸"}
LONGEST_SHOWN = 14
"""Characters of a symbol that are shown."""


def visible_character(symbol: str) -> str:
    """A visible form of a symbol, for axes and tables: a sign for white space alone or at the ends of a piece, an escape such
    as `\\x1b` for a control; a long piece is cut."""
    if symbol in SIGNS:
        return SIGNS[symbol]
    begin, end = len(symbol) - len(symbol.lstrip(" ")), len(symbol.rstrip(" "))
    signs = [
        SIGNS[one]
        if one in "\n\t" or (one == " " and not begin <= at < end)
        else one
        if one.isprintable()
        else _escaped(one)
        for at, one in enumerate(symbol)
    ]
    return "".join(signs if len(signs) <= LONGEST_SHOWN else [*signs[: LONGEST_SHOWN - 1], "…"])


def upright(labels: Sequence[str]) -> int:
    """The angle of labels below neighbouring columns: those of more than two characters stand, or they would overlap."""
    return 90 if max(map(len, labels), default=0) > 2 else 0


def _escaped(symbol: str) -> str:
    return ascii(symbol)[1:-1]
