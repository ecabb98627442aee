"""The checklist for figures: a readable one passes, and each way of being unreadable fails its own check."""

import matplotlib
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nanoscope.plots.quality import CHECKS, checklist
from nanoscope.plots.style import SETTINGS, heatmap, new_figure


def _figure() -> tuple[Figure, list]:
    with matplotlib.rc_context(SETTINGS):
        figure, axes = new_figure(6, 4)
        image = heatmap(axes[0], np.eye(3), 1.0)
        axes[0].set(xlabel="query", ylabel="key", title="attention", xticks=range(3), yticks=range(3))
        figure.colorbar(image, ax=axes[0], label="share")
    return figure, axes


def test_a_readable_figure_passes() -> None:
    assert checklist(_figure()[0]) == dict.fromkeys(CHECKS, True)


@pytest.mark.parametrize(
    ("spoil", "check"),
    [
        (lambda f, ax: f.text(0.1, -0.1, "below the page"), "nothing cut off"),
        (lambda f, ax: [ax.text(1, 1, "one"), ax.text(1.02, 1, "other")], "no texts overlap"),
        (lambda f, ax: ax.text(0, 0, "tiny", fontsize=4), "no text too small"),
        (lambda f, ax: ax.set_xlabel(""), "axes say what they show"),
        (lambda f, ax: f.axes[1].set_ylabel(""), "colours explained"),
    ],
)
def test_each_fault_fails_its_check_alone(spoil, check: str) -> None:
    figure, axes = _figure()
    spoil(figure, axes[0])
    assert [name for name, passed in checklist(figure).items() if not passed] == [check]


def test_words_at_the_ticks_need_no_label() -> None:
    figure, axes = _figure()
    axes[0].set(xlabel="", ylabel="")
    axes[0].set_xticks(range(3), ["a", "b", "c"])
    axes[0].set_yticks([])
    assert checklist(figure)["axes say what they show"]


@pytest.mark.parametrize("ticks", [("0", "0.5"), ("-1,000", "1,000"), ("10⁻³", "2×10⁴"), ("\N{MINUS SIGN}1", "1")])
def test_numbers_at_the_ticks_need_one(ticks: tuple[str, str]) -> None:
    figure, axes = _figure()
    axes[0].set_xticks([0, 1], ticks)
    assert checklist(figure)["axes say what they show"]
    axes[0].set_xlabel("")
    assert not checklist(figure)["axes say what they show"]


def _points() -> tuple[Figure, Axes]:
    with matplotlib.rc_context(SETTINGS):
        figure, (ax,) = new_figure(4, 3)
        ax.set(xlim=(0, 10), ylim=(0, 10), xlabel="iteration", ylabel="loss, nats")
    return figure, ax


DATA = {
    "a line": lambda ax: ax.plot([0, 10], [9, 9], label="seen"),
    "a line of two points": lambda ax: ax.plot([8, 9.5], [5, 12], label="seen"),
    "markers": lambda ax: ax.plot([9], [9], "o", label="seen"),
    "points": lambda ax: ax.scatter([9], [9], label="seen"),
    "a bar": lambda ax: ax.bar([9], [9.5], label="seen"),
    "a band": lambda ax: ax.fill_between([7, 10], 0, 10, label="seen"),
    "intervals": lambda ax: ax.vlines([9], 0, 10, label="seen"),
    "an image": lambda ax: [ax.plot([], [], label="seen"), ax.imshow(np.eye(2), extent=(0, 10, 0, 10), aspect="auto")],
    "words": lambda ax: [ax.plot([0, 1], [0, 1], label="seen"), ax.text(8.9, 9.2, "5 nats", fontsize=12)],
}


@pytest.mark.parametrize("draw", DATA.values(), ids=list(DATA))
def test_a_legend_over_data_fails(draw) -> None:
    figure, ax = _points()
    draw(ax)
    ax.legend(loc="upper right")
    assert not checklist(figure)["legends hide no data"]


@pytest.mark.parametrize("draw", [DATA[name] for name in DATA if name != "an image"])
def test_a_legend_in_a_free_corner_or_outside_hides_nothing(draw) -> None:
    figure, ax = _points()
    draw(ax)
    corner = ax.legend(loc="center left")
    assert checklist(figure)["legends hide no data"]
    corner.remove()
    figure.legend(loc="outside lower center")
    assert checklist(figure)["legends hide no data"]


def test_lines_across_a_whole_axis_are_no_data() -> None:
    figure, ax = _points()
    ax.axhline(9, label="chance")
    ax.axvspan(8, 9)
    ax.legend(loc="upper right")
    assert checklist(figure)["legends hide no data"]


def test_a_text_with_a_background_hides_data_as_a_legend_does() -> None:
    figure, ax = _points()
    ax.plot([0, 10], [5, 5])
    words = ax.text(4, 5, "half", bbox={"facecolor": "white"})
    assert not checklist(figure)["legends hide no data"]
    words.set_y(8)
    assert checklist(figure)["legends hide no data"]


def test_what_a_panel_cuts_off_is_not_hidden() -> None:
    figure, ax = _points()
    ax.plot([0, 10], [30, 30], label="seen")
    ax.legend(loc="upper right")
    assert checklist(figure)["legends hide no data"]
