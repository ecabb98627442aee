"""Texts of figures: literal, in a font that has them, broken where they are too long."""

import warnings
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from toys.figure_texts import ticks, title

from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.heads.figures import sentence as grid
from nanoscope.experiments.lenses.figures import sentence as lens
from nanoscope.plots.fonts import families, missing
from nanoscope.plots.neuron_cards import on_text
from nanoscope.plots.quality import CHECKS, checklist
from nanoscope.plots.saving import save
from nanoscope.plots.style import new_figure, powers_of_ten, styled, visible_character, wrapped
from nanoscope.plots.sweep import sweep_effects

MARKUP = r"$\frac_^$ x_1 % #~& {a"
"""Read as a formula it would be an error."""


def _lens(text: str) -> Figure:
    values = np.full((2, 2, len(text)), 0.0)
    coords = {"measure": ("top", "chance"), "place": tuple(text)}
    return lens(Sweep(values, ("measure", "layer", "place"), "", coords), tuple(text), "logit lens", text)


def _sweep(text: str) -> Figure:
    effect = np.full((2, 2, len(text)), 0.5)
    coords = {"direction": ("denoise", "noise"), "pos": tuple(f"{n} {one}" for n, one in enumerate(text))}
    return sweep_effects(Sweep(effect, ("direction", "layer", "pos"), "share of the difference", coords), text)


def _grid(text: str) -> Figure:
    patterns = np.full((1, 1, len(text), len(text)), 0.5)
    return grid(Sweep(patterns, ("layer", "head", "query", "key"), "", {"key": tuple(text)}), [[text]], text)


def _neurons(text: str) -> Figure:
    return on_text(np.full((2, len(text)), 0.5), list(text), [text, "L0N1"], text)


DRAWN = {"lens": _lens, "sweep": _sweep, "grid": _grid, "neurons": _neurons}


@pytest.mark.parametrize("draw", DRAWN.values(), ids=list(DRAWN))
def test_a_users_text_is_drawn_as_it_is_typed(draw, tmp_path: Path) -> None:
    figure = draw(MARKUP)
    save(figure, tmp_path / "figure.png")
    assert MARKUP in [text.get_text() for text in figure.findobj(Text)] or MARKUP in title(figure)


@pytest.mark.parametrize("draw", DRAWN.values(), ids=list(DRAWN))
@pytest.mark.parametrize("text", ["a", "ab"])
def test_the_shortest_texts_give_a_readable_figure(draw, text: str) -> None:
    assert checklist(draw(text)) == dict.fromkeys(CHECKS, True)


def test_characters_that_no_font_has_are_named_once_and_drawn_without_a_warning(tmp_path: Path) -> None:
    figure = _lens("a日b日語é")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        save(figure, tmp_path / "figure.png")
        checklist(figure)
    installed = set(families()) - {"DejaVu Sans", "STIXGeneral"}
    assert missing(figure) == "日語" or installed
    assert missing(_lens("aé↵⇥")) == ""


def test_a_fallback_font_has_what_the_first_lacks() -> None:
    """U+2315 is in STIXGeneral, which comes with matplotlib, and not in DejaVu Sans."""
    figure, (ax,) = new_figure(2, 2)
    ax.set_title("\u2315 of a text")
    assert missing(figure) == ""


def test_outlines_of_letters_count_as_text() -> None:
    figure = _grid("ab" * 10 + "\U0010fffd")
    assert missing(figure) == "\U0010fffd"


@pytest.mark.parametrize(
    ("symbol", "shown"),
    [
        *[
            ("\n", "↵"),
            (" ", "␣"),
            ("\t", "⇥"),
            ("\x1b", r"\x1b"),
            ("\r", r"\r"),
            ("\xa0", r"\xa0"),
            ("é", "é"),
            ("$", "$"),
        ],
        *[(" the", "␣the"), ("\n\n", "↵↵"), ("of the ", "of the␣"), ("  ", "␣␣"), ("0xe2 0x80", "0xe2 0x80")],
        ("incomprehensibilities", "incomprehensi…"),
    ],
)
def test_every_symbol_has_a_visible_form(symbol: str, shown: str) -> None:
    assert visible_character(symbol) == shown


def test_a_long_title_is_broken_and_stays_inside_the_page() -> None:
    @styled
    def draw() -> Figure:
        figure, (ax,) = new_figure(4, 3)
        ax.set(xlabel="x", ylabel="y")
        figure.suptitle(
            "the model " + "some/long/path/" * 8 + " and what it does", x=0.01, ha="left", fontweight="bold"
        )
        return figure

    figure = draw()
    assert title(figure).count("\n") >= 3
    assert checklist(figure)["nothing cut off"]
    assert wrapped("short", 4) == "short"
    assert wrapped("two\nlines", 4) == "two\nlines"


def test_decades_are_written_in_plain_characters(tmp_path: Path) -> None:
    @styled
    def draw() -> Figure:
        figure, (ax,) = new_figure(3, 3)
        ax.plot([1, 2], [1e-3, 1e4])
        ax.set(yscale="log", xlabel="x", ylabel="y")
        powers_of_ten(ax.yaxis)
        return figure

    figure = draw()
    save(figure, tmp_path / "figure.png")
    shown = ticks(figure.axes[0].yaxis)
    assert {"10⁻³", "10⁴"} <= set(shown)
    assert not any("$" in one or "{" in one for one in shown)


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_the_same_figure_is_the_same_bytes(tmp_path: Path, suffix: str) -> None:
    written = []
    for name in ("one", "other"):
        save(_sweep("ab"), tmp_path / f"{name}{suffix}")
        written.append((tmp_path / f"{name}{suffix}").read_bytes())
    assert written[0] == written[1]
