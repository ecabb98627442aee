"""The figures of induction say what their result says: their own texts, read on a planted result."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.colors import to_hex
from toys.figure_texts import cells, heights, is_readable, legend, ticks, title

from nanoscope.evidence.result import Result
from nanoscope.evidence.subject import StoredSubject
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.induction import figures
from nanoscope.experiments.induction.select import STRONG_ENOUGH
from nanoscope.plots.style import ACCENT, SECOND, SOFT

LOWEST = np.array([[0.98, -0.004], [0.31, 0.5]])
"""Each head's induction score `[layer, head]` at the block length where it is lowest."""
GAIN = np.array([[0.5, -0.004], [0.96, 0.0]])
"""What each head does, in logits, clean into corrupt `[layer, head]`; the clean run has 4 logits, the corrupt one 2."""
LENS = {"answer": (0.0, 0.1, 0.9), "current": (0.9, 0.2, 0.0), "answer_is_top": (0.0, 0.5, 1.0), "kl": (3.0, 2.0, 0.0)}


def _planted() -> Result:
    scores = np.stack([np.stack([LOWEST + up, LOWEST - 0.2]) for up in (0.0, 0.02)])[..., None].repeat(3, -1)
    heads = np.stack([2 + GAIN, 4 - GAIN / 2])[..., None].repeat(3, -1)
    position = np.zeros((2, 3, 4))
    position[0, 1, 2] = 1.5
    lens = np.array(list(LENS.values()))[..., None].repeat(4, -1)
    matches = np.zeros((4, 3, 2)) + np.array([6.0, 9.0, 12.0, 3.0])[:, None, None] * 10
    matches[-1, 2] = 0
    matches[-1, :2] = 30
    sweeps = {
        "scores_report": Sweep(scores, ("length", "score", "layer", "head", "example"), "share above uniform",
                               {"length": (5, 7), "score": ("induction", "previous")}),
        "random_heads": Sweep(np.full((3, 2), 0.04), ("seed", "score"), "share", {"score": ("induction", "previous")}),
        "patch_heads": Sweep(heads, ("direction", "layer", "head", "example"), "logits"),
        "patch_plain": Sweep(np.array([[4.0] * 3, [2.0] * 3]), ("run", "example"), "logits"),
        "patch_informative": Sweep(np.array(1), (), "yes or no"),
        "position_change": Sweep(position, ("direction", "layer", "pos"), "logits", {"pos": (4, 5, 6, 7)}),
        "position_plain": Sweep(np.array([[4.0] * 3, [2.0] * 3]), ("run", "example"), "logits"),
        "position_informative": Sweep(np.array(1), (), "yes or no"),
        "position_roles": Sweep(np.array([1, 4, 5, 7]), ("role",), "position",
                                {"role": ("first copy", "matched", "followed", "query")}),
        "lens": Sweep(lens, ("measure", "layer", "example"), "probability; nats", {"measure": tuple(LENS)}),
        "lens_settled": Sweep(np.array([1.0, 2.0, 1.0, 2.0]), ("example",), "layer"),
        "patterns": Sweep(np.stack([np.eye(3), np.tri(3) / 3]), ("head", "query", "key"), "attention",
                          {"head": ("L1H0", "L0H1"), "key": ("a", " ", "\n"), "query": ("a", " ", "\n")}),
        "behaviour": Sweep(np.array([[[0.875, 0.875], [0.25, 0.25]]]), ("measure", "run", "example"), "share",
                           {"measure": ("accuracy",), "run": ("clean", "corrupt")}),
        "behaviour_tables": Sweep(np.array([[0.1, 0.1], [0.2, 0.2]]), ("order", "example"), "share"),
        "match_length": Sweep(matches, ("source", "match", "window"), "nats, summed",
                              {"source": ("model", "bigram", "5-gram", "count"), "match": (0, 1, 2)}),
    }  # fmt: skip
    return Result("induction", {}, StoredSubject("a planted result"), sweeps)


