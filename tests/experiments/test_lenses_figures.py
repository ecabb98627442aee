"""The figures of the lenses say what their result says: their own texts, read on a planted result."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle
from toys.figure_texts import cells, is_readable, legend, ticks, title, widths

from nanoscope.analysis.prediction.logit_lens import NEAR
from nanoscope.analysis.prediction.table_distance import DIRECTIONS
from nanoscope.evidence.result import Result
from nanoscope.evidence.subject import StoredSubject
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.lenses import figures
from nanoscope.plots.style import ACCENT, SECOND, THIRD

LENSES = ("logit lens", "tuned lens")
KINDS = ("all", "word start")
LOSS = {"logit lens": (12.5, 2.5, 1.5), "tuned lens": (2.6, 2.0, 1.5)}
TABLES = (3.0, 2.5, 2.0, 2.25)
"""Loss of the unigram, bigram, trigram and 4-gram tables, nats per character; there are 100 characters."""
PROBABILITY = {"next": 0.25, "current": 0.5, "previous": 0.125}
DISTANCE = np.array([[0.5, 1.0, 2.0], [0.125, 0.2, 1.0], [1.0, 0.104, 0.05], [2.0, 1.5, 0.06]])
"""KL(table || lens) `[n, reading]`: the bigram table is nearest to the first reading, the trigram's to the others."""
STEPS = (0, 10, 100)
SETTLED = np.array([[0.1, 0.2], [0.2, 0.3], [0.3, 0.4], [0.4, 0.1]])
"""Shares `[depth, kind]`; the last: never."""
WRITES = np.array([[1.0, 2.0], [-0.5, 0.0]])


def _forming() -> dict[str, Sweep]:
    loss = np.array(list(LOSS.values()))[:, None, :, None] * np.array([40.0, 60.0])
    tables = np.array(TABLES)[:, None, None] * np.array([40.0, 60.0]) * np.ones((1, 2, 1))
    chances = np.array([*PROBABILITY.values(), 1.0])[:, None, None] * np.ones((2, 1, 3, 2))
    kind = {"kind": KINDS}
    return {
        "places": Sweep(np.array([[40.0, 60.0]] * 2), ("kind", "window"), "places", kind),
        "reading": Sweep(loss, ("lens", "measure", "layer", "window"), "summed", {"lens": LENSES, "measure": ("loss",)}),
        "table_loss": Sweep(tables, ("n", "kind", "window"), "nats, summed", kind),
        "reading_by_kind": Sweep(chances, ("lens", "measure", "layer", "kind"), "share",
                                 {"lens": LENSES, "measure": (*PROBABILITY, "kl"), **kind}),
    }  # fmt: skip


def _read(nearest: tuple[int, ...]) -> np.ndarray:
    """Distances `[n, k]` at which the k-gram readers are read as these."""
    return 1.0 - np.eye(4)[:, np.array(nearest) - 1]


def _near_tables() -> dict[str, Sweep]:
    measures = np.stack([DISTANCE, 2 * DISTANCE, np.ones_like(DISTANCE)])
    measures[2, 3] = 0.5
    halves = np.stack([measures, measures, measures])
    halves[1, 0, 3, 2] += 0.02  # the gap of 0.01 at the output moves by 0.02
    training = np.stack([DISTANCE.T, 3 * DISTANCE.T], 1)[..., None] * np.array([5.0, 5.0])
    direction = {"direction": DIRECTIONS, "n": (1, 2, 3, 4)}
    return {
        "table_distance": Sweep(np.stack([halves] * 2), ("lens", "tables", "measure", "n", "layer"), "nats",
                                {"lens": LENSES, "tables": ("whole text", "first half", "second half"),
                                 "measure": (*DIRECTIONS, "loss")}),
        "known_readers": Sweep(np.stack([np.stack([_read(n) for n in ((1, 2, 3, 4), (1, 2, 3, 4), (1, 2, 1, 1))])] * 3),
                               ("tables", "measure", "n", "k"), "nats", {"measure": (*DIRECTIONS, "loss")}),
        "tuned_course": Sweep(np.ones((1, 2)), ("look", "layer"), "nats"),
        "tuned_stopped": Sweep(np.array(1.0), (), ""),
        "tuned_train": Sweep(np.ones(2), ("layer",), "nats"),
        "training": Sweep(training, ("step", "direction", "n", "window"), "nats, summed", {"step": STEPS, **direction}),
        "training_places": Sweep(np.array([5.0, 5.0]), ("window",), "places"),
    }  # fmt: skip


