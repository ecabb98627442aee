"""A nanoGPT checkpoint's vocabulary, wherever nanoGPT or the user keeps it."""

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import random_model

from nanoscope.checkpoints.checkpoint import Checkpoint, load, save
from nanoscope.checkpoints.formats.source import Source
from nanoscope.checkpoints.formats.vocabulary_search import SURPLUS, find_vocabulary
from nanoscope.errors import NanoscopeError
from nanoscope.text.tokenizer import Bytes
from nanoscope.text.vocabulary import Vocabulary
from nanoscope.text.vocabulary_files import write_meta

RIGHT, OTHER = Vocabulary.of("abcdefghijklm"), Vocabulary.of("nopqrstuvwxyz")


def checkout(folder: Path, rows: int = 13, dataset: Any = "letters", **more: Any) -> Path:
    """nanoGPT's folder with a model of so many symbols; returns its ckpt.pt."""
    model = random_model(vocab_size=rows)
    path = folder / "nanoGPT" / "out-letters" / "ckpt.pt"
    path.parent.mkdir(parents=True)
    state = {"model": model.state_dict(), "model_args": {"n_head": 2, "bias": False}, "config": {"dataset": dataset}}
    torch.save(state | more, path)
    return path


def meta(path: Path, vocabulary: Vocabulary) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(write_meta(vocabulary))
    return path


