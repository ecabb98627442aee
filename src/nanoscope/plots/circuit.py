"""The diagram of a circuit: its nodes on a grid of layers and heads, its edges as wide as their effects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyBboxPatch, PathPatch
from matplotlib.path import Path
from matplotlib.patheffects import withStroke

from nanoscope.interventions.edges.graph import WAYS, Edge, Graph
from nanoscope.plots.circuit_layout import (
    ENTRY,
    HALF_HEIGHT,
    HALF_WIDTH,
    Point,
    Route,
    live,
    places,
    reader,
    routes,
)
from nanoscope.plots.circuit_strokes import stroke
from nanoscope.plots.style import INK, SOFT, new_figure, styled

COLUMN, ROW = 1.05, 1.25
"""Inches from one head to the next, and from one layer to the next."""
LABELLED = 12
"""The strongest edges have their effect beside them, where there is room."""
LETTER, LINE = 0.052, 0.11
"""Inches that a letter of a label takes, and a line."""
NARROWEST = 5.6
"""Inches."""


@styled
def circuit_diagram(
    graph: Graph, effects: Mapping[Edge, float], whole: float, title: str, unit: str = "logits"
) -> Figure:
    """Draw some edges of a model, the strongest above the others.

    `effects` are what each does when it alone is taken away, `whole` is what all do together: edges of its sign carry the
    behaviour, the others work against it. Nodes without an edge are dots. An edge's artist has the edge's name as its gid.
    """
    at = places(graph)
    width, height = max(x for x, _ in at.values()), max(y for _, y in at.values())
    figure, (ax,) = new_figure(max(NARROWEST, COLUMN * (width + 2.4)), ROW * (height + 1.8) + 0.9)
    ax.set(xlim=(-1.25, width + 0.75), ylim=(-1.3, height + 0.3))
    ax.set_axis_off()
    ordered = sorted(effects, key=lambda edge: -abs(effects[edge]))
    limit = max(map(abs, effects.values()), default=0.0)
    found = routes(ordered, at)
    for route in reversed(found):
        _draw_edge(ax, route, *stroke(effects[route.edge], whole, limit))
    _draw_nodes(ax, at, ordered)
    carried = {edge: effect * np.sign(whole) for edge, effect in effects.items()}
    _draw_labels(ax, found, carried, limit, np.array([at[name] for name in live(ordered)]).reshape(-1, 2))
    _draw_legend(figure, effects, whole, limit, unit)
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold")
    return figure


def _draw_edge(ax: Axes, route: Route, colour: str, width: float) -> None:
    curves = route.curves
    vertices = [curves[0, 0], *curves[:, 1:].reshape(-1, 2)]
    path = Path(vertices, [Path.MOVETO, *[Path.CURVE4] * (len(vertices) - 1)])
    line = PathPatch(path, facecolor="none", edgecolor=colour, linewidth=width, alpha=0.8, capstyle="butt", zorder=2)
    line.set_gid(str(route.edge))
    ax.add_patch(line)
    x, y = route.corners[-1]
    ax.plot([x], [y - 0.02], marker="^", markersize=2.5 + width, markeredgewidth=0, color=colour, zorder=3)


def _draw_nodes(ax: Axes, at: Mapping[str, Point], edges: Sequence[Edge]) -> None:
    """Boxes with names for the nodes of the circuit, dots for all others; and the layers' numbers."""
    shown, entered = live(edges), {reader(edge) for edge in edges}
    for name, (x, y) in at.items():
        if name not in shown:
            ax.plot([x], [y], marker="o", markersize=2.5, markeredgewidth=0, color=SOFT, alpha=0.5, zorder=1)
            continue
        box = FancyBboxPatch(
            (x - HALF_WIDTH, y - HALF_HEIGHT), 2 * HALF_WIDTH, 2 * HALF_HEIGHT, boxstyle="round,pad=0,rounding_size=0.06",
            facecolor="white", edgecolor=INK, linewidth=0.8, zorder=4,
        )  # fmt: skip
        box.set_gid(name)
        ax.add_patch(box)
        ways = [way for way in WAYS if (name, way) in entered]
        ax.text(x, y + 0.03 * bool(ways), name, ha="center", va="center", fontsize=7.5, fontweight="bold", zorder=5)
        for way in ways:
            across = x + ENTRY * (WAYS.index(way) - 1)
            ax.text(across, y - HALF_HEIGHT + 0.015, way, ha="center", va="bottom", fontsize=6, zorder=5)
    for layer in sorted({int(y) for name, (_, y) in at.items() if name.startswith("L") and name[1:2].isdigit()}):
        ax.text(-1.2, layer, f"layer {layer}", va="center", fontsize=7, color=SOFT)