def _planted() -> Result:
    settled = SETTLED * np.ones((2, 3, 1, 1))
    top, chance = [[2, 1, 0]] * 2 + [[1, 2, 2]], [[0.1] * 3] * 2 + [[0.9] * 3]
    example = np.array([[top, chance]] * 2)
    components = ("embed", "L0H0")
    sweeps = {
        **_forming(),
        **_near_tables(),
        "settled": Sweep(settled, ("lens", "criterion", "depth", "kind"), "predictions",
                         {"lens": LENSES, "criterion": ("top", "near", "half"), "kind": KINDS}),
        "writers_by_kind": Sweep(WRITES, ("component", "kind"), "logits", {"component": components, "kind": KINDS}),
        "example": Sweep(example, ("lens", "measure", "layer", "place"), "token; probability",
                         {"lens": LENSES, "measure": ("top", "chance"), "place": (" ", "a", "\n")}),
        "symbols": Sweep(np.arange(3), ("symbol",), "token", {"symbol": ("\n", "a", " ")}),
    }  # fmt: skip
    return Result("lenses", {}, StoredSubject("a planted result"), sweeps)


def test_losses_name_the_lenses_and_the_tables_at_their_height() -> None:
    figure = figures.formation(_planted())
    losses, chances = figure.axes
    assert legend(losses) == {"logit lens": to_hex(SECOND), "tuned lens": to_hex(ACCENT)}
    drawn = {str(line.get_label()): np.asarray(line.get_ydata()) for line in losses.lines}
    assert {lens: list(drawn[lens]) for lens in LENSES} == {
        lens: pytest.approx(values) for lens, values in LOSS.items()
    }
    names = {text.get_text(): text.get_position()[1] for text in losses.texts if "table" in text.get_text()}
    assert names == {"unigram table": 3.0, "bigram table": 2.5, "trigram table": 2.0}
    assert [text.get_text() for text in losses.texts if "table" not in text.get_text()] == ["12.5"], "off the scale"
    assert ticks(losses.xaxis) == ["embedding", "after L0", "after L1"]
    assert (losses.get_ylabel(), chances.get_ylabel()) == ("loss, nats per character", "mean probability")
    is_readable(figure)


def test_the_best_table_is_named_where_it_is_none_of_the_first() -> None:
    planted = _planted()
    values = planted["table_loss"].values.copy()
    values[3] *= 0.5
    better = Sweep(values, ("n", "kind", "window"), "nats, summed", {"kind": KINDS})
    figure = figures.formation(replace(planted, sweeps={**planted.sweeps, "table_loss": better}))
    assert "4-gram table" in [text.get_text() for text in figure.axes[0].texts]


def test_probabilities_are_named_by_character_and_lens() -> None:
    chances = figures.formation(_planted()).axes[1]
    characters = {"the next character": ACCENT, "the current one": SECOND, "the one before": THIRD}
    lines = {f"{name}, {lens}": to_hex(colour) for lens in LENSES for name, colour in characters.items()}
    assert legend(chances) == lines
    heights = {str(line.get_label()): np.asarray(line.get_ydata())[0] for line in chances.lines}
    assert [heights[f"{name}, tuned lens"] for name in characters] == list(PROBABILITY.values())


def test_distances_are_written_and_the_nearest_is_boxed_as_it_is_told() -> None:
    figure = figures.ngrams(_planted())
    panels = figure.axes
    assert len(panels) == 2 * 3
    forward, backward, loss = panels[3:]
    assert [title(ax) for ax in panels[:3]] == [
        "logit lens: KL(table || lens)",
        "logit lens: KL(lens || table)",
        "logit lens: difference of the losses",
    ]
    assert cells(forward) == {(row, n): f"{DISTANCE[n, row]:.2f}" for n, row in np.ndindex(DISTANCE.shape)}
    assert cells(backward)[0, 0] == f"{2 * DISTANCE[0, 0]:.2f}"
    assert _boxes(forward) == [(0, 1, "-"), (1, 2, "-"), (2, 2, ":")]
    assert _boxes(loss) == [(0, 3, ":"), (1, 3, ":"), (2, 3, ":")], "beyond what the loss tells"
    assert (ticks(forward.xaxis), ticks(forward.yaxis)) == (["1", "2", "3", "4"], ["embedding", "after L0", "after L1"])
    is_readable(figure)


