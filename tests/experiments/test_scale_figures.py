"""The figures of the range of sizes say what their result says: their own texts, read on a planted result."""

import numpy as np
from matplotlib.colors import to_hex
from toys.figure_texts import cells, is_readable, legend, ticks, title

from nanoscope.evidence.result import Result
from nanoscope.evidence.subject import StoredSubject
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.scale import figures

MEASURES = ("copying accuracy", "induction head", "previous-token head", "loss")


def _planted() -> Result:
    """Two depths of two widths and two seeds; the deep wide model never ran, and of the shallow wide one only seed 2."""
    scores = np.full((4, 2, 2, 2, 2), 0.25)
    scores[0, 1, 1, 0] = 0.98, -0.003
    scores[3, 0] = [[[2.5, 2.7], [2.1, 2.1]], [[2.0, 2.2], [0, 0]]]
    scores[:, :, 1, 1] = np.nan
    scores[:, :, 0, 1, 0] = np.nan
    flops = np.full((1, 2, 2, 2, 2), 1e9) * np.array([1, 4])[:, None] * np.array([1, 2])[:, None, None]
    axes = {"task": ("text", "echo"), "layers": (1, 2), "width": (64, 128), "seed": (1, 2)}
    sweeps = {
        "scores": Sweep(scores, ("measure", *axes), "share; nats", {"measure": MEASURES, **axes}),
        "sizes": Sweep(flops, ("size", *axes), "FLOPs", {"size": ("FLOPs",), **axes}),
    }
    return Result("scale", {}, StoredSubject("planted sizes"), sweeps)


def test_every_cell_lists_its_seeds_and_says_what_did_not_run() -> None:
    figure = figures.capabilities(_planted())
    copies = figure.axes[0]
    assert title(copies) == "control task:\naccuracy gained from a copy"
    assert cells(copies) == {(0, 0): "0.25\n0.25", (0, 1): "0.25", (1, 0): "0.98\n0.00", (1, 1): "not run"}
    assert [title(ax).partition(":")[0] for ax in figure.axes[:4]] == ["control task", "control task", "text", "text"]
    assert (ticks(copies.xaxis), ticks(copies.yaxis)) == (["64", "128"], ["1", "2"])
    assert (copies.get_xlabel(), copies.get_ylabel()) == ("width", "layers")
    assert figure.axes[4].get_ylabel() == "share, mean over seeds"
    is_readable(figure)


def test_losses_are_drawn_by_depth_and_numbered_by_width() -> None:
    figure = figures.loss(_planted())
    (ax,) = figure.axes
    shown = {str(line.get_label()): line for line in ax.lines}
    assert legend(ax) == {name: to_hex(line.get_color()) for name, line in shown.items()}
    assert list(shown) == ["1 layer", "2 layers"]
    assert np.allclose(np.asarray(shown["1 layer"].get_ydata()), [2.6, 2.1])
    assert [text.get_text() for text in ax.texts] == ["64", "128", "64"]
    assert ax.get_xlabel() == "FLOPs of the training"
    assert ax.get_ylabel() == "loss on validation text, nats per character"
    is_readable(figure)
