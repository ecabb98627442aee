"""`nanoscope why`: what is printed, drawn and kept is what the library measures; what cannot be meant is one line."""

import csv
import importlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import random_model
from matplotlib.figure import Figure
from rich.console import Console

from nanoscope.checkpoints.checkpoint import Checkpoint, load, save
from nanoscope.cli import console
from nanoscope.text.vocabulary import Vocabulary
from nanoscope.views.why import Why, reason, rows, why

Call = Callable[..., tuple[int, str, str]]
LETTERS = Vocabulary(tuple("abcdefghijklm"))
TEXT = "abcdefabcda"
command = importlib.import_module("nanoscope.cli.why")


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("random") / "model"
    save(Checkpoint(random_model(bias=True), LETTERS), where)
    return where


def asked(call: Call, path: Path, folder: Path, *options: object, head: str = "L2H1") -> tuple[int, str, str]:
    return call("why", path, head, "--text", TEXT, "--threads", 1, "--out", folder / "w.png", *options)


def printed_pairs(printed: str) -> list[tuple[str, str, float, float]]:
    """The pairs of the table: both writes, nats, and the share."""
    name = r"(embed|bias|MLP\d|L\dH\d)"
    found = re.findall(rf"^\s*{name} +{name} +([+-][\d.]+) +(-?\d+) %", printed, re.MULTILINE)
    return [(one, other, float(nats), float(share) / 100) for one, other, nats, share in found]


def sums(printed: str) -> dict[str, float]:
    """Of the last two rows."""
    return {name: float(nats) for name, nats in re.findall(r"^\s*(.*pairs) +([+-][\d.]+)", printed, re.MULTILINE)}


def expected(path: Path, *where: Any, head: str = "L2H1") -> Why:
    return why(load(path), TEXT, head, *where)


def test_what_is_printed_is_what_the_library_measures(call: Call, path: Path, tmp_path: Path) -> None:
    code, printed, complaint = asked(call, path, tmp_path)
    assert (code, complaint) == (0, "")
    found = expected(path)
    assert reason(found) in " ".join(printed.split())
    shown, largest = printed_pairs(printed), found.above.largest(8)
    assert [pair[:2] for pair in shown] == [pair[:2] for pair in largest]
    for (*_, nats, share), (*_, part) in zip(shown, largest, strict=True):
        assert nats == pytest.approx(part, abs=0.006)
        assert share == pytest.approx(part / found.total, abs=0.006)
    count = sum(row["above_mean"] != 0 for row in rows(found)) - 8
    rest = found.total - sum(part for *_, part in largest)
    assert sums(printed) == {
        f"{count} other pairs": pytest.approx(rest, abs=0.006),
        "all pairs": pytest.approx(found.total, abs=0.006),
    }
    keys = re.findall(r"^ (\d+) (\w) +([\d.]+) % +([+-][\d.]+) *$", printed, re.MULTILINE)
    assert [int(at) for at, *_ in keys] == list(found.attended[:5])
    for at, symbol, share, score in keys:
        assert symbol == TEXT[int(at)]
        assert float(share) / 100 == pytest.approx(found.attention[int(at)], abs=6e-4)
        assert float(score) == pytest.approx(found.scores[int(at)], abs=0.006)
    assert (tmp_path / "w.png").read_bytes().startswith(b"\x89PNG")


