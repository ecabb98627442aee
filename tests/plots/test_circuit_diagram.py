"""The diagram of a circuit: every edge as wide as its effect, hidden behind no node, and the same edges in Mermaid."""

import re

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from toys.figure_texts import legend, words

from nanoscope.interventions.edges.graph import LOGITS, Edge, Graph, graph_of
from nanoscope.model.config import GPTConfig
from nanoscope.plots.circuit import circuit_diagram
from nanoscope.plots.circuit_layout import HALF_HEIGHT, HALF_WIDTH, ends, live, places, reader, routes
from nanoscope.plots.circuit_strokes import THICK, THIN
from nanoscope.plots.mermaid import mermaid
from nanoscope.plots.quality import CHECKS, checklist
from nanoscope.plots.style import ACCENT, SECOND

SMALL = graph_of(GPTConfig(2, 2, 8, 16, 5))
PLANTED = {
    Edge.named(name): effect
    for name, effect in {
        "embed->L0H0.v": -8.0,
        "L0H0->L1H0.k": -4.0,
        "embed->L1H0.v": 2.0,
        "L1H0->logits": -0.1,
    }.items()
}


def _lines(figure: Figure) -> dict[str, PathPatch]:
    patches = [patch for ax in figure.axes for patch in ax.patches if "->" in str(patch.get_gid())]
    return {str(patch.get_gid()): patch for patch in patches if isinstance(patch, PathPatch)}


def _some(graph: Graph, count: int, seed: int) -> dict[Edge, float]:
    rng = np.random.default_rng(seed)
    edges = [graph.edges[n] for n in rng.choice(len(graph), count, replace=False)]
    return dict(zip(edges, rng.normal(size=count), strict=True))


def test_each_edge_is_as_wide_as_its_effect_and_coloured_by_its_direction() -> None:
    figure = circuit_diagram(SMALL, PLANTED, -8.0, "planted")
    lines = _lines(figure)
    assert lines.keys() == {str(edge) for edge in PLANTED}
    widths = {name: line.get_linewidth() for name, line in lines.items()}
    assert widths == pytest.approx(
        {"embed->L0H0.v": THICK, "L0H0->L1H0.k": THICK / 2, "embed->L1H0.v": THICK / 4, "L1H0->logits": THIN}
    )
    colours = {name: to_hex(line.get_edgecolor()) for name, line in lines.items()}
    assert colours == {str(edge): ACCENT if effect > 0 else SECOND for edge, effect in PLANTED.items()}
    explained = legend(figure)
    assert (explained["carries the behaviour"], explained["works against it"]) == (SECOND, ACCENT)
    assert {"8 logits", "2.7 logits", "0.8 logits"} < explained.keys()
    turned = _lines(circuit_diagram(SMALL, PLANTED, 8.0, "the other way round"))
    assert to_hex(turned["embed->L0H0.v"].get_edgecolor()) == ACCENT


def test_an_edge_goes_from_its_source_to_the_way_by_which_it_is_read() -> None:
    at = places(SMALL)
    for name, line in _lines(circuit_diagram(SMALL, PLANTED, -8.0, "planted")).items():
        vertices = np.asarray(line.get_path().vertices)
        np.testing.assert_allclose(vertices[[0, -1]], ends(Edge.named(name), at))
    entries = [ends(Edge("embed", f"L1H0.{way}"), at)[1][0] for way in "qkv"]
    assert entries == sorted(entries)
    assert entries[1] == at["L1H0"][0]


def test_only_nodes_with_edges_have_names_and_the_strongest_edges_what_they_carry() -> None:
    (ax,) = circuit_diagram(SMALL, PLANTED, -8.0, "planted").axes
    shown = words(ax.texts)
    assert {"embed", "L0H0", "L1H0", "logits", "+8.00", "+4.00", "-2.00", "+0.10"} < set(shown)
    assert not {"L0H1", "MLP0", "MLP1"} & set(shown)
    assert sorted(text for text in shown if text in "qkv") == ["k", "v", "v"]


@pytest.mark.parametrize(
    ("shape", "count", "changes"),
    [
        ((2, 2), 46, {}),
        ((6, 6), 60, {}),
        ((1, 1), 5, {}),
        ((2, 4), 15, {"parallel": True}),
        ((2, 2), 30, {"attention_only": True}),
    ],
    ids=["all of a small model", "sixty of six layers", "one head", "parallel", "no MLPs"],
)
def test_no_edge_runs_behind_a_node(shape: tuple[int, int], count: int, changes: dict[str, bool]) -> None:
    graph = graph_of(GPTConfig(*shape, 12 * shape[1], 16, 5, **changes))
    effects = _some(graph, min(count, len(graph)), 1)
    at = places(graph)
    nodes = np.array([at[name] for name in live(effects)])
    for route in routes(list(effects), at):
        points = route.points
        away = np.abs(points[:, None] - nodes)
        behind = (away < np.array([HALF_WIDTH, HALF_HEIGHT]) - 1e-6).all(-1)
        assert not behind.any(), route.edge
        assert (np.diff(points[:, 1]) > -1e-9).all(), "edges go upwards"


def test_strong_edges_choose_their_lanes_first_and_others_keep_away() -> None:
    """Both pass L0H0, which stands above the embedding's left."""
    edges = [Edge.named(name) for name in ("embed->L0H0.v", "embed->L1H0.q", "embed->L1H0.k")]
    lanes = [route.lane for route in routes(edges, places(SMALL))]
    assert lanes[0] is None
    assert lanes[1] is not None
    assert lanes[2] is not None
    assert lanes[1][0] != lanes[2][0]


@pytest.mark.parametrize("count", [0, 4, 25])
def test_a_diagram_is_readable(count: int) -> None:
    graph = graph_of(GPTConfig(2, 4, 16, 16, 5))
    figure = circuit_diagram(graph, _some(graph, count, 2), -1.0, f"{count} edges\n'one text' and 'another'")
    assert checklist(figure) == dict.fromkeys(CHECKS, True)


def test_mermaid_has_the_same_edges_with_the_same_effects() -> None:
    lines = mermaid(PLANTED, -8.0).splitlines()
    assert lines[0] == "flowchart BT"
    found = re.findall(r'^    (\w+) -->\|"(?:([qkv]) )?([+-][\d.]+)"\| (\w+)$', "\n".join(lines), re.MULTILINE)
    read = {Edge(source, f"{node}.{way}" if way else node): float(effect) for source, way, effect, node in found}
    assert read == PLANTED
    assert {reader(edge)[0] for edge in read} == {"L0H0", "L1H0", LOGITS}
    styles = [line.split(maxsplit=2)[2] for line in lines if "linkStyle" in line]
    blue, orange = f"stroke:{SECOND}", f"stroke:{ACCENT}"
    assert styles == [f"{colour},stroke-width:{w}px" for colour, w in ((blue, 6), (blue, 4), (orange, 2), (blue, 1))]
