"""`nanoscope sample`: the text that is printed is the library's, side by side or below, and errors are one line."""

import re
from pathlib import Path

import pytest
import torch
from conftest import random_model
from rich.console import Console

from nanoscope import cli
from nanoscope.checkpoints.checkpoint import Checkpoint, load, save
from nanoscope.cli import sample
from nanoscope.interventions.edits import add, mean, zero
from nanoscope.interventions.generate import generate
from nanoscope.interventions.run import run
from nanoscope.model.sites import Site
from nanoscope.text.tokenizer import Bytes
from nanoscope.text.vocabulary import Vocabulary
from nanoscope.views.sample import Sampling, without, writing

SYMBOLS = Vocabulary(tuple("\nabcdefghijkl"))
LINE = "abcdefghijkl\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sample")
    save(Checkpoint(random_model(), SYMBOLS), path / "model")
    (path / "words.txt").write_text(LINE * 100)
    return path


@pytest.fixture
def said(folder: Path, capsys: pytest.CaptureFixture[str]):
    def ask(*arguments: str) -> str:
        cli.main(["sample", str(folder / "model"), "--length", "10", *arguments])
        return capsys.readouterr().out

    return ask


def written(folder: Path, seed: int, *edits: object, start: str = "abba") -> str:
    return generate(load(folder / "model"), start, steps=10, temperature=0.8, seed=seed, edits=edits)


def test_the_text_is_the_one_of_the_library(folder: Path, said) -> None:
    assert said("--start", "abba") == written(folder, 1) + "\n"
    assert said() == written(folder, 1, start="\n") + "\n"
    two = said("--start", "abba", "--samples", "2", "--seed", "6")
    assert two == "".join(f"--- seed {seed}\n{written(folder, seed)}\n" for seed in (6, 7))


def test_without_and_steer_are_edits_of_the_library(folder: Path, said) -> None:
    checkpoint, data = load(folder / "model"), str(folder / "words.txt")
    means = without(checkpoint, ["L0H1", "L1.mlp"], LINE * 10, "it").edits
    cache = run(checkpoint, (LINE * 10)[:24], keep=["z", "mlp_out"]).cache
    by_hand = [mean(site, cache, ("batch", "pos")).to for site in (Site("z", 0, head=1), Site("mlp_out", 1))]
    assert [edit.site for edit in means] == [Site("z", 0, head=1), Site("mlp_out", 1)]
    assert all(edit.to.shape == one.shape for edit, one in zip(means, by_hand, strict=True))
    printed = said("--start", "abba", "--without", "L0H1", "--data", data)
    assert "replaced by the mean over the validation text of words" in printed
    assert written(folder, 1) in printed

    ends = [run(checkpoint, text, keep=["resid_pre"]).cache["resid_pre", 2].mean((0, 1)) for text in ("jkl", "abc")]
    steered = add(Site("resid_pre", 2), 3.0 * (ends[0] - ends[1]))
    printed = said("--start", "abba", "--steer", "abc", "jkl", "--layer", "2", "--strength", "3")
    plain, changed = printed.split("[changed]\n")
    assert plain.endswith(f"[as it is]\n{written(folder, 1)}\n")
    assert changed.startswith(written(folder, 1, steered) + "\n")
    part = int(re.search(r"part after (\d+) characters", changed)[1])
    whole, other = written(folder, 1)[4:], written(folder, 1, steered)[4:]
    assert whole[:part] == other[:part]
    assert whole[part] != other[part]


def test_without_a_text_that_the_model_can_read_a_part_is_set_to_zero(folder: Path, said, shakespeare) -> None:
    printed = said("--start", "abba", "--without", "L0H1")
    assert "set to zero (no text to average over: this model's 13 symbols" in printed
    assert written(folder, 1, zero(Site("z", 0, head=1))) in printed


@pytest.mark.parametrize(("width", "beside"), [(80, True), (60, False)])
def test_two_texts_stand_side_by_side_where_the_terminal_is_wide(
    folder: Path, said, monkeypatch: pytest.MonkeyPatch, width: int, beside: bool
) -> None:
    console = Console(force_terminal=True, width=width, height=40, no_color=True, record=True)
    monkeypatch.setattr(sample, "CONSOLE", console)
    said("--start", "abba", "--steer", "abc", "jkl")
    assert (re.search(r"as it is +changed", console.export_text()) is not None) == beside


def test_what_cannot_be_meant_is_one_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for wrong, message in (
        (["--without", "L0H9"], "there is no head 9; the model has 0..1"),
        (["--without", "H3"], "write a head as L0H4"),
        (["--start", "Abba"], "character 'A'"),
        (["--length", "0"], "length must be at least 1"),
        (["--samples", "0"], "samples must be at least 1"),
        (["--temperature", "-1"], "temperature must be"),
        (["--layer", "1"], "belong to --steer"),
        (["--steer", "abc", "jkl", "--layer", "3"], "no layer 3"),
        (["--without", "L0H0", "--data", "nowhere.txt"], "cannot read nowhere.txt"),
    ):
        with pytest.raises(SystemExit) as stop:
            cli.main(["sample", str(folder / "model"), "--length", "3", *wrong])
        complaint = capsys.readouterr().err
        assert (stop.value.code, complaint.count("\n")) == (2, 1), complaint
        assert message in complaint


def test_a_character_of_several_bytes_comes_whole() -> None:
    """Every piece but the last is text as it would be read; together they are what the tokens spell."""
    torch.manual_seed(0)
    checkpoint = Checkpoint(random_model(vocab_size=256), Bytes())
    pieces = list(writing(checkpoint, "é", 20, Sampling(1.0, seed=2)))
    new = generate(checkpoint, checkpoint.encode("é"), steps=20, seed=2)[2:]
    assert "".join(pieces) == checkpoint.decode(new)
