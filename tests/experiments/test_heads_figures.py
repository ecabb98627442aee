"""The figures of the heads say what their result says: their own texts, read on a planted result."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import PathPatch, Rectangle
from toys.figure_texts import cells, heights, is_readable, legend, ticks, title, widths

from nanoscope.evidence.result import Result
from nanoscope.evidence.subject import StoredSubject
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.heads import figures
from nanoscope.experiments.heads.page import groups_table, largest
from nanoscope.plots.quality import CHECKS, checklist
from nanoscope.plots.style import ACCENT, SECOND, SOFT, tenths
from nanoscope.views.heads import summaries

CLASSES = ("previous token", "2 back", "3 back")
SCORES = np.array([[[0.98, 0.04], [0.31, 0.0]], [[0.1, 1.0], [0.949, -0.7]], [[0.0, 0.2], [0.05, 0.6]]])
"""`[cls, layer, head]`."""
PAIRS = np.array([[2.0, 1.0, 3.0], [0.0, 2.0, 2.0], [np.nan] * 3])
"""From, to, and how much; no third pair."""
COSTS = {"previous token": 0.5, "2 back": 1.0, "heads of L0": 0.75, "heads of L1": 0.25, "all heads": 2.0}
"""Together; each head alone costs 0.125 nats more than the one before it, from 0 on."""
OTHERS = [[0.25, 0.75], [np.nan, np.nan]]
"""Two sets of others beside the first class, none beside the second."""
NAMED = np.array([[[0, 0, -1, -1], [-1, -1, -1, -1], [-1, -1, -1, -1]], [[0, 0, 0, 0], [1, 1, 1, 0], [-1, -1, -1, 1]]])
"""What four planted heads are named, `[strength, planted, copy]`; the third row is of no class."""


def _planted() -> Result:
    sweeps = {
        "scores_report": Sweep(SCORES, ("cls", "layer", "head"), "share", {"cls": CLASSES}),
        "scores_select": Sweep(SCORES, ("cls", "layer", "head"), "share", {"cls": CLASSES}),
        "p": Sweep(np.full(SCORES.shape, 0.2), ("cls", "layer", "head"), "p", {"cls": CLASSES}),
        "untrained_scores": Sweep(np.full((2, 3, 2, 2), 0.12), ("model", "cls", "layer", "head"), "share"),
        "label": Sweep(np.array([[0.0, 1.0], [1.0, -1.0]]), ("layer", "head"), "class"),
        "example": Sweep(np.ones((2, 2, 1, 1)) * np.tri(3) / 3, ("layer", "head", "query", "key"), "attention",
                         {"key": ("a", " ", "\n")}),
        "by_offset": Sweep(np.ones((2, 2, 1)) * [0.1, 0.7, 0.2], ("layer", "head", "offset"), "share of attention"),
        "by_character": Sweep(np.ones((2, 2, 1)) * [-0.1, -0.2, 0.3], ("layer", "head", "symbol"), "share"),
        "symbols": Sweep(np.arange(3), ("symbol",), "token", {"symbol": ("\n", " ", "a")}),
        "qk_strongest": Sweep(np.ones((2, 2, 1, 1)) * PAIRS, ("layer", "head", "rank", "part"), "score"),
        "ov_strongest": Sweep(np.ones((2, 2, 1, 1)) * PAIRS, ("layer", "head", "rank", "part"), "logits"),
        **_ablated(),
        **_planted_heads(),
        "composition": Sweep(np.full((3, 2, 2, 2, 2), 0.25), ("way", "layer", "head", "later_layer", "later_head"), "score"),
    }  # fmt: skip
    return Result("heads", {}, StoredSubject("a planted result"), sweeps)


def _ablated() -> dict[str, Sweep]:
    """Two windows, 0.1 nats apart."""
    alone = {f"L{layer}H{head}": 0.125 * (2 * layer + head) for layer in range(2) for head in range(2)}
    sets, apart = {**alone, **COSTS}, np.array([-0.05, 0.05])
    return {
        "costs": Sweep(np.array(list(sets.values()))[:, None] + apart, ("set", "window"), "nats", {"set": tuple(sets)}),
        "others": Sweep(np.array(OTHERS)[..., None] + apart, ("cls", "draw", "window"), "nats", {"cls": CLASSES[:2]}),
    }


def _planted_heads() -> dict[str, Sweep]:
    scores = np.stack([np.where(cls == NAMED, 0.9, 0.0) for cls in range(2)], axis=1)
    coords = {"strength": (0.2, 1.0), "cls": CLASSES[:2], "planted": (*CLASSES[:2], "none")}
    axes = ("strength", "cls", "planted", "copy")
    return {
        "planted_scores": Sweep(scores, axes, "share", coords),
        "planted_p": Sweep(np.zeros(scores.shape), axes, "p", coords),
    }


def test_the_taxonomys_cells_are_the_scores_in_tenths() -> None:
    figure = figures.taxonomy(_planted())
    trained, untrained = figure.axes[:2]
    shown = cells(trained)
    flat = SCORES.reshape(len(CLASSES), -1)
    assert shown == {
        (0, 0): "1.0", (0, 2): ".3", (1, 0): ".1", (1, 1): "1.0", (1, 2): ".9", (2, 1): ".2", (2, 3): ".6",
    }  # fmt: skip
    assert all(abs(float(text) - flat[at]) <= 0.05 for at, text in shown.items())
    assert [text.get_text() for text in untrained.texts] == [".1"] * len(CLASSES)
    assert ticks(trained.yaxis) == list(CLASSES)
    assert ticks(trained.xaxis) == ["L0H0", "L0H1", "L1H0", "L1H1"]
    assert figure.axes[2].get_ylabel() == "share above chance"
    is_readable(figure)


def test_the_boxed_cell_is_the_class_of_the_head() -> None:
    planted = _planted()
    boxes = [patch for patch in figures.taxonomy(planted).axes[0].patches if isinstance(patch, Rectangle)]
    boxed = {(round(box.get_x() + 0.5), round(box.get_y() + 0.5)) for box in boxes}
    assert boxed == {(head, int(label)) for head, label in enumerate(planted["label"].values.ravel()) if label >= 0}


def test_a_head_of_two_classes_is_called_both_everywhere_and_one_that_fails_on_new_text_none() -> None:
    """L1H0 is as certainly a previous-token head; L0H0's class does not hold on the other half."""
    planted = _planted()
    p, report = np.full(SCORES.shape, 0.2), SCORES.copy()
    p[0, 1, 0], report[0, 0, 0] = 0.01, 0.29
    dims = ("cls", "layer", "head")
    changed = {name: Sweep(to, dims, "", {"cls": CLASSES}) for name, to in (("p", p), ("scores_report", report))}
    result = replace(planted, sweeps={**planted.sweeps, **changed})
    both = "2 back and previous token"
    titles = [title(ax).replace("\n", " ") for ax in figures.grid(result).axes[:4]]
    assert titles == ["L0H0", "L0H1 2 back", f"L1H0 {both}", "L1H1"]
    boxes = [patch for patch in figures.taxonomy(result).axes[0].patches if isinstance(patch, Rectangle)]
    assert {(round(box.get_x() + 0.5), round(box.get_y() + 0.5)) for box in boxes} == {(1, 1), (2, 1), (2, 0)}
    assert title(figures.cards(result).axes[0]) == "L0H1: 2 back"
    assert ticks(figures.ablation(result).axes[0].yaxis)[:2] == [
        "previous token (1, weak on new text)",
        "2 back (2)",
    ]
    rows = summaries(result)
    assert [row.attention_class for row in rows] == [None, "2 back", both, None]
    assert [(row.attends_to, row.second) for row in rows][2] == ("2 back", "previous token")
    assert all(row.share >= row.second_share for row in rows)


