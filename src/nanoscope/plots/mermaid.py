"""A circuit as a Mermaid flowchart: text that code hosts and notebooks draw."""

from __future__ import annotations

from collections.abc import Mapping

from nanoscope.interventions.edges.graph import Edge
from nanoscope.plots.circuit_layout import reader
from nanoscope.plots.circuit_strokes import stroke

CLASSES = (1, 2, 4, 6)
"""Widths of lines in pixels: an edge has the next one up from its own."""


def mermaid(effects: Mapping[Edge, float], whole: float) -> str:
    """The edges from below to above, each with its way (q, k, v) and its effect; width by size and colour by sign as in
    `circuit_diagram`."""
    limit = max(map(abs, effects.values()), default=0.0)
    lines = ["flowchart BT"]
    for edge, effect in effects.items():
        node, way = reader(edge)
        lines.append(f'    {edge.source} -->|"{" ".join(filter(None, (way, f"{effect:+.3f}")))}"| {node}')
    for number, effect in enumerate(effects.values()):
        colour, width = stroke(effect, whole, limit)
        step = next((one for one in CLASSES if one >= width), CLASSES[-1])
        lines.append(f"    linkStyle {number} stroke:{colour},stroke-width:{step}px")
    return "\n".join(lines) + "\n"
