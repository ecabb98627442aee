"""`nanoscope open`: what it makes of its arguments, and the page that it writes; serving is tested in tests/dashboard."""

from pathlib import Path

import pytest
from conftest import Call, random_model

from nanoscope.checkpoints.checkpoint import Checkpoint, save
from nanoscope.dashboard.session import Session
from nanoscope.text.vocabulary import Vocabulary

PUBLISHED = Path(__file__).parents[2] / "results"


@pytest.mark.skipif(not (PUBLISHED / "study.json").exists(), reason="no study is published in results/ yet")
def test_a_study_is_written_as_one_page(call: Call, tmp_path: Path) -> None:
    file = tmp_path / "study.html"
    code, printed, _ = call("open", PUBLISHED, "--export", file)
    assert code == 0
    assert f"page: {file}" in printed
    assert 'id="answers"' in file.read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["missing"], "no checkpoint and no study at missing"),
        (["CKPT", "--export", "page.html"], "no study is open"),
        (["CKPT", "--export", "page.txt"], "give --export such a name"),
        (["CKPT", "--port", "70000", "--no-browser"], "a port is 0"),
        (["CKPT", "--threads", "-1"], "threads must be 0"),
        (["CKPT", "--host", "192.0.2.7", "--no-browser"], "no address of this machine"),
        (["CKPT", "--host", "not an address", "--no-browser"], "is no address"),
        (["CKPT", "--dictionary", "missing"], "there is no dictionary in missing"),
    ],
)
def test_what_cannot_be_opened_is_said_in_one_line(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    save(Checkpoint(random_model(vocab_size=3), Vocabulary(tuple("abc"))), tmp_path / "CKPT")
    code, _, complaint = call("open", *arguments)
    assert code == 2
    assert words in " ".join(complaint.split())
    assert "Traceback" not in complaint


def test_an_opened_model_is_called_by_its_training() -> None:
    one, other = Path("runs/a/final"), Path("runs/a/checkpoints/step_50")
    assert Session([one, other]).names == ("a", "step_50")
    assert Session([Path("x/m/final"), Path("y/m/final"), Path("z")]).names == ("x/m", "y/m", "z")