@pytest.mark.parametrize("size", [2, 12, 13, 64, 65, 600])
def test_every_character_of_a_text_is_in_the_grid(size: int) -> None:
    """At the ticks, as an outline, or below the panels, where the axes have numbers."""
    text = [chr(ord("a") + n % 26) for n in range(size)]
    patterns = Sweep(np.full((1, 2, size, size), 1 / size), ("layer", "head", "query", "key"), "", {"key": tuple(text)})
    figure = figures.sentence(patterns, [["2 back and previous token"] * 2], "a text of $1_2^3$")
    assert figure.texts[0].get_text() == "a text of $1_2^3$"
    first = figure.axes[0]
    outlines = [str(one.get_label()) for one in figure.findobj(PathPatch) if one.get_label()]
    if size <= 12:
        assert ticks(first.xaxis) == ticks(first.yaxis) == text
    elif size < 600:
        assert outlines == ["".join(text)] * 2
    else:
        assert ticks(first.xaxis)[:3] == ["0", "64", "128"]
        assert "".join(line[6:] for line in figure.texts[1].get_text().split("\n")) == "".join(text)
    assert figure.get_figwidth() <= 41
    assert size not in (2, 65, 600) or checklist(figure) == dict.fromkeys(CHECKS, True)


def test_the_grids_titles_are_the_classes_of_the_taxonomy() -> None:
    figure = figures.grid(_planted())
    titles = ["L0H0 previous token", "L0H1 2 back", "L1H0 2 back", "L1H1"]
    assert [title(ax) for ax in figure.axes[:4]] == titles
    assert ticks(figure.axes[0].xaxis) == ticks(figure.axes[0].yaxis) == ["a", "␣", "↵"]
    assert ticks(figure.axes[4].yaxis) == ["0", "0.25", "0.5", "1"]
    assert np.asarray(figure.axes[0].images[0].get_array()) ** 2 == pytest.approx(np.tri(3) / 3)
    assert figure.axes[4].get_yticks() ** 2 == pytest.approx([0, 0.25, 0.5, 1]), "the scale is a root, its numbers not"


