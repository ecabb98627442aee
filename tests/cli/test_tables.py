"""What is printed at 60 columns: no word is cut, and a path stays whole."""

import importlib

import pytest
from rich.console import Console

from nanoscope.analysis.attention.classes import CLASSES
from nanoscope.cli import console
from nanoscope.cli.lens import NARROW_CELL, REST, _shown
from nanoscope.views.heads import HeadSummary

NARROW = 60
PATH = "runs/mine/" + "a-long-name-" * 6 + "heads.png"
heads = importlib.import_module("nanoscope.cli.heads")


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> Console:
    screen = Console(width=NARROW, record=True, force_terminal=True, color_system=None)
    for module in (console, heads):
        monkeypatch.setattr(module, "CONSOLE", screen)
    return screen


def test_sentences_are_wrapped_at_spaces_and_a_path_stays_whole(narrow: Console) -> None:
    words = f"the result of all the heads of a model with half-precision weights is kept in {PATH} and read again\nfrom there"
    console.tell(words)
    lines = narrow.export_text().splitlines()
    assert " ".join(lines).split() == words.split()
    assert PATH in lines
    assert all(len(line) <= NARROW for line in lines if line != PATH)
    assert lines[-1] == "from there"


def test_every_class_of_heads_can_be_read(narrow: Console) -> None:
    names = [str(one) for one in CLASSES]
    rows = [
        HeadSummary(f"L{i}H11", (name,), name, 0.5, 0.01, second, 0.25, ("a", "b", -10.25))
        for i, (name, second) in enumerate(zip(names, reversed(names), strict=True))
    ]
    heads._print(tuple(rows))
    printed = narrow.export_text()
    assert "…" not in printed
    assert all(len(line) <= NARROW for line in printed.splitlines())
    words = printed.split()
    assert all(words.count(word) >= 2 for name in names for word in name.split())


@pytest.mark.parametrize("layers", [1, 2, 7, 13, 25, 49])
def test_a_narrow_lens_shows_layers_that_fit_evenly_up_to_the_last(layers: int) -> None:
    shown = _shown(layers, NARROW)
    assert shown[-1] == layers - 1
    assert len(shown) == layers or NARROW_CELL * len(shown) + REST <= NARROW
    assert layers > 7 or list(shown) == list(range(layers))
