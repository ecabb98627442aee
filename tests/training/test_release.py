"""Released models: the rounded weights exactly, whole or not at all, and no damaged part goes unseen."""

import json
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import reference
import safetensors.torch
import torch
from conftest import random_model, random_tokens
from hypothesis import given, settings
from hypothesis import strategies as st

from nanoscope import cli, files
from nanoscope.checkpoints import file_parts
from nanoscope.checkpoints.checkpoint import Checkpoint, load, save
from nanoscope.checkpoints.exports import export
from nanoscope.errors import NanoscopeError
from nanoscope.model.gpt import GPT
from nanoscope.text.corpora import SHAKESPEARE, WIKITEXT, Corpus, python_source
from nanoscope.text.corpora.licences import STANDARD_LIBRARY, TERMS, UNKNOWN, terms
from nanoscope.text.vocabulary import Vocabulary
from nanoscope.training.model_card import card
from nanoscope.training.release import consecutive_windows, evaluate, release

ROOT = Path(__file__).parents[2]
CORPUS = Corpus("letters", "abcdefghijklm" * 60)
TOLD = {"iterations": 5, "batch_size": 4, "accumulation": 1, "seed": 1, "learning_rate": 1e-3, "min_learning_rate": 1e-4,
        "precision": "float32", "betas": [0.9, 0.99], "weight_decay": 0.125, "step": 5}  # fmt: skip
LIMIT = 7_000


def make(**changes: Any) -> Checkpoint:
    return Checkpoint(random_model(**changes), Vocabulary.of(CORPUS.text), "letters", TOLD)