def test_head_scores_name_every_head_and_the_threshold_of_the_claim() -> None:
    figure = figures.head_scores(_planted())
    induction, previous = figure.axes
    assert ticks(induction.xaxis) == ["L0H0", "L0H1", "L1H0", "L1H1"]
    assert title(induction).startswith("Induction")
    assert title(previous).startswith("Previous token")
    shown = legend(induction)
    assert f"counts as one from {STRONG_ENOUGH.threshold} on" in shown
    assert (shown["one block length"], shown["lowest over block lengths"]) == (to_hex(SOFT), to_hex(ACCENT))
    lowest = next(some for some in induction.collections if some.get_label() == "lowest over block lengths")
    assert np.asarray(lowest.get_offsets())[:, 1] == pytest.approx(LOWEST.ravel())
    assert induction.get_ylabel() == "attention above uniform"
    is_readable(figure)


def test_patching_writes_each_heads_share_of_the_difference() -> None:
    figure = figures.patching_effects(_planted())
    enough, needed = figure.axes[2:4]
    assert cells(enough) == {(0, 0): "0.25", (0, 1): "0.00", (1, 0): "0.48", (1, 1): "0.00"}
    assert cells(needed) == {(0, 0): "0.12", (0, 1): "0.00", (1, 0): "0.24", (1, 1): "0.00"}
    assert (ticks(enough.yaxis), ticks(enough.xaxis)) == (["L0", "L1"], ["H0", "H1"])
    position = figure.axes[0]
    assert (ticks(position.yaxis), position.get_xlabel()) == (["into L0", "into L1", "output"], "position patched")
    assert [tick.strip() for tick in ticks(position.xaxis)] == ["matched", "what followed", "query"]
    assert [bar.get_ylabel() for bar in figure.axes[4:]] == ["share of the\nclean-corrupt difference"] * 2
    is_readable(figure)


def test_without_a_difference_the_numbers_are_logits_and_the_scale_says_so() -> None:
    planted = _planted()
    no = {f"{part}_informative": Sweep(np.array(0), (), "yes or no") for part in ("patch", "position")}
    figure = figures.patching_effects(replace(planted, sweeps={**planted.sweeps, **no}))
    assert cells(figure.axes[2])[0, 0] == "0.50"
    assert all(bar.get_ylabel().startswith("change, logits") for bar in figure.axes[4:])


def test_the_lens_names_its_curves_and_where_it_settles() -> None:
    figure = figures.logit_lens(_planted())
    said, distance = figure.axes
    curves = {str(line.get_label()): np.asarray(line.get_ydata()) for line in said.lines}
    assert legend(figure) == {str(line.get_label()): to_hex(line.get_color()) for line in said.lines}
    assert curves["right character"] == pytest.approx(LENS["answer"])
    assert curves["character just read"] == pytest.approx(LENS["current"])
    assert [text.get_text().strip() for text in distance.texts] == ["settles after 1.5 layers"]
    assert ticks(said.xaxis) == ["embed", "after L0", "after L1"]
    assert (said.get_ylabel(), distance.get_ylabel()) == ("probability", "KL, nats")
    is_readable(figure)


def test_attention_names_its_heads_and_writes_the_characters() -> None:
    figure = figures.attention(_planted())
    assert [title(ax) for ax in figure.axes[:2]] == [
        "L1H0 induction, 0.31 above uniform",
        "L0H1 nearest to induction, 0.00 above uniform",
    ]
    assert ticks(figure.axes[0].xaxis) == ticks(figure.axes[0].yaxis) == ["a", "␣", "↵"]
    assert figure.axes[0].get_ylabel() == "query: attending"
    is_readable(figure)


def test_behaviour_shows_the_accuracies_and_only_matches_that_are_frequent() -> None:
    figure = figures.behaviour(_planted())
    bars, text = figure.axes
    assert ticks(bars.xaxis) == ["copied\nbefore", "other text\nbefore", "bigram\ntable", "unigram\ntable"]
    assert heights(bars) == pytest.approx([0.875, 0.25, 0.2, 0.1])
    assert list(legend(text)) == ["model", "bigram table", "5-gram table"]
    assert legend(text)["5-gram table"] == to_hex(SECOND)
    assert [list(np.asarray(line.get_ydata())) for line in text.lines] == [[2.0, 2.0], [3.0, 3.0], [4.0, 4.0]]
    assert ticks(text.xaxis) == ["0", "1", "2+"]
    assert text.get_ylabel() == "loss, nats per character"
    is_readable(figure)
