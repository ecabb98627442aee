"""Automatic checks that a drawn figure is readable.

Nothing lies outside the page, no two texts at right angles to the page overlap, and no text is smaller than 5 points. Every
numeric axis and every colour scale has a label, and no legend lies over data.
"""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from nanoscope.plots.fonts import quiet
from nanoscope.plots.overlaps import covered

SMALLEST = 5.0
SLACK = 1.5
"""Pixels by which texts may overlap each other or the page's edge."""
CHECKS = (
    "nothing cut off",
    "no texts overlap",
    "no text too small",
    "axes say what they show",
    "colours explained",
    "legends hide no data",
)


def checklist(figure: Figure) -> dict[str, bool]:
    """Whether each of `CHECKS` holds for a figure. Drawing it lays it out again, so save it first."""
    canvas = FigureCanvasAgg(figure)
    with quiet():
        canvas.draw()
    texts = _drawn(figure)
    boxes = np.array([_box(text, canvas.get_renderer()) for text in texts]).reshape(-1, 4)
    width, height = figure.bbox.width, figure.bbox.height
    inside = (
        (boxes >= -SLACK).all() and (boxes[:, [0, 2]] <= width + SLACK).all() and (boxes[:, 3] <= height + SLACK).all()
    )
    flat = np.array([text.get_rotation() % 90 == 0 for text in texts], dtype=bool)
    bars = [ax for ax in figure.axes if ax.get_label() == "<colorbar>"]
    panels = [ax for ax in figure.axes if ax not in bars and ax.axison]
    values = (
        bool(inside),
        not _overlap(boxes[flat]),
        all(float(text.get_fontsize()) >= SMALLEST for text in texts),
        all(_named(ax, set(texts)) for ax in panels),
        all(bar.get_ylabel() or bar.get_xlabel() for bar in bars),
        not covered(figure, canvas.get_renderer()),
    )
    return dict(zip(CHECKS, values, strict=True))


def _drawn(figure: Figure) -> list[Text]:
    """All visible, non-empty texts. Matplotlib keeps labels of ticks outside an axis's range but does not draw them."""
    outside = set()
    for ax in figure.axes:
        for axis in (ax.xaxis, ax.yaxis):
            low, high = sorted(axis.get_view_interval())
            ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
            hidden = [tick for tick in ticks if not (ax.axison and low <= tick.get_loc() <= high)]
            outside |= {label for tick in hidden for label in (tick.label1, tick.label2)}
    texts = [text for text in figure.findobj(Text) if text.get_visible() and text not in outside]
    return [text for text in texts if text.get_text().strip()]


def _box(text: Text, renderer: RendererAgg) -> tuple[float, float, float, float]:
    """Left, bottom, right, top, in pixels, without empty lines above the first word."""
    left, bottom, right, top = text.get_window_extent(renderer).extents
    lines = text.get_text().split("\n")
    empty = next(i for i, line in enumerate(lines) if line.strip())
    return left, bottom, right, top - (top - bottom) * empty / len(lines)


def _overlap(boxes: np.ndarray) -> bool:
    """Do any two boxes `[text, (x0, y0, x1, y1)]` overlap by more than `SLACK`?"""
    low, high = boxes[:, :2], boxes[:, 2:]
    shared = np.minimum(high[:, None], high[None]) - np.maximum(low[:, None], low[None])
    return bool(np.triu((shared > SLACK).all(-1), k=1).any())


def _named(ax: Axes, drawn: set[Text]) -> bool:
    """Does each axis have a label, or tick labels that are words, or no tick labels?"""
    for axis in (ax.xaxis, ax.yaxis):
        ticks = [label.get_text() for label in axis.get_ticklabels(which="both") if label in drawn]
        words = any(not _is_number(tick) for tick in ticks)
        if ticks and not words and not axis.get_label().get_text():
            return False
    return True


def _is_number(tick: str) -> bool:
    """Whether a tick is a number, in plain characters such as `-1,000`, `0.5` or `2×10⁻³`."""
    return "".join(one for one in tick if one not in "\N{MINUS SIGN}-,.× ⁻").isdigit()
