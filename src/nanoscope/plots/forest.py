"""A forest plot of claims (Lewis & Clarke 2001): a dot for each training, a diamond for the mean with its interval.

Claims differ in their units, so each row has its own scale: its distance from what the claim takes, in shares of the farthest
value of the row. What the claim takes is the line that all rows share, and right of it is what meets it, for a claim of "at
most" too. The numbers stand beside the rows.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from nanoscope.evidence.effect import Effect
from nanoscope.evidence.finding import Criterion, Verdict
from nanoscope.evidence.wording import number
from nanoscope.plots.style import ACCENT, INK, SECOND, SOFT, new_figure, styled

LETTERS = 74
"""The most letters in a line of a row's label."""
COLOURS: dict[Verdict, str] = {"supported": SECOND, "not supported": ACCENT}
HEADING = 0.9
"""The height of a group's heading, in rows."""


@dataclass(frozen=True)
class Row:
    """A claim on one recipe, under the heading of its group."""

    group: str
    effect: Effect


@styled
def forest(rows: Sequence[Row], title: str) -> Figure:
    """One row a claim, in the given order, under headings of groups; each effect has an interval."""
    places, headings = _places(rows)
    figure, (ax,) = new_figure(11.5, 0.29 * (max(places, default=0) + 1) + 1.7)
    for place, row in zip(places, rows, strict=True):
        _draw(ax, place, row.effect)
    ax.axvline(0, color=INK, linewidth=1)
    ax.set(xlim=(-1.06, 1.06), ylim=(max(places, default=0) + 0.7, -0.8), xticks=[])
    ax.set_xlabel("← misses what the claim takes      |      meets it →\n(each row on its own scale)")
    ax.set_yticks([*places, *(at for at, _ in headings)])
    ax.set_yticklabels([*(_label(row.effect) for row in rows), *(name for _, name in headings)], fontsize=6.5)
    for heading in ax.get_yticklabels()[len(places) :]:
        heading.set(fontweight="bold", fontsize=7.5)
    beside = ax.secondary_yaxis("right")
    beside.set_yticks(places, [_numbers(row.effect) for row in rows], fontsize=6.5)
    for axis in (ax, beside):
        axis.tick_params(axis="y", length=0)
        axis.spines[:].set_visible(False)
    figure.legend(handles=_legend(), loc="outside lower center", ncols=4, fontsize=7, frameon=False)
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold")
    return figure


def distance(criterion: Criterion, value: float) -> float:
    """How far inside what a claim takes a value lies, in the claim's unit; negative outside."""
    least, most = criterion.region
    return min(value - least, most - value)


def _draw(ax: Axes, place: float, effect: Effect) -> None:
    """One row: the trainings' values above the interval and its diamond."""
    each = np.array([distance(effect.criterion, finding.evidence.value) for finding in effect.measured])
    middle, low, high = _span(effect)
    scale = max(np.abs([*each, middle, low, high]).max(), 1e-12)
    colour = COLOURS.get(effect.verdict, SOFT)
    ax.axhline(place, color="#eef1f4", linewidth=0.6, zorder=0)
    ax.plot(each / scale, np.full(len(each), place - 0.22), "o", color=INK, markersize=2, alpha=0.7)
    ax.plot([low / scale, high / scale], [place + 0.1] * 2, color=colour, linewidth=1.6)
    face = colour if effect.verdict in COLOURS else "white"
    ax.plot(middle / scale, place + 0.1, "D", color=colour, markerfacecolor=face, markersize=4.5)


def _span(effect: Effect) -> Float[np.ndarray, "3"]:
    """The distances of the value and of the least and greatest ones in the interval."""
    low, high = effect.evidence.interval
    ends = [distance(effect.criterion, end) for end in (low, high)]
    inside = [distance(effect.criterion, effect.criterion.threshold)] if low < effect.criterion.threshold < high else []
    return np.array([distance(effect.criterion, effect.evidence.value), min(ends), max([*ends, *inside])])


def _places(rows: Sequence[Row]) -> tuple[list[float], list[tuple[float, str]]]:
    """The height of each row, counted downwards, and those of the headings."""
    places, headings, at = [], [], 0.0
    for before, row in zip([None, *rows], rows, strict=False):
        if before is None or before.group != row.group:
            headings.append((at, row.group))
            at += HEADING
        places.append(at)
        at += 1
    return places, headings


def _label(effect: Effect) -> str:
    return textwrap.fill(effect.sentence.rstrip("."), LETTERS)


def _numbers(effect: Effect) -> str:
    low, high = (number(end) for end in effect.evidence.interval)
    mark = " †" if effect.taken_back else ""
    return f"{number(effect.evidence.value)} [{low}, {high}]  takes {effect.criterion}{mark}"


def _legend() -> list[Line2D]:
    """The dots and the three kinds of diamonds."""
    kinds = (("supported", SECOND, SECOND), ("not supported", ACCENT, ACCENT), ("not decided", SOFT, "white"))
    dot = Line2D([], [], color=INK, marker="o", linestyle="", markersize=2.5, label="one training")
    return [dot] + [
        Line2D([], [], color=edge, marker="D", markersize=4.5, markerfacecolor=face, label=f"mean [95 %]: {name}")
        for name, edge, face in kinds
    ]