def _boxes(ax) -> list[tuple[int, int, str]]:
    """Row, column and line of each box."""
    boxes = [patch for patch in ax.patches if isinstance(patch, Rectangle)]
    return [(round(box.get_y() + 0.5), round(box.get_x() + 0.5), box.get_linestyle()) for box in boxes]


def test_an_older_result_has_no_tuned_lens_and_tells_no_nearest_table() -> None:
    planted = _planted()
    new = {"table_distance", "known_readers", "tuned_stopped", "tuned_course", "tuned_train"}
    sweeps = {name: sweep for name, sweep in planted.sweeps.items() if name not in new}
    distance = np.stack([np.stack([DISTANCE, 2 * DISTANCE])] * 2)[..., None]
    coords = {"lens": LENSES, "direction": DIRECTIONS, "kind": ("all",)}
    sweeps["distance_by_kind"] = Sweep(distance, ("lens", "direction", "n", "layer", "kind"), "nats", coords)
    older = replace(planted, sweeps=sweeps)
    panels = figures.ngrams(older).axes
    assert len(panels) == 3
    assert _boxes(panels[0]) == [(0, 1, ":"), (1, 2, ":"), (2, 2, ":")]
    assert len(figures.settling(older).axes) == 2
    is_readable(figures.ngrams(older))
    is_readable(figures.settling(older))


def test_settling_is_shown_by_both_lenses_with_the_criteria_as_they_are_measured() -> None:
    figure = figures.settling(_planted())
    near = f"KL to the output stays below {NEAR} nats"
    top = "Top character stays the output's"
    assert [title(ax) for ax in figure.axes] == [f"{what}\n({lens})" for what in (near, top) for lens in LENSES]
    assert list(legend(figure)) == ["embedding", "after L0", "after L1", "never"]
    first = figure.axes[0]
    assert widths(first) == pytest.approx(SETTLED.ravel())
    assert list(legend(figure).values()) == [to_hex(bar.get_facecolor()) for bar in first.patches[:: len(KINDS)]]
    assert (ticks(first.yaxis), first.get_xlabel()) == (list(KINDS), "share of predictions")
    is_readable(figure)


def test_training_shows_both_directions_at_iterations_that_are_the_results() -> None:
    figure = figures.training(_planted())
    for ax, times, measure in zip(figure.axes, (1, 3), ("KL(table || model)", "KL(model || table)"), strict=True):
        assert list(legend(ax)) == ["unigram", "bigram", "trigram", "4-gram"]
        curves = {str(line.get_label()): line for line in ax.lines}
        assert np.asarray(curves["bigram"].get_ydata()) == pytest.approx(times * DISTANCE[1])
        assert np.asarray(curves["bigram"].get_xdata()) == pytest.approx(np.log1p(STEPS))
        assert ticks(ax.xaxis) == ["0", "1", "10", "100"]
        assert (title(ax), ax.get_ylabel()) == (measure, f"{measure}, nats per character")
    is_readable(figure)


def test_writers_are_components_by_kind_in_logits() -> None:
    figure = figures.writers(_planted())
    ax, scale = figure.axes
    assert np.asarray(ax.images[0].get_array()) == pytest.approx(WRITES.T)
    assert (ticks(ax.xaxis), ticks(ax.yaxis)) == (["embed", "L0H0"], list(KINDS))
    assert scale.get_ylabel() == "logits above\nthe mean logit"
    is_readable(figure)


def test_an_example_writes_the_top_characters_and_boxes_those_that_follow() -> None:
    first = figures.example(_planted()).axes[0]
    assert ticks(first.yaxis) == ["after L1", "after L0", "embedding"]
    assert [cells(first)[0, column] for column in range(3)] == ["a", "␣", "␣"]
    assert [cells(first)[2, column] for column in range(3)] == ["␣", "a", "↵"]
    assert ticks(first.xaxis) == ["␣", "a", "↵"]
    boxes = [patch for patch in first.patches if isinstance(patch, Rectangle)]
    assert [(round(box.get_y() + 0.5), round(box.get_x() + 0.5)) for box in boxes] == [(0, 0)]
    assert title(first).startswith("logit lens")
