"""The figure of universality says what its result says: its own texts, read on a planted result."""

import numpy as np
import pytest
from matplotlib.colors import to_hex
from toys.figure_texts import heights, is_readable, legend, ticks, title

from nanoscope.analysis.neurons.universality import UNIVERSAL
from nanoscope.evidence.result import Result
from nanoscope.evidence.subject import StoredSubject
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.universality import figures
from nanoscope.experiments.universality.features import AGAIN, UNTRAINED
from nanoscope.experiments.universality.judge import SAME
from nanoscope.plots.style import ACCENT, SECOND, SOFT, THIRD

UNIVERSAL_SHARES = (0.25, 0.0)
"""Of each layer's eight neurons, by the mean over the two other trainings."""


def _planted() -> Result:
    excess = np.zeros((2, 1, 2, 8))
    excess[:, 0, 0, :2] = 0.9
    excess[0, 0, 1, 0] = 0.9
    shared = np.zeros((2, 8))
    shared[0, :4] = 1
    measure = {"measure": ("excess",)}
    axes = ("measure", "layer", "neuron")
    sweeps = {
        "excess": Sweep(excess, ("twin", *axes), "correlation", {"twin": ("seed 2", "seed 3"), **measure}),
        "planted": Sweep(np.full((1, 2, 8), 0.99), axes, "correlation", measure),
        "untrained": Sweep(np.full((1, 2, 8), 0.0), axes, "correlation", measure),
        "shared": Sweep(shared, ("layer", "neuron"), "yes or no"),
    }
    return Result("universality", {}, StoredSubject("a planted result"), sweeps)


def test_bars_are_per_cent_of_a_layer_and_the_threshold_is_the_measures() -> None:
    figure = figures.neurons(_planted())
    shares, layers = figure.axes
    assert heights(layers) == pytest.approx([100 * share for share in UNIVERSAL_SHARES])
    assert [list(np.asarray(line.get_ydata())) for line in layers.lines] == [[25.0, 12.5], [25.0, 0.0]]
    assert (ticks(layers.xaxis), layers.get_ylabel()) == (["L0", "L1"], "universal neurons, %")
    assert any(list(np.asarray(line.get_xdata())) == [UNIVERSAL] * 2 for line in shares.lines)
    assert (shares.get_xlabel(), shares.get_ylabel()) == ("excess correlation", "share of neurons above it")
    assert "universal from here on" in title(shares)


def test_the_legend_names_every_curve_by_its_colour() -> None:
    figure = figures.neurons(_planted())
    assert legend(figure) == {
        "each of 2 other trainings": to_hex(ACCENT),
        "mean over other trainings": to_hex(ACCENT),
        "an untrained model": to_hex(SECOND),
        "planted: neurons that are shared": to_hex(THIRD),
        "universal by the mean": to_hex(SOFT),
        "by one other training alone": to_hex(ACCENT),
    }
    curves = {str(line.get_label()): np.asarray(line.get_ydata()) for line in figure.axes[0].lines}
    at = int(np.argmin(np.abs(figures.GRID - 0.6)))
    assert curves["mean over other trainings"][at] == 2 / 16
    assert curves["an untrained model"][at] == 0
    assert curves["planted: neurons that are shared"][at] == 1
    is_readable(figure)


def test_features_that_are_found_again_are_read_where_the_line_is() -> None:
    """Of four features the other trainings have one and two, a second dictionary three, an untrained model none."""
    found = np.array([[0.9, 0.1, 0.1, 0.1], [0.9, 0.9, 0.1, 0.1], [0.1] * 4, [0.9, 0.9, 0.9, 0.1]])
    named = {"against": ("seed 2", "seed 3", UNTRAINED, AGAIN)}
    sweeps = {"features": Sweep(found, ("against", "feature"), "correlation", named)}
    figure = figures.features(Result("universality", {}, StoredSubject("a planted result"), sweeps))
    ax = figure.axes[0]
    at = int(np.argmin(np.abs(figures.GRID - SAME)))
    shares = [np.asarray(line.get_ydata())[at] for line in ax.lines[:4]]
    assert shares == [0.25, 0.5, 0, 0.75]
    assert list(np.asarray(ax.lines[4].get_xdata())) == [SAME] * 2
    assert legend(figure) == {
        "other trainings, one by one (2)": to_hex(ACCENT),
        UNTRAINED: to_hex(SECOND),
        AGAIN: to_hex(THIRD),
    }
    is_readable(figure)
