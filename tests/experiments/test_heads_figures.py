"""The figures of the heads say what their result says: their own texts, read on a planted result."""

import numpy as np
import pytest

from nanoscope.evidence.result import Result
from nanoscope.evidence.subject import StoredSubject
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.heads import figures
from nanoscope.plots.style import tenths

CLASSES = ("previous token", "induction", "none of these")
SCORES = np.array([[[0.98, 0.04], [0.31, 0.0]], [[0.1, 1.0], [0.949, -0.7]], [[0.0, 0.2], [0.05, 0.6]]])
"""`[cls, layer, head]`."""


def _planted() -> Result:
    sweeps = {
        "scores_report": Sweep(SCORES, ("cls", "layer", "head"), "share", {"cls": CLASSES}),
        "untrained_scores": Sweep(np.full((2, 3, 2, 2), 0.12), ("model", "cls", "layer", "head"), "share"),
        "label": Sweep(np.array([[0.0, 1.0], [1.0, -1.0]]), ("layer", "head"), "class"),
    }
    return Result("heads", {}, StoredSubject("a planted result"), sweeps)


def test_the_taxonomys_cells_are_the_scores_in_tenths() -> None:
    figure = figures.taxonomy(_planted())
    trained, untrained = figure.axes[:2]
    cells = {(text.get_position()[1], text.get_position()[0]): text.get_text() for text in trained.texts}
    flat = SCORES.reshape(len(CLASSES), -1)
    assert cells == {
        (0, 0): "1.0", (0, 2): ".3", (1, 0): ".1", (1, 1): "1.0", (1, 2): ".9", (2, 1): ".2", (2, 3): ".6",
    }  # fmt: skip
    assert all(abs(float(text) - flat[at]) <= 0.05 for at, text in cells.items())
    assert [text.get_text() for text in untrained.texts] == [".1"] * len(CLASSES)
    assert [text.get_text() for text in trained.get_yticklabels()] == list(CLASSES)


@pytest.mark.parametrize(("share", "text"), [(0.1, ".1"), (0.3, ".3"), (0.949, ".9"), (0.95, "1.0"), (1.0, "1.0")])
def test_tenths_never_lose_a_digit_that_counts(share: float, text: str) -> None:
    assert tenths(share) == text
