"""Tables of pieces: GPT-2's two files and `tokenizer.json`, offsets, names, refusals, and what needs no library."""

import json
import re
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import random_model
from hypothesis import given, settings
from hypothesis import strategies as st

from nanoscope.checkpoints.checkpoint import Checkpoint, load, save
from nanoscope.errors import NanoscopeError
from nanoscope.text.piece_files import END_OF_TEXT, byte_pairs, gpt2_at_hand, pieces_beside, read_pieces
from nanoscope.text.pieces import BYTES, Pieces
from nanoscope.text.tokenizer import from_json
from nanoscope.text.vocabulary_files import read_vocabulary

MERGES = [
    ("t", "h"),
    ("th", "e"),
    ("Ġ", "the"),
    ("Ġ", "c"),
    ("Ã", "©"),
    ("f", "Ã©"),
    ("a", "a"),
    ("a", "b"),
    ("aa", "ab"),
]
IDS = {piece: at for at, piece in enumerate([*BYTES, *("".join(pair) for pair in MERGES), END_OF_TEXT])}
PIECES = Pieces.of(byte_pairs(IDS, MERGES))


@pytest.fixture
def library() -> Any:
    return pytest.importorskip("tokenizers", reason="pieces of words are read by the library tokenizers")


def two_files(folder: Path, table: str = "vocab.json", merges: str = "merges.txt") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / table).write_text(json.dumps(IDS))
    (folder / merges).write_text("#version: 0.2\n" + "\n".join(map(" ".join, MERGES)) + "\n")
    return folder


