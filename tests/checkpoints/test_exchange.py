"""An exported checkpoint back in nanoGPT: where its sample.py finds the characters."""

import pickle
from pathlib import Path

import pytest
import torch
from conftest import random_model

from nanoscope.checkpoints.checkpoint import Checkpoint, load
from nanoscope.checkpoints.exports import export
from nanoscope.checkpoints.exports.nanogpt import sampling_note
from nanoscope.text.tokenizer import Bytes
from nanoscope.text.vocabulary import Vocabulary

LETTERS = Vocabulary.of("abcdefghijklm")


def sampled(root: Path, checkpoint: Path) -> dict[int, str]:
    """The characters as nanoGPT's sample.py looks them up, in its own folder."""
    config = torch.load(checkpoint, weights_only=True)["config"]
    return pickle.loads((root / "data" / config["dataset"] / "meta.pkl").read_bytes())["itos"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "nanoGPT").mkdir()
    (tmp_path / "nanoGPT" / "sample.py").touch()
    return tmp_path / "nanoGPT"


@pytest.mark.parametrize("corpus", ["letters", "tiny-shakespeare"])
def test_inside_a_checkout_sample_py_finds_the_characters(root: Path, corpus: str):
    checkpoint, path = Checkpoint(random_model(), LETTERS, corpus), root / "out" / "ckpt.pt"
    assert len(export(checkpoint, path)) == 3
    assert sampled(root, path) == dict(enumerate(LETTERS.symbols))
    assert sampling_note(checkpoint, path) == ""
    assert load(path).vocabulary == LETTERS


def test_the_characters_of_another_model_are_left_alone_and_named(root: Path):
    there = root / "data" / "letters" / "meta.pkl"
    there.parent.mkdir(parents=True)
    there.write_bytes(b"of somebody")
    checkpoint, path = Checkpoint(random_model(), LETTERS, "letters"), root / "out" / "ckpt.pt"
    assert export(checkpoint, path) == (path, path.with_name("meta.pkl"))
    assert there.read_bytes() == b"of somebody"
    assert str(there) in sampling_note(checkpoint, path)


@pytest.mark.parametrize(
    ("vocabulary", "corpus", "said"),
    [
        (LETTERS, "letters", "reads data/letters/meta.pkl in nanoGPT's folder: copy"),
        (LETTERS, "tiny-shakespeare", "reads data/shakespeare_char/meta.pkl"),
        (LETTERS, None, "does not name its text"),
        (Bytes(), "letters", "no characters to print"),
        (None, "letters", "no characters to print"),
    ],
)
def test_elsewhere_it_is_said_what_to_do(tmp_path: Path, vocabulary, corpus: str | None, said: str):
    checkpoint = Checkpoint(random_model(vocab_size=256), vocabulary, corpus)
    export(checkpoint, tmp_path / "ckpt.pt")
    assert said in sampling_note(checkpoint, tmp_path / "ckpt.pt")
