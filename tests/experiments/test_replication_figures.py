"""The figures of replication say what their result says: their own texts, read on a planted result."""

import numpy as np
from toys.figure_texts import cells, is_readable, ticks, title

from nanoscope.evidence.result import Result
from nanoscope.evidence.subject import ModelName, StoredSubject
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.replication import figures

TRAININGS = ("the planted model, seed 1", "the planted model, seed 2", "the planted model, seed 3")
VERDICTS = np.array([[1, 1, -1], [0, -1, 1]])
AGREEMENT = {"by function": 0.75, "by index": 0.3, "within layers": 0.25, "any": 0.0}
MODELS = tuple(ModelName(label, "the planted model", seed) for seed, label in enumerate(TRAININGS, 1))


def _planted() -> Result:
    each = np.array(list(AGREEMENT.values())) * np.ones((3, 3, 1))
    each[np.eye(3, dtype=bool)] = np.nan
    sweeps = {
        "verdicts": Sweep(VERDICTS, ("claim", "training"), "1: supported, 0: not decided, -1: not",
                          {"claim": ("induction.gain", "heads.classified"), "training": TRAININGS}),
        "agreement": Sweep(each, ("training", "other", "assignment"), "cosine", {"assignment": tuple(AGREEMENT)}),
        "depth": Sweep(np.array([[0, 1, 0], [0, 0, 1], [1, 1, 1]]), ("training", "cls"), "layer",
                       {"cls": ("previous token", "induction", "space")}),
        "best": Sweep(np.array([[0.9, 0.1, 0.0], [0.8, 0.09, 0.05], [0.7, 0.5, 0.0]]), ("training", "cls"), "share"),
        "layers": Sweep(np.array(2), (), "layers"),
    }  # fmt: skip
    return Result("replication", {}, StoredSubject("the planted models", models=MODELS), sweeps)


def test_every_verdict_is_written_under_its_claim_and_training() -> None:
    figure = figures.verdicts(_planted())
    (ax,) = figure.axes
    words = {1: "yes", 0: "?", -1: "no"}
    assert cells(ax) == {at: words[int(verdict)] for at, verdict in np.ndenumerate(VERDICTS)}
    assert ticks(ax.yaxis) == ["induction.gain", "heads.classified"]
    assert ticks(ax.xaxis) == ["seed 1", "seed 2", "seed 3"]
    assert all(f"({word})" in title(figure) for word in words.values())
    is_readable(figure)


def test_heads_are_counted_by_layer_where_a_training_has_the_class() -> None:
    figure = figures.heads(_planted())
    alike, depths = figure.axes
    assert ticks(alike.xaxis) == list(AGREEMENT)
    dots = [np.asarray(some.get_offsets())[:, 1] for some in alike.collections[::2]]
    assert [float(one.mean()) for one in dots] == [*AGREEMENT.values()]
    assert cells(depths) == {(0, 0): "2", (0, 1): "1", (1, 1): "2"}
    assert ticks(depths.yaxis) == ["previous token", "induction"]
    assert ticks(depths.xaxis) == ["L0", "L1"]
    assert f"scores {figures.LEAST_SHOWN} or more" in depths.get_xlabel()
    assert alike.get_ylabel().startswith("cosine")
    is_readable(figure)
