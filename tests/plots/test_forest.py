"""The forest plot: right of the line is what meets the criterion, whichever way it goes."""

import math

import numpy as np
import pytest
from matplotlib.axes import Axes

from nanoscope.evidence.effect import among, pooled
from nanoscope.evidence.finding import Criterion, Evidence, Finding
from nanoscope.plots.forest import Row, distance, forest
from nanoscope.plots.quality import checklist


def row(criterion: Criterion, values: list[float], group: str = "Finding 1", claim: str = "a.b") -> Row:
    found = [
        Finding(claim, "It is so.", criterion, Evidence(v, (v - 0.01, v + 0.01), 9, "windows", 0.0), "", "", None, "m")
        for v in values
    ]
    return Row(group, among({claim: pooled(found)})[claim])


def diamonds(ax: Axes) -> list[float]:
    return [float(np.asarray(line.get_xdata())[0]) for line in ax.lines if line.get_marker() == "D"]


def test_the_side_of_the_line_is_the_verdict() -> None:
    cases = {
        Criterion(">=", 0.5): ([0.8, 0.9, 0.85], [0.1, 0.2, 0.15]),
        Criterion("<=", 0.5): ([0.1, 0.2, 0.15], [0.8, 0.9, 0.85]),
        Criterion("within", 0.0, 0.5): ([0.1, 0.0, -0.1], [-0.9, -1.0, -1.1]),
    }
    for criterion, (meets, misses) in cases.items():
        rows = [row(criterion, meets), row(criterion, misses)]
        assert [one.effect.verdict for one in rows] == ["supported", "not supported"]
        ax = forest(rows, "effects").axes[0]
        assert [np.sign(x) for x in diamonds(ax)] == [1, -1]
        ends = [np.asarray(line.get_xdata()) for line in ax.lines if len(np.asarray(line.get_xdata())) == 2]
        assert all(np.abs(end).max() <= 1 + 1e-9 for end in ends)


@pytest.mark.parametrize(("value", "expected"), [(0.0, 0.05), (0.02, 0.03), (-0.02, 0.03), (0.05, 0.0), (0.1, -0.05)])
def test_a_margin_counts_from_its_nearer_end(value: float, expected: float) -> None:
    assert distance(Criterion("within", 0.0, 0.05), value) == pytest.approx(expected)


def test_a_dot_stands_for_each_training_at_its_own_value() -> None:
    ax = forest([row(Criterion(">=", 0.0), [1.0, 2.0, 4.0])], "effects").axes[0]
    (dots,) = [line for line in ax.lines if line.get_marker() == "o"]
    assert np.asarray(dots.get_xdata()) * max(4.0, 7 / 3 + 3.8) == pytest.approx([1.0, 2.0, 4.0], rel=0.01)


def test_groups_are_headed_once_and_the_numbers_stand_beside() -> None:
    rows = [row(Criterion(">=", 0.5), [0.8, 0.9], group, claim) for group, claim in zip("AAB", "xyz", strict=True)]
    figure = forest(rows, "effects")
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == ["It is so"] * 3 + ["A", "B"]
    assert all(checklist(figure).values())
    assert not math.isnan(rows[0].effect.adjusted)
