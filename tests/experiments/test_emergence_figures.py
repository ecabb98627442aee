"""The figures of emergence say what their result says: their own texts, read on a planted result."""

import math

import numpy as np
import pytest
from matplotlib.colors import to_hex
from toys.figure_texts import is_readable, legend, ticks, title

from nanoscope.evidence.result import Result
from nanoscope.evidence.subject import StoredSubject
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.emergence import events, figures
from nanoscope.plots.style import ACCENT, INK, SECOND, SOFT, THIRD

STEPS = (0, 10, 100, 1000)
RISE = np.array([0.0, 0.1, 0.5, 0.9])
HAPPENS = {"previous-token head": 100.4, "copying": 1000.0, "least distance to 2-grams": 10.0}
EVENTS = ("least distance to 1-grams", "least distance to 2-grams", *events.HEADS, *events.MARGINS)


def _over_examples(values: np.ndarray) -> np.ndarray:
    """The same mean, from two examples that lie 0.02 apart."""
    return values[..., None] + np.array([-0.01, 0.01])


def _planted() -> Result:
    """Every curve is `RISE` times its own factor; the induction head never forms."""
    followed = np.stack([0 * RISE, RISE])[:, :, None] + np.array([0.3, 0.0])
    behaviour = np.stack([np.stack([0.8 * RISE, 0.1 * RISE], -1), np.stack([-3 + 2 * RISE, -3 + 0 * RISE], -1)], 1)
    quantities = {"loss": 4 - 2 * RISE, "in-context": -0.2 * RISE, "repeated": 3 - 2 * RISE, "new": 3 - RISE,
                  "1-gram": 1 + RISE, "2-gram": 2 - RISE}  # fmt: skip
    heads = np.zeros((4, 2, 2, 2))
    heads[:, 1, 0, 1] = RISE
    at = {name: [step, 0.9 * step, 1.1 * step] for name, step in HAPPENS.items()}
    measure = {"measure": ("accuracy", "log_prob"), "run": ("clean", "corrupt")}
    sweeps = {
        "followed": Sweep(_over_examples(followed), ("score", "step", "length", "example"), "share", {"step": STEPS}),
        "names": Sweep(np.zeros((2, 2)), ("score", "part"), "index", {"score": ("L1H0", "L0H1")}),
        "copying": Sweep(0.7 * RISE, ("step",), "score", {"step": STEPS}),
        "behaviour": Sweep(_over_examples(behaviour), ("step", "measure", "run", "example"), "share; nats",
                           {"step": STEPS, **measure}),
        "text": Sweep(_over_examples(np.stack(list(quantities.values()), 1)), ("step", "quantity", "window"), "nats",
                      {"step": STEPS, "quantity": tuple(quantities)}),
        "heads": Sweep(heads, ("step", "score", "layer", "head"), "share",
                       {"step": STEPS, "score": ("induction", "previous")}),
        "events": Sweep(np.array([at.get(name, [math.nan] * 3) for name in EVENTS]), ("event", "part"), "steps",
                        {"event": EVENTS, "part": ("step", "low", "high")}),
    }  # fmt: skip
    return Result("emergence", {}, StoredSubject("a planted result"), sweeps)


def test_legends_name_every_curve_and_the_iteration_of_its_event() -> None:
    figure = figures.onset(_planted())
    heads, copies, tables, context, repeated, loss = figure.axes
    assert legend(heads) == {
        "L1H0: prefix matching": to_hex(ACCENT),
        "L0H1: previous token (100)": to_hex(SECOND),
        "L1H0: OV copying (raw embeddings)": to_hex(SOFT),
    }
    assert legend(copies) == {"log-probability, nats (1,000)": to_hex(THIRD), "accuracy, second copy": to_hex(INK)}
    assert list(legend(tables)) == ["1-gram", "2-gram (10)"]
    singles = [list(legend(ax)) for ax in (context, repeated, loss)]
    assert singles == [["early minus late loss"], ["new minus repeated"], ["validation text"]]
    is_readable(figure)


def test_the_curves_are_the_results_and_the_axes_name_quantity_and_unit() -> None:
    figure = figures.onset(_planted())
    heads, copies, tables, context, repeated, loss = figure.axes
    drawn = {ax: [np.asarray(line.get_ydata()) for line in ax.lines] for ax in figure.axes}
    assert drawn[heads][1] == pytest.approx(RISE), "the block length where the score is lowest"
    assert drawn[copies][0] == pytest.approx(2 * RISE)
    assert drawn[copies][1] == pytest.approx(0.8 * RISE)
    assert drawn[tables][1] == pytest.approx(2 - RISE)
    assert drawn[context][0] == pytest.approx(0.2 * RISE)
    assert drawn[repeated][0] == pytest.approx(RISE)
    assert drawn[loss][0] == pytest.approx(4 - 2 * RISE)
    assert heads.get_ylabel() == "attention above uniform; OV score"
    assert copies.get_ylabel() == "gain, nats; accuracy"
    assert tables.get_ylabel() == "KL(table || model), nats"
    assert all(ax.get_ylabel().endswith("nats per character") for ax in (context, repeated, loss))
    assert [ax.get_xlabel() for ax in (context, repeated, loss)] == ["iteration (logarithmic)"] * 3
    assert ticks(loss.xaxis) == ["0", "1", "10", "100", "1,000"]


def test_an_event_is_marked_where_it_happens_and_only_if_it_does() -> None:
    figure = figures.onset(_planted())
    heads, copies, _, context, repeated, _ = figure.axes
    marks = {ax: [line for line in ax.lines if line.get_linestyle() == "--"] for ax in figure.axes}
    assert [np.asarray(line.get_xdata())[0] for line in marks[heads]] == [np.log1p(100.4)]
    assert [np.asarray(line.get_xdata())[0] for line in marks[copies]] == [np.log1p(1000)]
    assert marks[context] == marks[repeated] == []


def test_every_heads_curves_are_coloured_by_layer() -> None:
    figure = figures.every_head(_planted())
    prefix, previous = figure.axes
    assert (title(prefix), title(previous)) == ("prefix matching", "previous token")
    by_layer = {str(line.get_label()): line for line in previous.lines if not str(line.get_label()).startswith("_")}
    assert legend(previous) == {name: to_hex(line.get_color()) for name, line in by_layer.items()}
    assert list(by_layer) == ["L0", "L1"]
    assert prefix.get_ylabel() == "attention above uniform,\nlowest block length"
    is_readable(figure)
