"""`nanoscope dictionary`: what is trained is kept and goes on, what is printed is what was measured, errors are one line."""

import importlib
import json
import re
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import random_model
from rich.console import Console

from nanoscope import cli
from nanoscope.checkpoints.checkpoint import Checkpoint, load, save
from nanoscope.cli import console
from nanoscope.dictionaries import fit, store
from nanoscope.dictionaries.measure import measured, plain
from nanoscope.dictionaries.store import load as load_dictionary
from nanoscope.text.corpora import open_corpus
from nanoscope.text.vocabulary import Vocabulary

Call = Callable[..., tuple[int, str, str]]
command = importlib.import_module("nanoscope.cli.dictionary")
SMALL = ("--latents", 20, "--k", 3, "--tokens", 20_000, "--threads", 1)
MEASURED = 600


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "letters.txt"
    letters = torch.randint(13, (9000,), generator=torch.Generator().manual_seed(0))
    path.write_text("".join("abcdefghijklm"[letter] for letter in letters))
    return path


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("random") / "model"
    save(Checkpoint(random_model(), Vocabulary(tuple("abcdefghijklm"))), where)
    return where


def trained(call: Call, path: Path, text: Path, folder: Path, *options: object) -> tuple[int, str, str]:
    return call("dictionary", "train", path, "--data", text, "--out", folder, *SMALL, *options)


def shown(call: Call, path: Path, text: Path, folder: Path, *options: object) -> tuple[int, str, str]:
    more = ("--data", text, "--tokens", MEASURED, "--threads", 1)
    return call("dictionary", "show", folder, path, *more, *options)


