"""The checklist for figures: a readable one passes, and each way of being unreadable fails its own check."""

import matplotlib
import numpy as np
import pytest
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