def test_a_query_and_a_key_can_be_chosen_and_all_pairs_kept(
    call: Call, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Figure] = []
    monkeypatch.setattr(command, "save_figure", lambda figure, _: drawn.append(figure))
    last = expected(path, 8).attended[-1]
    options = ("--query", 8, "--key", last, "--csv", tmp_path / "w.csv", "--json", tmp_path / "w.json")
    code, printed, complaint = asked(call, path, tmp_path, *options)
    assert (code, complaint) == (0, "")
    found, kept = expected(path, 8, last), json.loads((tmp_path / "w.json").read_text())
    assert re.search(rf"^ {last} {TEXT[last]} +{100 * found.attention[last]:.1f} %", printed, re.MULTILINE), (
        "not among the top"
    )
    assert kept["pairs"] == [pytest.approx(row) for row in rows(found)]
    assert (kept["query"], kept["key"], kept["reason"]) == (8, last, reason(found))
    read = list(csv.DictReader((tmp_path / "w.csv").read_text().splitlines()))
    assert [float(row["above_mean"]) for row in read] == [row["above_mean"] for row in kept["pairs"]]
    (figure,) = drawn
    assert np.asarray(figure.axes[0].images[0].get_array()).sum() == pytest.approx(found.total)
    title = f"Why L2H1 looks from 8 {TEXT[8]} to {last} {TEXT[last]} ({100 * found.attention[last]:.0f} %)"
    assert figure.get_suptitle().replace("\n", " ").startswith(f"{title}: {found.total:+.2f} nats {TEXT[:9]}")


def test_what_a_model_lacks_is_not_listed(call: Call, tmp_path: Path) -> None:
    """Without biases the first layer has one pair."""
    save(Checkpoint(random_model(), LETTERS), tmp_path / "plain")
    _, printed, _ = asked(call, tmp_path / "plain", tmp_path, head="L0H1")
    assert [pair[:2] for pair in printed_pairs(printed)] == [("embed", "embed")]
    assert list(sums(printed)) == ["all pairs"]
    assert "--csv" not in printed


@pytest.mark.parametrize("width", [60, 80])
def test_it_fits_a_narrow_terminal(
    call: Call, tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    screen = Console(width=width, record=True, force_terminal=True, color_system=None)
    for module in (console, command):
        monkeypatch.setattr(module, "CONSOLE", screen)
    words = Vocabulary((*"abc", "antidisestablishment", *"efghijklm"))
    save(Checkpoint(random_model(n_layer=2), words), tmp_path / "words")
    text = "abc" + "antidisestablishment" * 3
    call("why", tmp_path / "words", "L1H1", "--text", text, "--key", 4, "--threads", 1, "--out", tmp_path / "w.png")
    printed = screen.export_text()
    assert "5 antidisestabl…" in printed
    assert all(len(line) <= width for line in printed.splitlines() if not line.startswith("figure: "))
    assert len(printed_pairs(printed)) == 8


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["L3H0", "--text", "abc"], "there is no head L3H0; the model has L0H0 to L2H1"),
        (["MLP0", "--text", "abc"], "'MLP0' names no head; write one as L4H2"),
        (["L0H0", "--text", "abc", "--query", 3], "there is no position 3 in a text of 3 tokens"),
        (["L0H0", "--text", "abc", "--query", 1, "--key", 2], "query 1 cannot see key 2"),
        (["L0H0", "--text", "abc" * 9], "the text has 27 tokens, and the model reads 24"),
        (["L0H0", "--text", ""], "at least two tokens"),
        (["L0H0", "--text", "aéc"], "'é'"),
        (["L0H0", "--text", "abc", "--csv", "a", "--json", "a"], "--csv and --json name the same file; give two"),
        (["L0H0", "--text", "abc", "--out", "w.jpg"], "figures are written as .png, .svg or .pdf, not 'w.jpg'"),
    ],
)
def test_what_cannot_be_meant_is_one_line(
    call: Call, path: Path, tmp_path: Path, options: list[object], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, complaint = call("why", path, *options, "--threads", 1)
    assert (code, complaint.count("\n")) == (2, 1)
    assert complaint.startswith("nanoscope: ")
    assert words in complaint
    assert not list(tmp_path.iterdir())


def test_a_model_with_norms_after_additions_is_refused(call: Call, tmp_path: Path) -> None:
    save(Checkpoint(random_model(norm_position="post", final_norm=False), LETTERS), tmp_path / "post")
    code, _, complaint = asked(call, tmp_path / "post", tmp_path)
    assert (code, "norms come after additions" in complaint, complaint.count("\n")) == (2, True, 1)
