"""`nanoscope look` from the shell: one screen of answers, one folder, and one clear line for what it cannot do."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import random_model

from nanoscope import cli
from nanoscope.checkpoints.checkpoint import Checkpoint, save
from nanoscope.text.vocabulary import Vocabulary

WORDS = "the quick brown fox jumps over the lazy dog, and the dog sleeps on.\n"
Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """The command line in this process, in a folder with a model and its text: (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    vocabulary = Vocabulary.of(WORDS)
    save(Checkpoint(random_model(n_layer=2, vocab_size=len(vocabulary)), vocabulary), tmp_path / "mine" / "final")
    save(Checkpoint(random_model(vocab_size=len(vocabulary))), tmp_path / "nameless")
    (tmp_path / "words.txt").write_text(WORDS * 40)
    (tmp_path / "other.txt").write_text(WORDS * 40 + "\u00dc")

    def run(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = 0
        try:
            cli.main(["look", *map(str, arguments), "--threads", "1"])
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 0
        printed, complaint = capsys.readouterr()
        return code, printed, complaint

    return run


def test_one_command_answers_and_keeps_its_numbers(call: Call, tmp_path: Path) -> None:
    code, printed, complaint = call("mine/final", "--data", "words.txt", "--text", "the dog")
    assert (code, complaint) == (0, "")
    for asked in ("How good is it?", "Does it copy", "What matters most?", "no class", "look: copying (", "Deeper:"):
        assert asked in printed
    assert "nanoscope run induction mine/final --data words.txt" in printed
    (folder,) = (tmp_path / "runs" / "look").iterdir()
    assert folder.name.startswith("mine-")
    kept = json.loads((folder / "look.json").read_text())
    assert {"loss", "context", "ablation", "lens", "heads"} <= kept["tables"].keys()
    assert len(list(folder.glob("*.png"))) == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nameless",), "no vocabulary"),
        (("mine/final", "--data", "other.txt"), "(U+00DC)"),
        (("mine/final", "--data", "words.txt", "--text", "\u00dc"), "(U+00DC)"),
        (("missing",), "no checkpoint at missing"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_leaves_nothing(
    call: Call, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    if "--data" not in arguments:
        arguments = (*arguments, "--data", "words.txt")
    code, _, complaint = call(*arguments)
    assert (code, complaint.count("\n")) == (2, 1)
    assert said in complaint
    assert not (tmp_path / "runs").exists()