def test_a_dictionary_is_trained_and_shown_with_the_numbers_of_the_library(
    call: Call, path: Path, text: Path, tmp_path: Path
) -> None:
    code, printed, complaint = trained(call, path, text, tmp_path / "sae")
    assert (code, complaint) == (0, "")
    assert "dictionary of resid_post.1: 10 steps" in printed
    assert re.search(r"at the end of training: FVU 0\.\d+, L0 3\.0, alive \d+ %", " ".join(printed.split()))
    assert f"next: nanoscope dictionary show {tmp_path / 'sae'} {path}" in printed
    assert "trained already" in trained(call, path, text, tmp_path / "sae")[1]

    code, printed, complaint = shown(call, path, text, tmp_path / "sae", "--json", tmp_path / "numbers.json")
    assert (code, complaint) == (0, "")
    rows = measured(load_dictionary(tmp_path / "sae"), load(path), open_corpus(str(text)), MEASURED)
    assert [(row.coder, row.part) for row in rows] == [
        ("dictionary", "training text"), ("dictionary", "held-out text"),
        ("principal components", "held-out text"), ("coordinates", "held-out text"),
    ]  # fmt: skip
    assert {row.fidelity.tokens for row in rows} == {MEASURED // 24 * 24}
    lines = re.findall(r"^ *(dictionary|training text|PCA|coordinates) +(\S+) +(\S+) +(\d+) +(\S+)", printed, re.M)
    assert [name for name, *_ in lines] == ["dictionary", "training text", "PCA", "coordinates"]
    for row, (_, *numbers) in zip((rows[1], rows[0], *rows[2:]), lines, strict=True):
        expected = (row.fidelity.fvu, row.fidelity.l0, 100 * row.fidelity.alive, row.losses.change)
        for number, value, decimals in zip(numbers, expected, (3, 1, 0, 3), strict=True):
            assert float(number) == pytest.approx(value, abs=0.51 * 10**-decimals)
    losses = rows[1].losses
    assert f"held-out loss {losses.model:.3f} nats" in printed
    assert f"set to 0 {losses.zero - losses.model:+.3f}" in " ".join(printed.split())
    kept = json.loads((tmp_path / "numbers.json").read_text())
    assert kept == json.loads(json.dumps(plain(rows)))


def test_ctrl_c_keeps_what_was_trained_and_the_same_command_ends_at_the_same_weights(
    call: Call, path: Path, text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained(call, path, text, tmp_path / "whole")
    update = fit._update

    def stopped(state, recipe, x, y, step):
        if step == 4:
            signal.raise_signal(signal.SIGINT)
        return update(state, recipe, x, y, step)

    with monkeypatch.context() as patch:
        patch.setattr(fit, "_update", stopped)
        code, _, complaint = trained(call, path, text, tmp_path / "parts")
    kept = "5 of 10 steps are kept, and the same command goes on from there"
    assert (code, complaint) == (130, f"nanoscope: interrupted; {kept}\n")
    code, _, complaint = trained(call, path, text, tmp_path / "parts")
    assert (code, complaint) == (0, "")
    weights = [(tmp_path / name / "final" / "weights.safetensors").read_bytes() for name in ("whole", "parts")]
    assert weights[0] == weights[1]
    assert not list((tmp_path / "parts").glob("resume_*"))


def test_what_is_kept_is_said_before_anything_is_known(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "open_subject", stop)
    _, _, complaint = call("dictionary", "train", "anything")
    assert complaint == "nanoscope: interrupted; nothing was saved yet, and the same command begins anew\n"
    assert set(cli.KEPT) <= set(cli.COMMANDS)


def test_a_second_ctrl_c_says_whether_anything_was_saved(
    call: Call, path: Path, text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(fit, "_update", stopped)
    _, _, complaint = trained(call, path, text, tmp_path / "sae")
    assert complaint == "nanoscope: interrupted; nothing was saved yet, and the same command begins anew\n"
    (tmp_path / "sae" / "resume_00000003").mkdir()
    assert store._kept(tmp_path / "sae") == "3 steps are kept, and the same command goes on from there"


@pytest.mark.parametrize("asked", [(), ("--help",), ("-h",)])
def test_help_on_both_commands_is_a_list_of_them(call: Call, asked: tuple[str, ...]) -> None:
    code, printed, complaint = call("dictionary", *asked)
    assert (code, complaint) == (0, "")
    assert [line.split()[1] for line in printed.splitlines() if " dictionary " in f" {line}"] == ["train", "show"]
    code, _, complaint = call("dictionary", "tran")
    assert (code, "there is no command 'dictionary tran'" in complaint, complaint.count("\n")) == (2, True, 1)


def test_a_twin_is_another_dictionary_and_is_measured_on_the_twin(
    call: Call, path: Path, text: Path, tmp_path: Path
) -> None:
    where = ("--site", "mlp.0", "--kind", "batchtopk", "--seed", 2)
    for name, more in (("own", ()), ("twin", ("--twin",))):
        code, _, complaint = trained(call, path, text, tmp_path / name, *where, *more)
        assert (code, complaint) == (0, "")
    own, twin = (load_dictionary(tmp_path / name) for name in ("own", "twin"))
    assert (own.identity["twin"], twin.identity["twin"]) == (None, 2)
    assert not torch.allclose(own.coder.W_dec, twin.coder.W_dec)
    code, printed, _ = shown(call, path, text, tmp_path / "twin")
    assert code == 0
    assert "of an untrained twin" in printed
    assert re.search(r"^ *neurons +0", printed, re.M)
    assert re.search(r"^ *PCA +0", printed, re.M)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--site", "resid.1"), "no dictionary can be trained at 'resid.1'"),
        (("--site", "resid_post.7"), "the model has 0"),
        (("--k", 21), "k = 21 of 20 latents cannot be active"),
        (("--tokens", 0), "tokens must be at least 1, not 0"),
        (("--latents", 0), "latents and k must be at least 1"),
        (("--threads", -1), "threads must be 0"),
    ],
)
def test_a_dictionary_that_cannot_be_is_one_line(
    call: Call, path: Path, text: Path, tmp_path: Path, options: tuple[object, ...], words: str
) -> None:
    code, _, complaint = trained(call, path, text, tmp_path / "none", *options)
    assert (code, words in complaint, complaint.count("\n")) == (2, True, 1), complaint
    assert not (tmp_path / "none").exists()


def test_other_settings_in_a_folder_and_a_folder_without_a_dictionary_are_one_line(
    call: Call, path: Path, text: Path, tmp_path: Path
) -> None:
    trained(call, path, text, tmp_path / "sae")
    code, _, complaint = trained(call, path, text, tmp_path / "sae", "--seed", 3)
    assert (code, "other settings (seed: 1, not 3)" in complaint, complaint.count("\n")) == (2, True, 1)
    code, _, complaint = shown(call, path, text, tmp_path)
    assert (code, "there is no dictionary in" in complaint, complaint.count("\n")) == (2, True, 1)
    save(Checkpoint(random_model(seed=1), Vocabulary(tuple("abcdefghijklm"))), tmp_path / "other")
    code, _, complaint = shown(call, tmp_path / "other", text, tmp_path / "sae")
    assert (code, "trained on another checkpoint" in complaint, complaint.count("\n")) == (2, True, 1)
    (tmp_path / "sae" / "final" / "weights.safetensors").write_bytes(b"no weights")
    code, _, complaint = shown(call, path, text, tmp_path / "sae")
    assert (code, "is damaged" in complaint, complaint.count("\n")) == (2, True, 1)


def test_the_table_fits_60_columns(
    call: Call, path: Path, text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained(call, path, text, tmp_path / "sae")
    screen = Console(width=60, record=True, force_terminal=True, color_system=None)
    for module in (console, command):
        monkeypatch.setattr(module, "CONSOLE", screen)
    shown(call, path, text, tmp_path / "sae")
    printed = screen.export_text()
    assert "…" not in printed
    lines = [line for line in printed.splitlines() if not line.startswith("dictionary: ")]  # a log's lines stay whole
    assert [line for line in lines if len(line) > 60] == []
    assert "coordinates" in printed