def trained(folder: Path, **changes: Any) -> Checkpoint:
    """One that lies on disk, so it has a checksum, and whose loss is on record."""
    checkpoint = make(**changes)
    loss = evaluate(checkpoint.model, consecutive_windows(checkpoint.encode(CORPUS.val), 24))
    return save(replace(checkpoint, training={**TOLD, "val_loss": loss}), folder)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def parts_of(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.part-*"))


def bits(model: GPT) -> dict[str, bytes]:
    return {name: value.contiguous().view(torch.int32).numpy().tobytes() for name, value in model.state_dict().items()}


# ---- the weights ---------------------------------------------------------------------------------------------------


@settings(max_examples=12, deadline=None)
@given(
    changes=st.fixed_dictionaries(
        {
            "bias": st.booleans(),
            "tied_head": st.booleans(),
            "attention_only": st.booleans(),
            "n_layer": st.integers(1, 3),
            "seed": st.integers(0, 99),
        }
    ),
    limit=st.sampled_from([501, 4_096, LIMIT, 10**6]),
)
def test_what_is_opened_is_the_rounded_model_bit_for_bit(
    changes: dict[str, Any], limit: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("property") / "trained_models" / "letters-1"
    checkpoint = make(**changes)
    released = release(checkpoint, CORPUS, folder, limit)
    rounded = {name: value.half().float() for name, value in checkpoint.model.state_dict().items()}
    checkpoint.model.load_state_dict(rounded)
    assert bits(released.model) == bits(checkpoint.model)
    assert released.notes == ("its weights were stored in half precision",)
    assert all(path.stat().st_size <= limit for path in parts_of(folder))
    state = safetensors.torch.load(b"".join(path.read_bytes() for path in parts_of(folder)))
    assert {value.dtype for value in state.values()} == {torch.float16}
    assert ("transformer.wte.weight" in state) != changes["tied_head"]  # a tied head is stored once


def test_rounding_keeps_signed_zeros_and_flushes_what_is_too_small(tmp_path: Path) -> None:
    checkpoint = make()
    weight = checkpoint.model.blocks[0].attn.c_proj.weight
    weight[0, :5] = torch.tensor([-0.0, 1e-45, -1e-9, 65504.0, 1 + 2**-12])
    opened = release(checkpoint, CORPUS, tmp_path / "m").model.blocks[0].attn.c_proj.weight[0, :5]
    assert opened.tolist() == [0.0, 0.0, 0.0, 65504.0, 1.0]
    assert opened.signbit().tolist() == [True, False, True, False, False]


@pytest.mark.parametrize("value", [65520.0, -1e6, float("nan"), float("inf")])
def test_weights_that_sixteen_bits_cannot_hold_are_refused_and_nothing_is_written(value: float, tmp_path: Path) -> None:
    checkpoint = make()
    checkpoint.model.blocks[0].attn.c_proj.weight[0, 0] = value
    with pytest.raises(NanoscopeError, match=r"transformer.h.0.attn.c_proj.weight holds values that 16 bits cannot"):
        release(checkpoint, CORPUS, tmp_path / "m")
    assert not list(tmp_path.iterdir())


# ---- identities ----------------------------------------------------------------------------------------------------


def test_a_release_of_a_release_is_the_same_bytes(tmp_path: Path) -> None:
    first, second = tmp_path / "a" / "models" / "letters-1", tmp_path / "b" / "models" / "letters-1"
    released = release(trained(tmp_path / "final"), CORPUS, first, LIMIT)
    again = release(load(first), CORPUS, second, LIMIT)
    assert len(parts_of(first)) > 1
    assert contents(first) == contents(second)
    assert again.sha256 == released.sha256


def test_releasing_twice_opens_what_is_there_and_only_renews_its_card(tmp_path: Path) -> None:
    checkpoint, folder = trained(tmp_path / "final"), tmp_path / "m"
    sha256, before = release(checkpoint, CORPUS, folder, LIMIT).sha256, contents(folder)
    (folder / "README.md").write_text("an older card")
    assert release(load(tmp_path / "final"), CORPUS, folder, LIMIT).sha256 == sha256
    assert contents(folder) == before
    assert release(load(folder), CORPUS, folder).sha256 == sha256


def test_another_checkpoint_never_passes_for_the_one_that_is_there(tmp_path: Path) -> None:
    release(trained(tmp_path / "one"), CORPUS, tmp_path / "m")
    before = contents(tmp_path / "m")
    for other in (trained(tmp_path / "two", seed=1), replace(load(tmp_path / "one"), sha256="another")):
        with pytest.raises(NanoscopeError, match="m holds a release of another checkpoint"):
            release(other, CORPUS, tmp_path / "m")
    assert contents(tmp_path / "m") == before


def test_unsaved_checkpoints_are_told_apart_by_their_weights(tmp_path: Path) -> None:
    release(make(), CORPUS, tmp_path / "m")
    with pytest.raises(NanoscopeError, match="another checkpoint"):
        release(make(seed=1), CORPUS, tmp_path / "m")


def test_the_checksum_is_the_one_that_any_checkpoint_has(tmp_path: Path) -> None:
    """One rule: the digest of the joined weights and of everything said about them but the digest itself."""
    released = release(make(), CORPUS, tmp_path / "m", LIMIT)
    said = json.loads((tmp_path / "m" / "checkpoint.json").read_text())
    assert said.pop("sha256") == released.sha256
    joined = b"".join(path.read_bytes() for path in parts_of(tmp_path / "m"))
    assert files.sha256(joined + files.canonical_json(said).encode()) == released.sha256


@pytest.mark.parametrize("bias", [False, True])
def test_nanogpts_export_of_a_release_is_plain_torch_and_computes_the_same(bias: bool, tmp_path: Path) -> None:
    released = release(make(bias=bias), CORPUS, tmp_path / "m")
    export(released, tmp_path / "ckpt.pt")
    plain = torch.load(tmp_path / "ckpt.pt", weights_only=True)
    assert plain["model_args"]["n_embd"] == 16
    assert plain["best_val_loss"] == released.training["val_loss"]
    assert {value.dtype for value in plain["model"].values()} == {torch.float32}
    twin = random_model(seed=5, bias=bias)
    twin.load_state_dict(plain["model"])
    tokens = random_tokens(twin)
    torch.testing.assert_close(reference.logits(twin, tokens), released.model(tokens), atol=1e-4, rtol=1e-5)


# ---- whole or not at all -------------------------------------------------------------------------------------------


def test_every_byte_of_every_part_is_watched(tmp_path: Path) -> None:
    release(make(), CORPUS, tmp_path / "m", LIMIT)
    for part in parts_of(tmp_path / "m"):
        good = part.read_bytes()
        for place in (0, len(good) // 2, len(good) - 1):
            part.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
            with pytest.raises(NanoscopeError, match=rf"^\S+{part.name} has been changed or damaged"):
                load(tmp_path / "m")
        for length in (good[:-1], good + b"\0"):
            part.write_bytes(length)
            with pytest.raises(NanoscopeError, match=rf"^\S+{part.name} has been changed or damaged"):
                load(tmp_path / "m")
        part.unlink()
        with pytest.raises(NanoscopeError, match=rf"^\S+{part.name} is missing, .*copy it again"):
            load(tmp_path / "m")
        part.mkdir()
        with pytest.raises(NanoscopeError, match=rf"^\S+{part.name} cannot be read"):
            load(tmp_path / "m")
        part.rmdir()
        part.write_bytes(good)
    load(tmp_path / "m")


@pytest.mark.parametrize(
    "listed", [3, None, ["a"], {"../other/model.safetensors": "0"}, {"..": "0"}, {"": "0"}], ids=str
)
def test_a_damaged_list_of_parts_is_one_line_and_reads_nothing_elsewhere(listed: Any, tmp_path: Path) -> None:
    release(make(), CORPUS, tmp_path / "m")
    page = tmp_path / "m" / "checkpoint.json"
    page.write_text(json.dumps({**json.loads(page.read_text()), "parts": listed}))
    with pytest.raises(NanoscopeError, match="the list of its parts is damaged"):
        load(tmp_path / "m")


def test_a_part_that_is_left_out_of_the_list_is_missed(tmp_path: Path) -> None:
    release(make(), CORPUS, tmp_path / "m", LIMIT)
    page = tmp_path / "m" / "checkpoint.json"
    said = json.loads(page.read_text())
    said["parts"].pop(parts_of(tmp_path / "m")[-1].name)
    page.write_text(json.dumps(said))
    with pytest.raises(NanoscopeError, match="has been changed or damaged"):
        load(tmp_path / "m")


def test_a_release_appears_in_one_rename_with_its_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []
    rename = os.rename

    def watched(old: Path, new: Path) -> None:
        seen.append(sorted(path.name for path in Path(old).iterdir()))
        assert not Path(new).exists()
        rename(old, new)

    monkeypatch.setattr(os, "rename", watched)
    release(make(), CORPUS, tmp_path / "m")
    assert seen == [sorted(contents(tmp_path / "m"))]
    assert {"README.md", "checkpoint.json"} < set(seen[0])


@pytest.mark.parametrize("written", [0, 1, 2, 3])
def test_a_disk_that_fills_up_leaves_nothing(written: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left, write = [written], Path.write_bytes

    def failing(path: Path, data: bytes) -> int:
        if left[0] == 0:
            raise OSError(28, "No space left on device")
        left[0] -= 1
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", failing)
    with pytest.raises(NanoscopeError, match="No space left on device; nothing was changed"):
        release(make(), CORPUS, tmp_path / "m", LIMIT)
    assert not list(tmp_path.iterdir())


@given(data=st.binary(min_size=1, max_size=300), limit=st.integers(1, 320))
def test_parts_join_to_what_was_split_and_none_is_too_large(data: bytes, limit: int) -> None:
    pieces = file_parts.split("f", data, limit)
    assert b"".join(pieces.values()) == data
    assert all(0 < len(piece) <= limit for piece in pieces.values())
    assert len(pieces) == -(-len(data) // limit)


def test_a_part_without_room_is_refused() -> None:
    with pytest.raises(NanoscopeError, match="at least 1 byte"):
        file_parts.split("f", b"abc", 0)


# ---- what is said --------------------------------------------------------------------------------------------------


def test_the_record_says_what_was_measured(tmp_path: Path) -> None:
    """The loss of the released weights, the original's, and how far their logits are apart, measured anew here."""
    checkpoint = trained(tmp_path / "final")
    released = release(checkpoint, CORPUS, tmp_path / "m")
    told, windows = released.training, consecutive_windows(checkpoint.encode(CORPUS.val), 24)
    assert told["val_loss"] == evaluate(released.model, windows)
    assert told["val_loss_float32"] == evaluate(checkpoint.model, windows) == checkpoint.training["val_loss"]
    apart = (checkpoint.model(windows[:, :-1]) - released.model(windows[:, :-1])).abs().max()  # fewer than 64 windows
    assert told["largest_difference"] == pytest.approx(float(apart), rel=1e-3)
    assert told["released_from"] == load(tmp_path / "final").sha256
    assert {**told, **checkpoint.training, "val_loss": told["val_loss"]} == told


def test_a_model_of_sixteen_bits_loses_nothing(tmp_path: Path) -> None:
    """The other end: where rounding changes no weight, no logit and no loss differs."""
    checkpoint = make()
    for parameter in checkpoint.model.parameters():
        parameter.copy_(parameter.half().float())
    told = release(checkpoint, CORPUS, tmp_path / "m").training
    assert told["largest_difference"] == 0
    assert told["val_loss"] == told["val_loss_float32"]


def test_the_card_says_all_of_it(tmp_path: Path) -> None:
    folder = tmp_path / "trained_models" / "letters-1"
    released = release(trained(tmp_path / "final"), CORPUS, folder, LIMIT)
    page, told = (folder / "README.md").read_text(), released.training
    listed = json.loads((folder / "checkpoint.json").read_text())["parts"]
    joined = b"".join(path.read_bytes() for path in parts_of(folder))
    for said in (
        "# letters-1\n",
        f"{told['val_loss']:.4f} nats",
        f"before rounding {told['val_loss_float32']:.4f}",
        f"{told['largest_difference']:.4f}",
        f"{released.model.parameter_count:,}",
        "3 layers, 2 heads, width 16, context 24, no biases, tied head",
        "5 iterations of 4 x 24 characters, seed 1, learning rate 0.001 to 0.0001, dropout 0, float32",
        "| `betas` | 0.9, 0.99 |",
        "| `weight_decay` | 0.125 |",
        "nanoscope run induction trained_models/letters-1\n",
        'ns.load("trained_models/letters-1")',
        released.sha256,
        told["released_from"],
        files.sha256(joined),
        f"{len(joined):,}",
        *listed.values(),
    ):
        assert said in page, said
    assert str(tmp_path) not in page


def test_a_changed_number_changes_the_card(tmp_path: Path) -> None:
    """Every number is rendered: change one in the record and the page says the new one, and the old one nowhere."""
    released = release(trained(tmp_path / "final"), CORPUS, tmp_path / "m", LIMIT)
    for name in ("val_loss", "val_loss_float32", "largest_difference", "iterations", "seed", "weight_decay"):
        other = replace(released, training={**released.training, name: 777.25})
        assert card(other, tmp_path / "m", contents(tmp_path / "m")).count("777.25") >= 1, name


def test_the_card_of_a_copying_control_says_what_it_was_trained_on(tmp_path: Path) -> None:
    """Its loss on ordinary text says nothing of what it learned; that on windows with copies does."""
    released = release(trained(tmp_path / "final"), CORPUS, tmp_path / "m", LIMIT)
    assert "random characters" not in (tmp_path / "m" / "README.md").read_text()
    echoed = {**released.training, "data": "echo", "copied": 0.5, "val_loss_own_data": 777.25}
    said = card(replace(released, training=echoed), tmp_path / "m", contents(tmp_path / "m"))
    assert "its copy were written over 50% of the windows; the loss on such windows is 777.25" in said


def test_texts_with_names_have_terms() -> None:
    assert set(TERMS) == {SHAKESPEARE, WIKITEXT}
    assert terms(python_source().name) == STANDARD_LIBRARY
    assert terms("letters") == UNKNOWN


# ---- what cannot be released ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("training", "corpus", "message"),
    [
        ({"learning_rate": 1e-3, "batch_size": 4}, CORPUS, "only a checkpoint that nanoscope trained"),
        (TOLD, replace(CORPUS, name="other"), "was trained on letters, and this text is other"),
        (TOLD | {"val_loss": 0.5}, CORPUS, "it is not the letters that the model was trained on"),
        (TOLD | {"val_loss": float("nan")}, CORPUS, "it is not the letters that the model was trained on"),
    ],
)
def test_what_the_card_could_not_say_honestly_is_refused(
    training: dict[str, Any], corpus: Corpus, message: str, tmp_path: Path
) -> None:
    with pytest.raises(NanoscopeError, match=message):
        release(replace(make(), training=training), corpus, tmp_path / "m")
    assert not list(tmp_path.iterdir())


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "notes.txt").write_text("mine")
    with pytest.raises(NanoscopeError, match=r"m is not a checkpoint: checkpoint\.json is missing"):
        release(make(), CORPUS, tmp_path / "m")
    assert contents(tmp_path / "m") == {"notes.txt": b"mine"}


# ---- outside -------------------------------------------------------------------------------------------------------


def test_the_command_releases_and_what_opens_checkpoints_opens_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, folder = tmp_path / "letters.txt", tmp_path / "trained_models" / "letters-1"
    text.write_text(CORPUS.text * 2)
    whole = Corpus("letters", CORPUS.text * 2)
    checkpoint = save(make(), tmp_path / "final")
    loss = evaluate(checkpoint.model, consecutive_windows(checkpoint.encode(whole.val), 24))
    cli.main(["release", str(tmp_path / "final"), str(folder), "--data", str(text)])
    printed = capsys.readouterr().out
    assert f"before rounding {loss:.4f}" in printed
    cli.main(["check", str(folder)])
    assert "note: its weights were stored in half precision" in capsys.readouterr().out
    cli.main(["export", str(folder), str(tmp_path / "ckpt.pt")])
    assert bits(load(tmp_path / "ckpt.pt").model) == bits(load(folder).model)


@pytest.mark.skipif(shutil.which("git") is None or not (ROOT / ".git").exists(), reason="not in a git checkout")
def test_git_takes_released_folders_and_leaves_training_files_out() -> None:
    names = ["README.md", "checkpoint.json", "model.safetensors.part-01-of-02"]
    wanted = [f"trained_models/shakespeare-1/{name}" for name in names]
    unwanted = ["trained_models/shakespeare_char_model.pt", "trained_models/meta.pkl"]
    done = subprocess.run(
        ["git", "check-ignore", "--no-index", *wanted, *unwanted], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == unwanted