def refusal(call: Any) -> str:
    with pytest.raises(NanoscopeError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def merged(text: str) -> list[str]:
    """Byte-pair encoding as Sennrich et al. 2016 describe it: word by word, always the earliest merge of all."""
    found = []
    for word in re.findall(r" ?[^ ]+| ", text):
        parts = [letter for byte in word.encode() for letter, value in BYTES.items() if value == byte]
        while ranked := [pair for pair in MERGES if pair in pairwise(parts)]:
            at = list(pairwise(parts)).index(ranked[0])
            parts[at : at + 2] = ["".join(ranked[0])]
        found += parts
    return found


@settings(max_examples=40, deadline=None)
@given(words=st.lists(st.text("abthecé", min_size=1, max_size=8), max_size=5))
def test_words_are_merged_as_by_the_rule_itself(words: list[str]) -> None:
    pytest.importorskip("tokenizers", reason="pieces of words are read by the library tokenizers")
    text = " ".join(words)
    assert PIECES.encode(text).tolist() == [IDS[piece] for piece in merged(text)]


@settings(max_examples=30, deadline=None)
@given(text=st.text(max_size=9))
def test_every_text_goes_there_and_back_and_its_offsets_cover_it(text: str) -> None:
    pytest.importorskip("tokenizers", reason="pieces of words are read by the library tokenizers")
    tokens, offsets = PIECES.encode(text), PIECES.offsets(text)
    assert PIECES.decode(tokens) == text
    assert len(offsets) == len(tokens)
    assert (offsets[:, 0] < offsets[:, 1]).all()
    assert (np.diff(offsets[:, 0]) >= 0).all()
    assert set(range(len(text))) == {at for begin, end in offsets for at in range(begin, end)}
    for token, (begin, end) in zip(tokens.tolist(), offsets, strict=True):
        whole = PIECES.decode([token])
        assert whole == text[begin:end] or "\ufffd" in whole  # part of a character covers all of it


def test_a_character_of_several_tokens_is_covered_by_each(library: Any) -> None:
    assert PIECES.offsets("é😀 the").tolist() == [[0, 1], *[[1, 2]] * 4, [2, 6]]
    assert PIECES.decode([IDS["Ġthe"], len(PIECES), -1, IDS["the"]]) == " the\ufffd\ufffdthe"


def test_names_are_unique_and_read_as_text_or_as_bytes() -> None:
    names = PIECES.names(len(PIECES) + 2)
    assert len(set(names)) == len(names) == len(PIECES) + 2
    shown = [names[IDS[piece]] for piece in ("Ġthe", "Ã©", "fÃ©", "Ã", "Ċ", END_OF_TEXT)]
    assert shown == [" the", "é", "fé", "0xc3", "\n", END_OF_TEXT]
    twice = Pieces.of({"model": {"type": "Unigram", "vocab": [["▁a", 0.0], [" a", 0.0]]}})
    assert twice.names(3) == (" a", " a#1", "#2")


@pytest.mark.parametrize("names", [("vocab.json", "merges.txt"), ("encoder.json", "vocab.bpe")])
def test_gpt2s_two_files_are_found_by_either(tmp_path: Path, names: tuple[str, str]) -> None:
    folder = two_files(tmp_path, *names)
    found = {read_vocabulary(folder / name) for name in names} | {read_vocabulary(folder)}
    assert found == {PIECES}
    assert pieces_beside(folder) == folder / names[0]
    (folder / names[0]).unlink()
    assert "holds only the merges" in refusal(lambda: read_vocabulary(folder / names[1]))


def test_a_tokenizer_json_is_read_without_what_cuts_or_completes(tmp_path: Path, library: Any) -> None:
    made = library.Tokenizer.from_str(PIECES.table)
    made.enable_truncation(3)
    made.enable_padding(length=9)
    made.post_processor = library.processors.TemplateProcessing(
        single=f"{END_OF_TEXT} $A", special_tokens=[(END_OF_TEXT, IDS[END_OF_TEXT])]
    )
    made.save(str(tmp_path / "tokenizer.json"))
    found = read_pieces(tmp_path / "tokenizer.json")
    assert found is not None
    assert (found.start, len(found)) == (IDS[END_OF_TEXT], len(IDS))
    assert found.encode("the the the the").tolist() == PIECES.encode("the the the the").tolist()


def test_spaces_written_as_a_sign_are_counted_in_the_text(library: Any) -> None:
    signs = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": False}
    vocab = {"<unk>": 0, "▁": 1, "a": 2, "b": 3, "▁a": 4}
    model = {"type": "BPE", "unk_token": "<unk>", "vocab": vocab, "merges": [["▁", "a"]]}
    found = Pieces.of({"version": "1.0", "added_tokens": [], "pre_tokenizer": signs, "decoder": signs, "model": model})
    assert found.encode("ab aé").tolist() == [4, 3, 4, 0]
    assert found.offsets("ab aé").tolist() == [[0, 1], [1, 2], [2, 4], [4, 5]]
    assert found.offsets("b").tolist() == [[0, 1], [0, 1]]  # the sign that is put before the text
    assert found.decode([4, 3, 4]) == "ab a"
    assert found.names(5)[4] == " a"


def test_a_character_that_no_piece_has_is_named(library: Any) -> None:
    model = {"type": "BPE", "unk_token": None, "vocab": {"a": 0, "b": 1}, "merges": []}
    few = Pieces.of({"version": "1.0", "added_tokens": [], "pre_tokenizer": None, "decoder": None, "model": model})
    assert len(PIECES.encode("€")) == 3
    assert few.encode("aba").tolist() == [0, 1, 0]
    assert "character ' ' (U+0020) at position 1 " in refusal(lambda: few.encode("b a"))
    assert "character 'é' (U+00E9) at position 2 is in none of the model's 2 pieces" in refusal(
        lambda: few.encode("abé")
    )


def test_a_checkpoint_keeps_its_pieces_and_opens_where_the_library_is_missing(tmp_path: Path, monkeypatch) -> None:
    model = random_model(vocab_size=len(PIECES) + 3)
    kept = save(Checkpoint(model, PIECES), tmp_path / "model")
    again = load(tmp_path / "model")
    assert again.vocabulary == PIECES == from_json(json.loads(json.dumps(PIECES.to_json())))
    assert again.sha256 == kept.sha256
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    assert f"{len(PIECES)} symbols" in repr(load(tmp_path / "model"))
    assert "pip install 'nanoscope[bpe]'" in refusal(lambda: load(tmp_path / "model").encode("the"))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("tokenizer.json", "{"),
        ("tokenizer.json", "[" * 100_000),
        ("tokenizer.json", '{"model": {}}'),
        ("tokenizer.json", '{"model": {"vocab": {"a": "b"}}}'),
        ("tokenizer.json", '{"model": {"vocab": {"a": 99999999999}}}'),
        ("tokenizer.json", '{"model": {"vocab": {"a": -7}}}'),
        (
            "tokenizer.json",
            '{"model": {"vocab": {"a": 0}}, "post_processor": {"single": [{"SpecialToken": {"id": "b"}}]}}',
        ),
        ("vocab.json", '{"a": 0.5}'),
        ("vocab.json", json.dumps({"Ġ" + letter: at for at, letter in enumerate("abcdef")})),
        ("merges.txt", "a b c"),
        ("merges.txt", "\ud800"),
    ],
)
def test_what_is_no_table_is_refused_in_one_line(tmp_path: Path, name: str, content: str) -> None:
    if name == "merges.txt":
        two_files(tmp_path)
    (tmp_path / name).write_bytes(content.encode(errors="surrogatepass"))
    assert name in refusal(lambda: read_vocabulary(tmp_path / name))


def test_a_model_of_gpt2s_size_is_read_with_gpt2s_table_where_a_cache_has_it(tmp_path: Path, monkeypatch) -> None:
    hub = tmp_path / "hub"
    monkeypatch.setenv("HF_HUB_CACHE", str(hub))
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path / "tiktoken"))
    assert gpt2_at_hand() is None
    model = random_model(vocab_size=50304, n_layer=1, n_embd=4)
    torch.save({"model": model.state_dict(), "model_args": {"n_head": 2, "bias": False}}, tmp_path / "ckpt.pt")
    assert "put GPT-2's vocab.json and merges.txt" in refusal(lambda: load(tmp_path / "ckpt.pt").encode("a"))
    two_files(hub / "models--openai-community--gpt2" / "snapshots" / "0a1b")
    assert load(tmp_path / "ckpt.pt").vocabulary == PIECES
