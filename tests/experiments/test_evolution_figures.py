"""The figures of evolution say what their result says: their own texts, read on a planted result."""

import math

import numpy as np
import pytest
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex
from toys.figure_texts import is_readable, legend, ticks, title

from nanoscope.evidence.result import Result
from nanoscope.evidence.subject import StoredSubject
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.evolution import figures
from nanoscope.plots.style import ACCENT, SECOND

STEPS = (0, 10, 100, 1000)
CURVES = ("induction head", "previous-token head", "copying", "in-context learning", "repeated passages", "loss",
          "1-gram", "2-gram", "3-gram", "4-gram")  # fmt: skip
TIMES = {"copying": (900, 800, 700), "induction head": (100, 110, math.nan), "least distance to 1-grams": (10, 9, 8)}
"""When each event happened in three trainings; a fourth kind of event never did."""


def _planted() -> Result:
    """Curve i is i + 1 at every step, on average: the trainings lie 0.1 below, at, and 0.1 above it."""
    level = np.arange(1.0, len(CURVES) + 1)[:, None] * np.ones(len(STEPS))
    trainings = tuple(f"the planted model, seed {i}" for i in (1, 2, 3))
    names = (*TIMES, "repeated passages")
    steps = np.array([*TIMES.values(), (math.nan,) * 3]).T
    sweeps = {
        "curves": Sweep(level + np.array([-0.1, 0.0, 0.1])[:, None, None], ("training", "curve", "step"), "as the curve's",
                        {"training": trainings, "curve": CURVES, "step": STEPS}),
        "events": Sweep(np.stack([steps, 0.5 * steps, 2 * steps], -1), ("training", "event", "part"), "steps",
                        {"training": trainings, "event": names, "part": ("step", "low", "high")}),
    }  # fmt: skip
    return Result("evolution", {}, StoredSubject("the planted models"), sweeps)


def test_every_panel_names_its_curves_their_quantity_and_unit() -> None:
    figure = figures.bands(_planted())
    heads, gains, loss, tables = figure.axes
    assert list(legend(heads)) == ["induction head", "previous-token head"]
    assert list(legend(gains)) == ["copying", "in-context learning", "repeated passages"]
    assert list(legend(loss)) == ["loss"]
    assert list(legend(tables)) == ["1-gram", "2-gram", "3-gram", "4-gram"]
    assert [ax.get_ylabel() for ax in figure.axes] == [
        "attention above uniform", "gain, nats per character", "loss, nats per character", "KL(table || model), nats",
    ]  # fmt: skip
    assert ticks(tables.xaxis) == ["0", "1", "10", "100", "1,000"]
    is_readable(figure)


def test_the_thick_line_is_the_mean_over_trainings_in_the_legends_colour() -> None:
    figure = figures.bands(_planted())
    for ax in figure.axes:
        thick = {str(line.get_label()): line for line in ax.lines if line.get_linewidth() > 1}
        assert legend(ax) == {name: to_hex(line.get_color()) for name, line in thick.items()}
        for name, line in thick.items():
            assert np.asarray(line.get_ydata()) == pytest.approx(CURVES.index(name) + 1.0)


def test_events_are_listed_in_their_order_with_how_many_trainings_have_them() -> None:
    figure = figures.timeline(_planted())
    (ax,) = figure.axes
    names = ["least distance to 1-grams (3 of 3)", "induction head (2 of 3)", "copying (3 of 3)"]
    assert ticks(ax.yaxis) == names
    dots = [some for some in ax.collections if isinstance(some, PathCollection)]
    colours = [to_hex(np.asarray(some.get_facecolor())[0]) for some in dots]
    assert colours == [to_hex(colour) for colour in (SECOND, ACCENT, SECOND)]
    assert np.asarray(dots[2].get_offsets())[:, 0] == pytest.approx(np.log1p(TIMES["copying"]))
    assert title(figure) == "the planted models: the order of events (a dot a training)"
    assert ax.get_xlabel() == "iteration (logarithmic)"
    is_readable(figure)
