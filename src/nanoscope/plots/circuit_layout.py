"""Where the nodes of a circuit stand, and how its edges run past them, in columns and rows of a grid.

Layers go upwards: the embedding below, in each layer its heads side by side and its MLP to their right, half a row higher as
it reads them, the logits above. An edge leaves its source at the top and enters its reader at the bottom, a head at one of
three places: its query's, key's or value's. It bends straight there if no other node is in the way, and otherwise runs up
along the nearest free lane; the strongest edges choose first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np
from jaxtyping import Float

from nanoscope.interventions.edges.graph import EMBED, LOGITS, WAYS, Edge, Graph

HALF_WIDTH, HALF_HEIGHT = 0.31, 0.14
"""Of a node."""
MARGIN, LANE = 0.05, 0.07
"""Between an edge and a node that is not its own, and from one lane to the next."""
ENTRY = 0.19
"""From a head's key to its query and value."""
RISES = (0.68, 0.2)
"""How high an edge rises while it bends towards its lane: to the next row of heads, or only to the next MLP."""
SAMPLES = 48
"""Points of a curve at which it is compared with the nodes: in a whole column they are nearer than a node is high."""
FLAT, TURN, CROWDED = 0.15, 0.2, 3.0
"""What a bend costs for its slope and a lane for itself, in columns; and a lane that others use, for each row in common."""

Point = tuple[float, float]


def places(graph: Graph) -> dict[str, Point]:
    """The middle of every node: its column and its row."""
    middle = (max(_columns(graph).values()) - _has_mlps(graph)) / 2
    rows = {name: layer + 0.5 * name.startswith("MLP") for name, layer in _layers(graph).items()}
    inner = {name: (float(column), float(rows[name])) for name, column in _columns(graph).items()}
    return {EMBED: (middle, -1.0), **inner, LOGITS: (middle, float(max(_layers(graph).values()) + 1))}


def _layers(graph: Graph) -> dict[str, int]:
    return dict(zip(graph.sources[1:], map(int, graph.source_layers[1:]), strict=True))


def _columns(graph: Graph) -> dict[str, int]:
    """A head's number; for MLPs the first column that no head has."""
    heads = {name: int(name.partition("H")[2]) for name in graph.sources[1:] if not name.startswith("MLP")}
    return {name: heads.get(name, max(heads.values()) + 1) for name in graph.sources[1:]}


def _has_mlps(graph: Graph) -> bool:
    return any(name.startswith("MLP") for name in graph.sources)


def reader(edge: Edge) -> tuple[str, str]:
    """The node that an edge enters, and by which way: q, k, v, or "" for an MLP and the logits."""
    node, _, way = edge.read.partition(".")
    return node, way


def ends(edge: Edge, at: Mapping[str, Point]) -> tuple[Point, Point]:
    """Where an edge leaves its source and where it enters its reader."""
    node, way = reader(edge)
    (x, y), (to, top) = at[edge.source], at[node]
    aside = ENTRY * (WAYS.index(way) - 1) if way else 0.0
    return (x, y + HALF_HEIGHT), (to + aside, top - HALF_HEIGHT)


@dataclass(frozen=True)
class Route:
    """The corners of an edge's way, from its source to its reader; between two corners it bends."""

    edge: Edge
    corners: tuple[Point, ...]

    @property
    def lane(self) -> tuple[float, float, float] | None:
        """Column, lower and upper end of the straight part; None for an edge that bends to its reader at once."""
        return (*self.corners[1], self.corners[2][1]) if len(self.corners) > 2 else None

    @property
    def curves(self) -> Float[np.ndarray, "curve 4 2"]:
        """The control points of its cubic curves, which are vertical at each corner."""
        pairs = zip(self.corners, self.corners[1:], strict=False)
        return np.array([[(x, y), (x, (y + top) / 2), (to, (y + top) / 2), (to, top)] for (x, y), (to, top) in pairs])

    @cached_property
    def points(self) -> Float[np.ndarray, "point 2"]:
        """Points along the way."""
        t = np.linspace(0, 1, SAMPLES)[:, None]
        weights = np.concatenate([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3], axis=1)
        return np.concatenate([weights @ curve for curve in self.curves])


def routes(edges: Sequence[Edge], at: Mapping[str, Point]) -> tuple[Route, ...]:
    """The way of each edge, in their order; those that come first choose first."""
    nodes = np.array([at[name] for name in sorted(live(edges))]).reshape(-1, 2)
    found: list[Route] = []
    for edge in edges:
        found.append(_free(edge, at, nodes, found))
    return tuple(found)


def live(edges: Iterable[Edge]) -> set[str]:
    """The nodes that some edge leaves or enters."""
    return {name for edge in edges for name in (edge.source, reader(edge)[0])}


def _free(edge: Edge, at: Mapping[str, Point], nodes: Float[np.ndarray, "node 2"], taken: Sequence[Route]) -> Route:
    """The best way that hides behind no node; straight there if there is none."""
    begin, end = ends(edge, at)
    lanes = _lanes(begin, end, max(x for x, _ in at.values()))
    costs = [float(_bend(end[0] - begin[0], end[1] - begin[1])), *_costs(begin, end, lanes, taken)]
    for number in np.argsort(costs, kind="stable"):
        x, low, high = lanes[number - 1] if number else (0.0, 0.0, 0.0)
        route = Route(edge, (begin, (x, low), (x, high), end) if number else (begin, end))
        if not hidden(route.points, nodes):
            return route
    return Route(edge, (begin, end))


def _lanes(begin: Point, end: Point, width: float) -> Float[np.ndarray, "lane 3"]:
    """Column, lower and upper end of every lane that an edge could take."""
    heights = [(begin[1] + rise, end[1] - fall) for rise, fall in product(RISES, repeat=2)]
    columns = np.arange(-0.6, width + 0.6, LANE)
    return np.array([(x, *both) for x, both in product(columns, heights) if both[0] < both[1]]).reshape(-1, 3)


def _costs(
    begin: Point, end: Point, lanes: Float[np.ndarray, "lane 3"], taken: Sequence[Route]
) -> Float[np.ndarray, "lane"]:
    """How far each lane is to the side, how flatly it is reached, and for how long it is another edge's too."""
    x, low, high = lanes.T
    costs = TURN + _bend(x - begin[0], low - begin[1]) + _bend(x - end[0], end[1] - high)
    for other, bottom, top in (one.lane for one in taken if one.lane is not None):
        shared = np.maximum(0.0, np.minimum(high, top) - np.maximum(low, bottom))
        costs += CROWDED * shared * (np.abs(x - other) < 0.9 * LANE)
    return costs


def _bend(aside: Any, rise: Any) -> Any:
    """What a bend costs that goes so far to the side while it rises so high."""
    return np.abs(aside) * (1 + FLAT * np.abs(aside) / rise)


def hidden(points: Float[np.ndarray, "point 2"], nodes: Float[np.ndarray, "node 2"]) -> bool:
    """Does any of the points lie behind a node? An edge's own nodes only touch its ends."""
    away = np.abs(points[:, None] - nodes[None])
    return bool(((away[..., 0] < HALF_WIDTH + MARGIN) & (away[..., 1] < HALF_HEIGHT - 1e-6)).any())
