"""Which edges of an attribution graph are drawn: few, but none of its nodes is cut off."""

from nanoscope.plots.attribution_graph import CARRIED, DrawnEdge, strongest


def test_the_strongest_edges_are_drawn_and_the_best_of_every_node() -> None:
    shares = [0.4, 0.2, 0.15, 0.1, 0.08, 0.04, 0.03]
    edges = [DrawnEdge(source, 9, 1.0, share) for source, share in zip([0, 0, 1, 1, 0, 2, 2], shares, strict=True)]
    drawn = strongest(edges[::-1])
    assert [edge.share for edge in drawn] == [0.4, 0.2, 0.15, 0.04]
    assert sum(edge.share for edge in drawn if edge.source != 2) >= CARRIED
    assert strongest([]) == []
