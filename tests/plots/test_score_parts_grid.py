"""The grid of a score's parts: every number of the parts is in it once, alone or in a sum of others."""

import numpy as np
import pytest
from toys.figure_texts import cells, is_readable, ticks, title

from nanoscope.plots.score_parts import MOST, score_parts_grid

PLACES = ("9 c", "5 d")


def test_few_writes_are_all_drawn_with_their_numbers() -> None:
    parts = np.array([[0.5, -2.0, 0.0], [1.25, 0.001, -0.5], [0.25, 0.0, 0.125]])
    figure = score_parts_grid(("embed", "L0H0", "bias"), parts, PLACES, "why")
    ax, bar = figure.axes
    np.testing.assert_array_equal(ax.images[0].get_array(), parts)
    assert ax.images[0].get_clim() == (-2.0, 2.0)
    assert cells(ax) == {
        (0, 0): "0.50", (0, 1): "-2.00", (1, 0): "1.25", (1, 2): "-0.50", (2, 0): "0.25", (2, 2): "0.12",
    }  # fmt: skip
    assert ticks(ax.xaxis) == ticks(ax.yaxis) == ["embed", "L0H0", "bias"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("write into the key,\nat 5 d", "write into the query,\nat 9 c")
    assert (bar.get_ylabel(), title(figure)) == ("nats above the mean key", "why")
    is_readable(figure)


def test_of_many_writes_the_largest_have_rows_and_the_rest_is_summed() -> None:
    rng = np.random.default_rng(0)
    names = [f"L{n // 12}H{n % 12}" for n in range(40)]
    parts = rng.normal(size=(40, 40)) * rng.exponential(size=40) * rng.exponential(size=(40, 1)) * 8
    figure = score_parts_grid(names, parts, ("1023 abcdefghijklm…",) * 2, "why")
    ax = figure.axes[0]
    rows, columns, drawn = ticks(ax.yaxis), ticks(ax.xaxis), np.asarray(ax.images[0].get_array())
    assert drawn.shape == (MOST + 1, MOST + 1)
    assert drawn.sum() == pytest.approx(parts.sum())
    for labels, of in ((rows, parts), (columns, parts.T)):
        kept = [names.index(label) for label in labels[:-1]]
        assert labels[-1] == "28 others"
        assert kept == sorted(np.abs(of).sum(1).argsort()[-MOST:])
    one, other = [names.index(label) for label in rows[:-1]], [names.index(label) for label in columns[:-1]]
    np.testing.assert_allclose(drawn[:-1, :-1], parts[np.ix_(one, other)])
    np.testing.assert_allclose(drawn[:-1, -1], np.delete(parts[one], other, axis=1).sum(1))
    np.testing.assert_allclose(drawn[-1, :-1], np.delete(parts[:, other], one, axis=0).sum(0))
    is_readable(figure)


def test_where_nothing_differs_the_grid_is_white() -> None:
    figure = score_parts_grid(("embed", "bias"), np.zeros((2, 2)), PLACES, "why")
    assert not cells(figure.axes[0])
    is_readable(figure)
