"""An attribution graph as a picture: positions from left to right, layers upwards, contributions as lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from nanoscope.plots.fonts import MONO, families
from nanoscope.plots.style import ACCENT, INK, SECOND, SOFT, THIRD, new_figure, styled, visible_character

COLOURS = {"feature": THIRD, "head": INK, "error": SOFT, "token": INK, "logit": INK}
WIDEST = 3.2
CARRIED = 0.7
"""The share of what all edges carry that the drawn ones carry; each node's largest edge is drawn besides."""
NARROW, APART, APART_LOGITS = 0.35, 0.45, 0.65
"""Inches of a position without nodes, and between two nodes of one position and row."""


class DrawnNode(NamedTuple):
    """A node: its kind, the row (0: tokens, then two for each layer, heads below features, then the logits), and its weight."""

    kind: str
    label: str
    layer: int
    pos: int
    influence: float


class DrawnEdge(NamedTuple):
    """A contribution from one node to another, by their numbers; `share` of what reaches the logits goes through it."""

    source: int
    target: int
    weight: float
    share: float


@styled
def attribution_graph(
    nodes: Sequence[DrawnNode], edges: Sequence[DrawnEdge], symbols: Sequence[str], layers: int, title: str
) -> Figure:
    """The kept nodes and their strongest edges. Orange raises its target, blue lowers it; width: share of what reaches the
    logits."""
    columns, width = _columns(nodes, layers, len(symbols))
    places = _places(nodes, layers, columns)
    figure, (ax,) = new_figure(max(7.0, width + 1.2), 1.5 + 0.95 * layers)
    drawn = strongest(edges)
    _lines(ax, drawn, places)
    largest = max((node.influence for node in nodes if node.kind not in ("token", "logit")), default=1.0) or 1.0
    for node, (x, y) in zip(nodes, places, strict=True):
        size = 9 + 45 * min(1.0, node.influence / largest) if node.kind not in ("token", "logit") else 8
        marker = {"feature": "o", "head": "s", "error": "D"}.get(node.kind, "o")
        ax.scatter([x], [y], s=size, marker=marker, color=COLOURS[node.kind], zorder=3, linewidths=0)
        below = node.kind == "token"
        style = {"fontsize": 6.5, "ha": "center", "va": "top" if below else "bottom", "zorder": 4}
        ax.annotate(node.label, (x, y), (0, -5 if below else 3.5), textcoords="offset points", color=INK, **style)
    _axes(ax, symbols, layers, columns, width)
    _legend(ax)
    ax.text(
        1, 1.03, f"the strongest {len(drawn)} of {len(edges)} edges", transform=ax.transAxes, ha="right", fontsize=7
    )
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold")
    return figure


def _row(node: DrawnNode, layers: int) -> float:
    """The height of a node: tokens at 0, a layer's heads and above them its features and errors, logits on top."""
    if node.kind == "token":
        return 0.0
    if node.kind == "logit":
        return 1.0 + layers
    return 1 + node.layer - (0.25 if node.kind == "head" else -0.2)


def _cells(nodes: Sequence[DrawnNode], layers: int) -> dict[tuple[int, float], list[int]]:
    """The numbers of the nodes of each position and row."""
    cells: dict[tuple[int, float], list[int]] = {}
    for number, node in enumerate(nodes):
        cells.setdefault((node.pos, _row(node, layers)), []).append(number)
    return cells


def _columns(nodes: Sequence[DrawnNode], layers: int, size: int) -> tuple[np.ndarray, float]:
    """The middle of every position, as wide as its fullest row needs, and the width of all."""
    widths = np.full(size, NARROW)
    for (pos, row), members in _cells(nodes, layers).items():
        each = APART_LOGITS if row > layers else APART
        widths[pos] = max(widths[pos], each * len(members) + 0.2)
    ends = widths.cumsum()
    return ends - widths / 2, float(ends[-1])


def _places(nodes: Sequence[DrawnNode], layers: int, columns: np.ndarray) -> list[tuple[float, float]]:
    """Where each node is drawn: those of one position and row side by side."""
    found = [(0.0, 0.0)] * len(nodes)
    for (pos, row), members in _cells(nodes, layers).items():
        each = APART_LOGITS if row > layers else APART
        for at, member in enumerate(members):
            found[member] = (columns[pos] + each * (at - (len(members) - 1) / 2), row)
    return found


def strongest(edges: Sequence[DrawnEdge]) -> list[DrawnEdge]:
    """The largest edges until they carry `CARRIED` of all shares, and every node's largest one to what lies above it."""
    ordered = sorted(edges, key=lambda edge: -edge.share)
    carried = np.cumsum([edge.share for edge in ordered])
    enough = int(np.searchsorted(carried, CARRIED * carried[-1])) + 1 if ordered else 0
    first = {edge.source: edge for edge in reversed(ordered)}
    return [edge for at, edge in enumerate(ordered) if at < enough or first[edge.source] is edge]


def _lines(ax: Axes, edges: Sequence[DrawnEdge], places: Sequence[tuple[float, float]]) -> None:
    largest = max((edge.share for edge in edges), default=1.0) or 1.0
    ordered = sorted(edges, key=lambda edge: edge.share)
    strengths = [edge.share / largest for edge in ordered]
    ax.add_collection(
        LineCollection(
            [(places[edge.source], places[edge.target]) for edge in ordered],
            linewidths=[0.3 + WIDEST * strength for strength in strengths],
            colors=[ACCENT if edge.weight > 0 else SECOND for edge in ordered],
            alpha=[0.25 + 0.6 * strength for strength in strengths],
            zorder=1,
        )
    )


def _axes(ax: Axes, symbols: Sequence[str], layers: int, columns: np.ndarray, width: float) -> None:
    ax.set_xticks(columns, list(map(visible_character, symbols)), family=families(MONO), fontsize=9)
    ax.set_yticks(range(layers + 2), ["tokens", *(f"layer {layer}" for layer in range(layers)), "logits"])
    ax.set(xlim=(0, width), ylim=(-0.35, layers + 1.45))
    ax.tick_params(length=0)
    for side in ax.spines.values():
        side.set_visible(False)
    for row in range(1, layers + 1):
        ax.axhspan(row - 0.5, row + 0.5, color="#f4f6f8" if row % 2 else "white", zorder=0, linewidth=0)


def _legend(ax: Axes) -> None:
    for kind, marker, name in (("feature", "o", "feature"), ("head", "s", "head"), ("error", "D", "error")):
        ax.scatter([], [], marker=marker, color=COLOURS[kind], s=22, label=name)
    for colour, name in ((ACCENT, "raises"), (SECOND, "lowers")):
        ax.plot([], [], color=colour, linewidth=2, alpha=0.5, label=name)
    ax.legend(loc="upper left", bbox_to_anchor=(0, 1.06), ncols=5, fontsize=7, frameon=False)