def refusal(call: Any) -> str:
    with pytest.raises(NanoscopeError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_data_folder_of_a_nanogpt_checkout_is_searched_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = checkout(tmp_path)
    meta(tmp_path / "nanoGPT" / "data" / "letters" / "meta.pkl", RIGHT)
    for folder in (tmp_path, tmp_path / "nanoGPT", path.parent):
        monkeypatch.chdir(folder)
        assert load(path).vocabulary == load(path.parent).vocabulary == RIGHT
    monkeypatch.chdir(tmp_path / "nanoGPT")
    assert load("out-letters/ckpt.pt").vocabulary == RIGHT


def test_the_working_folder_is_searched_as_sample_py_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = checkout(tmp_path / "elsewhere")
    meta(tmp_path / "here" / "data" / "letters" / "meta.pkl", RIGHT)
    assert load(path).vocabulary is None
    monkeypatch.chdir(tmp_path / "here")
    assert load(path).vocabulary == RIGHT


def test_the_file_named_comes_first_then_the_checkpoint_then_beside_it_then_the_data_folder(tmp_path: Path):
    path = checkout(tmp_path)
    names = ["abcdefghijkl1", "abcdefghijkl2", "abcdefghijkl3"]
    data, beside, named = (Vocabulary.of(name) for name in names)
    meta(tmp_path / "nanoGPT" / "data" / "letters" / "meta.pkl", data)
    assert load(path).vocabulary == data
    meta(path.with_name("meta.pkl"), beside)
    assert load(path).vocabulary == beside
    torch.save(torch.load(path) | {"stoi": RIGHT.ids}, path)
    assert load(path).vocabulary == RIGHT
    assert load(path, vocabulary=meta(tmp_path / "mine.pkl", named)).vocabulary == named


def test_results_of_another_vocabulary_are_results_of_another_model(tmp_path: Path):
    path = checkout(tmp_path)
    right, other = meta(tmp_path / "right.pkl", RIGHT), meta(tmp_path / "other.pkl", OTHER)
    sums = {load(path).sha256, load(path, vocabulary=right).sha256, load(path, vocabulary=other).sha256}
    assert len(sums) == 3
    without = load(path).sha256
    meta(path.with_name("meta.pkl"), RIGHT)
    assert load(path).sha256 == without


def test_a_checkpoint_of_our_own_takes_a_vocabulary_too(tmp_path: Path):
    save(Checkpoint(random_model(vocab_size=13)), tmp_path / "ours")
    assert load(tmp_path / "ours", vocabulary=meta(tmp_path / "meta.pkl", RIGHT)).vocabulary == RIGHT
    small = meta(tmp_path / "large.pkl", Vocabulary.of("abcdefghijklmnop"))
    assert "has 16 symbols but the model 13" in refusal(lambda: load(tmp_path / "ours", vocabulary=small))


def test_where_none_is_found_one_line_says_where_it_was_looked_for_and_what_to_do(tmp_path: Path):
    said = refusal(lambda: load(checkout(tmp_path)).encode("a"))
    for part in ("ckpt.pt has no vocabulary", "no meta.pkl beside it", "data/letters/meta.pkl", "--vocabulary FILE"):
        assert part in said


@pytest.mark.parametrize("dataset", [None, 7, "", "a\0b", "../letters"])
def test_an_odd_name_of_a_data_set_only_means_that_nothing_is_there(tmp_path: Path, dataset: Any):
    assert "has no vocabulary" in refusal(lambda: load(checkout(tmp_path, dataset=dataset)).encode("a"))


@pytest.mark.parametrize("rows", [50257, 50304])
def test_byte_pair_encoding_is_named_and_nobody_is_sent_for_a_file_that_does_not_exist(tmp_path: Path, rows: int):
    said = refusal(lambda: load(checkout(tmp_path, rows=rows, dataset="openwebtext")).encode("a"))
    assert said.index(f"{rows:,} symbols, as GPT-2's byte-pair encoding") < said.index("--vocabulary")


def test_a_meta_file_without_symbols_is_named(tmp_path: Path):
    path = checkout(tmp_path)
    path.with_name("meta.pkl").write_bytes(pickle.dumps({"vocab_size": 13}))
    assert "meta.pkl holds no table of symbols" in refusal(lambda: load(path).encode("a"))


def test_the_vocabulary_of_bytes_is_a_tokenizer_of_bytes(tmp_path: Path):
    path = checkout(tmp_path, rows=256, itos=dict(enumerate(range(256))))
    assert load(path).vocabulary == Bytes()


def test_a_vocabulary_found_nearby_is_not_believed_where_it_leaves_64_rows_empty(tmp_path: Path):
    for surplus, believed in ((0, True), (SURPLUS - 1, True), (SURPLUS, False)):
        path = checkout(tmp_path / str(surplus), rows=13 + surplus)
        beside = meta(path.with_name("meta.pkl"), RIGHT)
        found = load(path)
        assert (found.vocabulary == RIGHT) == believed
        if not believed:
            assert f"{beside} has 13 symbols but the model 77" in refusal(lambda: found.encode("a"))  # noqa: B023
            named = load(path, vocabulary=beside)
            assert named.vocabulary == RIGHT
            assert "13 symbols but the model 77: is it its own?" in "".join(named.notes)


def test_another_models_file_does_not_hide_the_right_one(tmp_path: Path):
    path = checkout(tmp_path)
    meta(path.with_name("meta.pkl"), Vocabulary.of("abcdefghijklmnop"))
    meta(tmp_path / "nanoGPT" / "data" / "letters" / "meta.pkl", RIGHT)
    assert load(path).vocabulary == RIGHT


@pytest.mark.parametrize("name", ["vocab.txt", "vocab.json", "chars.json"])
def test_a_list_beside_the_checkpoint_is_read_and_what_is_none_is_passed_over(tmp_path: Path, name: str):
    path = checkout(tmp_path)
    path.with_name(name).write_bytes(b"\xff{")
    assert load(path).vocabulary is None
    content = "\n".join(RIGHT.symbols) if name == "vocab.txt" else json.dumps(RIGHT.ids)
    path.with_name(name).write_text(content)
    assert load(path).vocabulary == RIGHT


class Held:
    """An author's own tokenizer or config, pickled with the model."""

    def __init__(self, **attributes: Any) -> None:
        self.__dict__.update(attributes)


@pytest.mark.parametrize(
    "content",
    [
        {"tokenizer": Held(stoi=RIGHT.ids, lower=True)},
        {"tokenizer": Held(chars=list(RIGHT.symbols))},
        {"config": {"model": Held(vocab=RIGHT.ids)}, "tokens": ["<s>", "</s>"]},
        {"args": {"n_layer": 1, "n_head": 2}, "chars": "".join(RIGHT.symbols)},
    ],
)
def test_a_table_anywhere_in_the_checkpoint_is_its_own(tmp_path: Path, content: dict[str, Any]):
    torch.save(content | {"model": {"w": torch.zeros(2)}}, tmp_path / "ckpt.pt")
    assert find_vocabulary(Source(tmp_path / "ckpt.pt"), 13) == (RIGHT, "")


def test_the_characters_of_the_text_that_is_measured_come_before_nothing(tmp_path: Path):
    path = checkout(tmp_path)
    assert find_vocabulary(Source(path), 13, text="abcdefghijklmcab") == (RIGHT, "")
    assert find_vocabulary(Source(path), 13, text="abcdefghijkl")[0] is None