def _draw_labels(
    ax: Axes, found: Sequence[Route], effects: Mapping[Edge, float], limit: float, nodes: np.ndarray
) -> None:
    """What the strongest edges carry, each where it hides nothing and crosses the fewest edges."""
    every, placed = np.concatenate([np.empty((0, 2)), *(route.points for route in found)]), np.empty((0, 4))
    for route in found[:LABELLED]:
        text, half = f"{effects[route.edge]:+.2f}", stroke(effects[route.edge], 1.0, limit)[1] / 144
        size = np.array([LETTER * len(text) / COLUMN, LINE / ROW])
        corners = _beside(route.points, size, (half + 0.04) / np.array([COLUMN, ROW]))
        best = _clearest(corners, size, nodes, placed, every)
        if best is not None:
            placed = np.concatenate([placed, [[*best, *(best + size)]]])
            label = ax.text(*(best + size / 2), text, ha="center", va="center", fontsize=6, zorder=6)
            label.set_path_effects([withStroke(linewidth=1.6, foreground="white")])


def _beside(points: np.ndarray, size: np.ndarray, gap: np.ndarray) -> np.ndarray:
    """Lower left corners of a label to the right of each point of an edge, to its left, above and below it, from the edge's
    middle to its ends."""
    from_middle = np.abs(np.arange(len(points)) - len(points) / 2)
    x, y = points[np.argsort(from_middle, kind="stable")].T
    sides = [np.stack([column, y - size[1] / 2], axis=1) for column in (x + gap[0], x - gap[0] - size[0])]
    sides += [np.stack([x - size[0] / 2, row], axis=1) for row in (y + gap[1], y - gap[1] - size[1])]
    return np.stack(sides, axis=1).reshape(-1, 2)


def _clearest(
    corners: np.ndarray, size: np.ndarray, nodes: np.ndarray, placed: np.ndarray, edges: np.ndarray
) -> np.ndarray | None:
    """The first of the corners where a label lies over the fewest points of edges, and over no node or other label."""
    low, high = corners[:, None], corners[:, None] + size
    near = np.array([HALF_WIDTH, HALF_HEIGHT]) + size / 2 + 0.02
    barred = (np.abs(low + size / 2 - nodes) < near).all(-1).any(-1)
    barred |= ((low < placed[:, 2:]) & (high > placed[:, :2])).all(-1).any(-1)
    crossed = np.where(barred, np.inf, ((edges > low) & (edges < high)).all(-1).sum(-1))
    return None if barred.all() else corners[crossed.argmin()]


def _draw_legend(figure: Figure, effects: Mapping[Edge, float], whole: float, limit: float, unit: str) -> None:
    """Both directions if there are both, and three widths."""
    words = {True: "carries the behaviour", False: "works against it"}
    signs = sorted({effect * whole >= 0 for effect in effects.values()}, reverse=True)
    lines = [Line2D([], [], color=stroke(1.0 if sign else -1.0, 1.0, 1.0)[0], linewidth=2.5) for sign in signs]
    sizes = [limit / part for part in (1, 3, 10)] if limit else []
    lines += [Line2D([], [], color=SOFT, linewidth=stroke(size, 1.0, limit)[1]) for size in sizes]
    labels = [*(words[sign] for sign in signs), *(f"{size:.2g} {unit}" for size in sizes)]
    if lines:
        figure.legend(lines, labels, loc="outside lower left", ncols=len(lines), fontsize=7, handlelength=1.6)