def test_cards_show_the_best_head_of_each_class_by_the_characters_names() -> None:
    figure = figures.cards(_planted())
    near, characters, reads, writes = figure.axes[:4]
    assert [title(ax) for ax in figure.axes[::4]] == ["L0H1: 2 back", "L0H0: previous token"]
    assert heights(near) == pytest.approx([0.1, 0.7, 0.2])
    assert list(legend(near)) == ["uniform attention"]
    assert (near.get_xlabel(), near.get_ylabel()) == ("positions back", "mean attention")
    assert (ticks(characters.xaxis), heights(characters)) == (["a", "↵", "␣"], pytest.approx([0.3, -0.1, -0.2]))
    assert ticks(reads.yaxis) == ["a → ␣", "↵ → a"]
    assert widths(writes) == [3.0, 2.0]
    assert reads.get_xlabel() == "score, by the weights"
    is_readable(figure)


def test_ablation_shows_groups_together_apart_and_as_many_others() -> None:
    figure = figures.ablation(_planted())
    (ax,) = figure.axes
    assert ticks(ax.yaxis) == [
        "previous token (1)",
        "2 back (2)",
        "heads of L0 (2)",
        "heads of L1 (2)",
        "all heads (4)",
    ]
    colours = {"all at once": ACCENT, "each alone, summed": SECOND, "as many others (line: every set)": SOFT}
    assert legend(ax) == {label: to_hex(colour) for label, colour in colours.items()}
    together, apart, others = list(COSTS.values()), [0.0, 0.375, 0.125, 0.625, 0.75], [0.5]
    assert widths(ax) == pytest.approx([*together, *apart, *others], abs=1e-9)
    assert ax.get_xlabel() == "loss added by mean ablation, nats per character"
    is_readable(figure)


