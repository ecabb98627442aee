"""The figures of failures say what their result says: their own texts, read on a planted result."""

import numpy as np
import pytest
from matplotlib.colors import to_hex
from toys.figure_texts import is_readable, legend, ticks, title, widths

from nanoscope.evidence.result import Result
from nanoscope.evidence.subject import StoredSubject
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.failures import figures
from nanoscope.experiments.failures.measure import GROUPS
from nanoscope.plots.style import ACCENT, INK, SECOND, THIRD

AREAS = {"confidence": 0.75, "confidence + circuit": 0.8, "confidence + random heads": np.nan, "text": 0.6}
LOSSES = {"confidence": 0.5, "confidence + circuit": 0.4, "confidence + random heads": np.nan, "text": 0.7}
ERRORS = {GROUPS[0]: 0.25, GROUPS[1]: 0.75, GROUPS[2]: 0.5}
"""Share of errors of each group in the bin whose mean confidence is 0.4; the other bin has too few predictions."""


def _planted() -> Result:
    sets = {"set": tuple(AREAS)}
    areas = np.array(list(AREAS.values()))
    spread = areas[:, None] + np.linspace(-0.05, 0.05, 101)
    states = np.zeros((3, 3, 2, 10))
    states[0, :, 0] = 20
    states[1, :, 0] = 20 * np.array(list(ERRORS.values()))[:, None]
    states[2, :, 0] = 20 * 0.4
    states[0, :, 1, 0] = figures.FEWEST - 1
    places = states[0].sum((0, 1))
    sweeps = {
        "auroc": Sweep(areas, ("set",), "area", sets),
        "auroc_resampled": Sweep(spread, ("set", "resample"), "area", sets),
        "planted_auroc": Sweep(areas, ("set",), "area", sets),
        "planted_resampled": Sweep(spread, ("set", "resample"), "area", sets),
        "log_loss": Sweep(np.array(list(LOSSES.values()))[:, None] * places, ("set", "window"), "nats, summed", sets),
        "states": Sweep(states, ("measure", "group", "bin", "window"), "summed",
                        {"measure": ("places", "errors", "sure"), "group": GROUPS}),
        "coefficients": Sweep(np.array([-0.5, 0.75]), ("feature",), "log-odds", {"feature": ("margin", "entropy")}),
    }  # fmt: skip
    return Result("failures", {}, StoredSubject("a planted result"), sweeps)


def test_each_set_has_its_area_and_its_colour_and_what_is_missing_is_said() -> None:
    figure = figures.areas(_planted())
    areas, losses, planted = figure.axes
    assert ticks(areas.yaxis) == list(AREAS)
    dots = [(np.asarray(line.get_data()), line) for line in areas.lines if line.get_marker() == "o"]
    shown = {at[1, 0]: (at[0, 0], to_hex(line.get_color())) for at, line in dots}
    assert shown == {0: (0.75, to_hex(INK)), 1: (0.8, to_hex(ACCENT)), 3: (0.6, to_hex(SECOND))}
    assert [(text.get_position()[1], text.get_text()) for text in areas.texts] == [(2, "no other heads")]
    gains = [np.asarray(line.get_xdata())[0] for line in losses.lines if line.get_marker() == "o"]
    assert gains == pytest.approx([0.0, -0.1, 0.2])
    assert areas.get_xlabel() == planted.get_xlabel() == "area under the ROC curve"
    assert losses.get_xlabel() == "nats per prediction (left is better)"
    assert title(planted) == "Planted failures"
    is_readable(figure)


def test_error_rates_are_named_by_what_copying_would_say() -> None:
    figure = figures.states(_planted())
    rates, counts = figure.axes
    assert legend(rates) == {group: to_hex(c) for group, c in zip(GROUPS, (THIRD, ACCENT, SECOND), strict=True)}
    points = {str(line.get_label()): line for line in rates.lines if line.get_marker() == "o"}
    shares = {name: list(np.asarray(line.get_ydata())) for name, line in points.items()}
    assert shares == {name: [share] for name, share in ERRORS.items()}
    assert all(list(np.asarray(line.get_xdata())) == pytest.approx([0.4]) for line in points.values())
    assert (rates.get_xlabel(), rates.get_ylabel()) == ("probability of the first choice", "share that is wrong")
    assert ticks(counts.yaxis) == ["margin", "entropy"]
    assert counts.get_xlabel() == "log-odds of an error per standard deviation"
    is_readable(figure)


def test_bars_to_the_right_are_features_of_errors() -> None:
    counts = figures.states(_planted()).axes[1]
    assert widths(counts) == [-0.5, 0.75]
    assert [to_hex(bar.get_facecolor()) for bar in counts.patches] == [to_hex(THIRD), to_hex(ACCENT)]
