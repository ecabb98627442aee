"""A nanoGPT checkout as it is: what opens, what is said where something does not fit, and on what terminal."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import random_model

from nanoscope import cli
from nanoscope.checkpoints.checkpoint import Checkpoint, save
from nanoscope.text import corpora
from nanoscope.text.corpora import Corpus
from nanoscope.text.vocabulary import Vocabulary
from nanoscope.text.vocabulary_files import write_meta

LETTERS = Vocabulary.of("abcdefghijk \n")
SOURCE = str(Path(cli.__file__).parents[2])
CKPT = "out-letters/ckpt.pt"
TEXT = "a bad cabbage"
PAIR = ("abc a", "abd b")
Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """nanoGPT's folder, with a model of 13 characters and their meta.pkl under `data`; the working folder."""
    model, root = random_model(vocab_size=13), tmp_path / "nanoGPT"
    (root / "out-letters").mkdir(parents=True)
    (root / "data" / "letters").mkdir(parents=True)
    args = {"n_head": 2, "bias": False}
    torch.save({"model": model.state_dict(), "model_args": args, "config": {"dataset": "letters"}}, root / CKPT)
    (root / "data" / "letters" / "meta.pkl").write_bytes(write_meta(LETTERS))
    monkeypatch.chdir(root)
    monkeypatch.setattr(corpora, "open_corpus", lambda *_: Corpus("tiny-shakespeare", "First Citizen:\nSpeak.\n" * 60))
    return root


@pytest.mark.parametrize(
    "command", [("lens", CKPT, "--text", TEXT), ("patch", CKPT, *PAIR), ("lens", "out-letters", "--text", TEXT)]
)
def test_a_checkout_works_as_it_is(call: Call, checkout: Path, command: tuple[str, ...]):
    code, printed, complaint = call(*command, "--threads", 1)
    assert (code, complaint) == (0, "")
    assert "figure: " in printed


COMMANDS = {
    **{name: (name, CKPT, "--text", "abc") for name in ("lens", "heads", "neurons")},
    "patch": ("patch", CKPT, *PAIR),
    "circuit": ("circuit", CKPT, *PAIR),
    "why": ("why", CKPT, "L0H0", "--text", "abc"),
    "run": ("run", "induction", CKPT),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_without_a_vocabulary_every_command_says_the_same(call: Call, checkout: Path, name: str):
    (checkout / "data" / "letters" / "meta.pkl").unlink()
    code, _, complaint = call(*COMMANDS[name])
    assert (code, complaint.count("\n")) == (2, 1)
    assert complaint == (
        f"nanoscope: {CKPT} has no vocabulary, so no text can be read into it: there is no meta.pkl beside it, and no "
        "data/letters/meta.pkl in the working folder or a folder above the checkpoint; give it with --vocabulary FILE: a "
        "meta.pkl, a .json table, a tokenizer.json, or the training text for its characters\n"
    )
    assert not (checkout / "runs" / "mine" / "results").exists()


def test_a_vocabulary_can_be_given_as_the_training_text(call: Call, checkout: Path):
    (checkout / "data" / "letters" / "meta.pkl").unlink()
    (checkout / "input.txt").write_text("abcdefghijk \n")
    code, printed, _ = call("lens", CKPT, "--text", TEXT, "--vocabulary", "input.txt")
    assert (code, "figure: " in printed) == (0, True)


@pytest.mark.parametrize("name", ["lens", "heads", "neurons", "run"])
def test_a_model_of_another_text_is_told_to_give_it(call: Call, checkout: Path, name: str):
    arguments = COMMANDS[name][:2] if name != "run" else COMMANDS[name]
    code, _, complaint = call(*arguments)
    assert (code, complaint.count("\n")) == (2, 1)
    assert "this model's 13 symbols are not tiny Shakespeare's" in complaint
    (checkout / "data" / "letters" / "input.txt").write_text("abc")
    assert call(*arguments)[2].endswith("give its text with --data data/letters/input.txt\n")


def test_a_model_whose_alphabet_covers_the_default_text_is_measured_on_it_with_a_note(
    call: Call, checkout: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(corpora, "open_corpus", lambda *_: Corpus("tiny-shakespeare", "a bad cabbage\n\n" * 90))
    code, printed, _ = call("lens", CKPT)
    assert code == 0
    told = " ".join(printed.split())
    assert "note: measured on tiny-shakespeare, though the model is of letters; give its text with --data" in told


@pytest.mark.parametrize(
    "command", [("lens", CKPT, "--text", "abc " * 9), ("patch", CKPT, "c" * 30 + "a", "c" * 29 + "ab")]
)
def test_a_text_longer_than_the_context_is_cut_with_a_note(call: Call, checkout: Path, command: tuple[str, ...]):
    code, printed, complaint = call(*command)
    assert (code, complaint) == (0, "")
    assert printed.count("longer than the model's context of 24") == 1


def test_following_a_training_needs_one_and_says_so_at_once(
    call: Call, checkout: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("nanoscope.checkpoints.checkpoint.load", lambda *_, **__: pytest.fail("a model was opened"))
    code, _, complaint = call("run", "emergence", CKPT)
    assert (code, complaint.count("\n")) == (2, 1)
    assert complaint.startswith(f"nanoscope: emergence reads the checkpoints of a training, and none lie beside {CKPT}")


def test_an_ascii_log_of_sixty_columns_without_colours(tmp_path: Path):
    save(Checkpoint(random_model(vocab_size=15, n_layer=6), Vocabulary.of("abcdefghijk \n\té")), tmp_path / "model")
    environment = {**os.environ, "PYTHONPATH": SOURCE, "PYTHONIOENCODING": "ascii", "NO_COLOR": "1", "COLUMNS": "60"}
    command = [
        Path(sys.executable).with_name("nanoscope"),
        "lens",
        "model",
        "--text",
        "a é\tbabe\r\nhid",
        "--threads",
        "1",
    ]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=False)
    assert (done.stderr, done.returncode) == (b"", 0)
    printed = done.stdout.decode("ascii")
    assert max(map(len, printed.splitlines())) <= 66
    assert printed.count("line ends") == 1
    assert "\\xe9" in printed
    assert "\x1b" not in printed
