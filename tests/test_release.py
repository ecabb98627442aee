"""Released models: the rounded weights exactly, whole or not at all, and no damaged part goes unseen."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conftest import random_model

from nanoscope import release as releasing
from nanoscope.checkpoint import Checkpoint, export, load, save
from nanoscope.corpora import Corpus
from nanoscope.errors import NanoscopeError
from nanoscope.tokens import Vocabulary

CORPUS = Corpus("letters", "abcdefghijklm" * 60)
TOLD = {"iterations": 5, "batch_size": 4, "accumulation": 1, "seed": 1, "learning_rate": 1e-3, "min_learning_rate": 1e-4,
        "precision": "float32", "step": 5, "val_loss": 1.0}  # fmt: skip


def _checkpoint(**changes) -> Checkpoint:
    return Checkpoint(random_model(**changes), Vocabulary.of(CORPUS.text), "letters", TOLD)


@pytest.mark.parametrize("changes", [{}, {"bias": True}, {"tied_head": False}, {"attention_only": True}], ids=str)
def test_what_is_opened_is_the_rounded_model_bit_for_bit(
    changes: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(releasing, "PART_BYTES", 7_000)
    checkpoint = _checkpoint(**changes)
    released = releasing.release(checkpoint, CORPUS, tmp_path / "letters-1")
    for name, value in checkpoint.model.state_dict().items():
        assert torch.equal(released.model.state_dict()[name], value.half().float()), name
    parts = sorted((tmp_path / "letters-1").glob("*.part-*"))
    assert len(parts) > 1
    assert all(part.stat().st_size <= 7_000 for part in parts)
    assert load(tmp_path / "letters-1").sha256 == released.sha256
    assert released.notes == ("its weights were stored in half precision",)
    again = save(released, tmp_path / "again", half=True, part_bytes=7_000)
    assert again.sha256 == released.sha256
    for part in parts:
        assert (tmp_path / "again" / part.name).read_bytes() == part.read_bytes()


def test_every_byte_of_every_part_is_watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(releasing, "PART_BYTES", 9_000)
    releasing.release(_checkpoint(), CORPUS, tmp_path / "m")
    for part in sorted((tmp_path / "m").glob("*.part-*")):
        good = part.read_bytes()
        part.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
        with pytest.raises(NanoscopeError, match=rf"{part.name} has been changed or damaged"):
            load(tmp_path / "m")
        part.unlink()
        with pytest.raises(NanoscopeError, match=rf"{part.name} is missing"):
            load(tmp_path / "m")
        part.write_bytes(good)
    load(tmp_path / "m")


def test_weights_too_large_for_sixteen_bits_are_refused_and_nothing_is_written(tmp_path: Path) -> None:
    checkpoint = _checkpoint()
    checkpoint.model.blocks[0].attn.c_proj.weight[0, 0] = 1e6
    with pytest.raises(NanoscopeError, match=r"transformer.h.0.attn.c_proj.weight holds values that 16 bits cannot"):
        save(checkpoint, tmp_path / "m", half=True)
    assert not list(tmp_path.iterdir())


def test_the_card_and_the_record_say_what_was_measured(tmp_path: Path) -> None:
    """The loss of the released weights, the original's, and how far their logits are apart, measured anew here."""
    checkpoint = _checkpoint()
    released = releasing.release(checkpoint, CORPUS, tmp_path / "letters-1")
    told = released.training
    windows = releasing.consecutive_windows(checkpoint.encode(CORPUS.val), 24)
    assert told["val_loss"] == releasing.evaluate(released.model, windows)
    assert told["val_loss_float32"] == releasing.evaluate(checkpoint.model, windows)
    assert 0 < told["largest_difference"] < 0.1
    card = (tmp_path / "letters-1" / "README.md").read_text()
    for said in (
        f"{told['val_loss']:.4f} nats",
        released.sha256,
        f"{checkpoint.model.parameter_count:,}",
        "5 iterations",
    ):
        assert said in card
    listed = json.loads((tmp_path / "letters-1" / "checkpoint.json").read_text())["parts"]
    assert all(sha in card for sha in listed.values())


def test_a_release_opens_in_nanogpts_own_format_too(tmp_path: Path) -> None:
    released = releasing.release(_checkpoint(), CORPUS, tmp_path / "m")
    export(replace(released, notes=()), tmp_path / "ckpt.pt")
    opened = load(tmp_path / "ckpt.pt")
    for name, value in released.model.state_dict().items():
        assert torch.equal(opened.model.state_dict()[name], value)