def test_the_groups_table_says_the_same() -> None:
    rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in groups_table(_planted()).split("\n")]
    assert rows[2] == ["previous token", "L0H0 0.98", "+0.000", "+0.500", "+0.500, worst +0.750 of 2"]
    assert rows[3] == ["2 back", "L0H1 1.0, L1H0 0.95", "+0.375", "+1.000", ""]
    assert rows[-1] == ["all heads", "4 heads", "+0.750", "+2.000", ""]
    listed = largest(_planted()).split("; ")
    assert listed[0].startswith("L1H1 (no class, 3 back 0.60) +0.375 ± ")
    assert listed[1].startswith("L1H0 (2 back) +0.250 ± ")


def test_planted_heads_are_counted_in_per_cent_as_the_scale_says() -> None:
    figure = figures.planted(_planted())
    right, mixed, scale = figure.axes
    names = ["previous token", "2 back", "none"]
    assert cells(right) == {(0, 0): "50", (0, 1): "100", (1, 1): "75", (2, 0): "100", (2, 1): "75"}
    assert (ticks(right.xaxis), ticks(right.yaxis), ticks(mixed.xaxis)) == (["0.2", "1"], names, names)
    shown = {(0, 0): "75", (0, 2): "25", (1, 0): "12", (1, 1): "38", (1, 2): "50", (2, 1): "12", (2, 2): "88"}
    assert cells(mixed) == shown
    assert "%" in scale.get_ylabel()
    assert title(figure) == "The categoriser on planted heads (4 of each)"
    is_readable(figure)


def test_composition_shows_pairs_that_can_and_the_distribution_of_those_that_cannot() -> None:
    scores = np.full((3, 2, 2, 2, 2), 0.25)
    scores[1, 0, 0, 1, 1], scores[1, 1, 1, 0, 0] = 0.5, 0.75
    planted = _planted()
    table = Sweep(scores, ("way", "layer", "head", "later_layer", "later_head"), "score", {"way": ("Q", "K", "V")})
    result = replace(planted, sweeps={**planted.sweeps, "composition": table})
    figure = figures.composition(result)
    image = np.ma.filled(np.asarray(figure.axes[0].images[0].get_array(), dtype=float), np.nan)
    assert image == pytest.approx(np.array([[0.25, 0.5], [0.25, 0.25]]))
    assert (ticks(figure.axes[0].yaxis), ticks(figure.axes[0].xaxis)) == (["L0H0", "L0H1"], ["L1H0", "L1H1"])
    can, cannot = (np.asarray(line.get_xdata()).tolist() for line in figure.axes[1].lines)
    assert (can, cannot) == ([0.25] * 3 + [0.5], [0.25] * 7 + [0.75])
    assert list(legend(figure.axes[1])) == ["can compose", "cannot"]
    is_readable(figure)


@pytest.mark.parametrize("layers", [1, 3])
def test_composition_is_blank_where_there_can_be_none(layers: int) -> None:
    every = Sweep(
        np.full((3, layers, 2, layers, 2), 0.25), ("way", "layer", "head", "later_layer", "later_head"), "score"
    )
    planted = _planted()
    figure = figures.composition(replace(planted, sweeps={**planted.sweeps, "composition": every}))
    image = np.ma.filled(np.asarray(figure.axes[0].images[0].get_array(), dtype=float), np.nan)
    assert np.isnan(image).sum() == 4, "a head of the middle layer reads none of its own layer, nor does a single one"
    assert image.shape == ((2, 2) if layers == 1 else (4, 4))


@pytest.mark.parametrize(("share", "text"), [(0.1, ".1"), (0.3, ".3"), (0.949, ".9"), (0.95, "1.0"), (1.0, "1.0")])
def test_tenths_never_lose_a_digit_that_counts(share: float, text: str) -> None:
    assert tenths(share) == text
