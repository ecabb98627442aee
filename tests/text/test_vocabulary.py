import io
import json
import os
import pickle
import tracemalloc
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nanoscope.errors import NanoscopeError
from nanoscope.text import vocabulary_files as tokens
from nanoscope.text.tokenizer import Bytes
from nanoscope.text.vocabulary import Vocabulary

SHAKESPEARE = Path(__file__).parents[2] / "../shared/data/tinyshakespeare.txt"


class Payload:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)


def nanogpt_meta(text: str) -> dict[str, Any]:
    """What nanoGPT's `data/shakespeare_char/prepare.py` pickles."""
    characters = sorted(set(text))
    stoi = {character: index for index, character in enumerate(characters)}
    return {"vocab_size": len(characters), "itos": dict(enumerate(characters)), "stoi": stoi}


def meta_file(folder: Path, content: bytes) -> Path:
    path = folder / "meta.pkl"
    path.write_bytes(content)
    return path


def refusal(path: Path) -> str:
    """The one line with which a meta.pkl is refused."""
    with pytest.raises(NanoscopeError) as caught:
        tokens.read_meta(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.skipif(not SHAKESPEARE.exists(), reason="no ../shared/data/tinyshakespeare.txt")
def test_the_whole_corpus_goes_there_and_back():
    text = SHAKESPEARE.read_text()
    vocabulary = Vocabulary.of(text)
    ids = vocabulary.encode(text)
    assert vocabulary.decode(ids.tolist()) == text
    assert ids[:5].tolist() == [18, 47, 56, 57, 58]  # "First", as nanoGPT's train.bin begins
    assert (vocabulary.symbols[0], vocabulary.symbols[-1], len(vocabulary)) == ("\n", "z", 65)
    assert torch.equal(ids.unique(), torch.arange(65))


def test_symbols_are_in_the_order_of_their_code_points_and_ids_go_there_and_back():
    vocabulary = Vocabulary.of("b😀a\na")
    assert vocabulary.symbols == ("\n", "a", "b", "😀")
    assert vocabulary.encode("😀\nab").tolist() == [3, 0, 1, 2]
    assert vocabulary.decode(torch.tensor([3, 0, 1, 2])) == "😀\nab"
    assert vocabulary.encode("").tolist() == []
    assert Vocabulary.from_json(vocabulary.to_json()) == vocabulary
    assert Vocabulary.from_json(Vocabulary(("a", "<start>"), start=1).to_json()).start == 1


def test_ids_without_a_symbol_print_as_the_replacement_character():
    assert Vocabulary(("a", "b")).decode([1, 2, 79, -1, 0]) == "b\ufffd\ufffd\ufffda"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("éab", "character 'é' (U+00E9) at position 0 "),
        ("ab😀a😀", "character '😀' (U+1F600) at position 2 "),
        ("abab\nab", "character '\\n' (U+000A) at position 4 "),
    ],
)
def test_a_character_outside_the_vocabulary_is_named_with_its_place(text: str, named: str):
    with pytest.raises(NanoscopeError) as caught:
        Vocabulary.of("ab").encode(text)
    assert str(caught.value).startswith(named)
    assert "2 symbols" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_meta_file_of_nanogpt_is_read(tmp_path: Path, protocol: int):
    path = meta_file(tmp_path, pickle.dumps(nanogpt_meta("hello\nworld é"), protocol=protocol))
    assert tokens.read_meta(path) == Vocabulary.of("hello\nworld é")


def test_a_meta_file_written_for_nanogpt_is_what_nanogpt_would_have_written():
    assert pickle.loads(tokens.write_meta(Vocabulary.of("hello\nworld"))) == nanogpt_meta("hello\nworld")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_malicious_meta_file_is_refused_and_does_not_run(tmp_path: Path, protocol: int):
    folder = tmp_path / "made by the payload"
    content = pickle.dumps(nanogpt_meta("ab") | {"extra": Payload(folder)}, protocol=protocol)
    assert f"requests '{os.mkdir.__module__}.mkdir'" in refusal(meta_file(tmp_path, content))
    assert not folder.exists()
    pickle.loads(content)
    assert folder.exists(), "the payload would not have run anyway"


def test_a_name_with_a_line_break_cannot_break_the_error_line(tmp_path: Path):
    content = b"\x80\x04\x8c\x05os\nxx\x8c\x06system\x93."
    with pytest.raises(ModuleNotFoundError, match="No module named 'os"):
        pickle.loads(content)
    assert "'os\\nxx.system'" in refusal(meta_file(tmp_path, content))


def test_a_few_bytes_cannot_ask_for_much_memory(tmp_path: Path):
    """C's unpickler allocates a table as long as the largest memo index; here 2**22 entries, 2**31 as easily."""
    content = b"\x80\x04}r\x00\x00\x40\x00."
    assert peak_memory(lambda: pickle.Unpickler(io.BytesIO(content)).load()) > 2**24
    path = meta_file(tmp_path, content)
    assert peak_memory(lambda: tokens.read_meta(path)) < 2**20


def peak_memory(action: Any) -> int:
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_an_oversize_meta_file_is_refused_unread(tmp_path: Path):
    content = pickle.dumps(nanogpt_meta("ab"))
    path = meta_file(tmp_path, content)
    os.truncate(path, tokens.META_SIZE_LIMIT)
    assert tokens.read_meta(path) == Vocabulary.of("ab")  # pickle stops before the padding
    os.truncate(path, tokens.META_SIZE_LIMIT + 1)
    assert "4,194,305 bytes, too large" in refusal(path)


def test_a_meta_file_cut_anywhere_is_refused(tmp_path: Path):
    content = pickle.dumps(nanogpt_meta("hello\nworld"))
    for length in range(len(content)):
        assert "is not a readable nanoGPT meta.pkl" in refusal(meta_file(tmp_path, content[:length]))


@pytest.mark.parametrize("meta", [{"vocab_size": 50257, "encoding": "gpt2"}, ["itos"], None])
def test_a_meta_file_without_a_symbol_table_gives_none(tmp_path: Path, meta: Any):
    assert tokens.read_meta(meta_file(tmp_path, pickle.dumps(meta))) is None


@pytest.mark.parametrize("itos", [["a", "b"], ("a", "b"), {1: "b", 0: "a"}, {"0": "a", "1": "b"}])
def test_symbol_tables_of_every_kind_are_read(itos: Any):
    assert tokens.from_itos(itos, "x").symbols == ("a", "b")


@pytest.mark.parametrize(
    "itos",
    [
        *["ab", None, {0: "a", 2: "b"}, {2: "a", 3: "b"}, {-1: "a", 0: "b"}, {"a": 0}, {0: "a", 1: 7}, ["a", "a"]],
        *[{0: "a", "1": "b"}, {0: 200, 1: 97}, [b"a", b"\xc3"], {0: ["a"]}, {0: None}],
    ],
)
def test_a_table_that_is_no_vocabulary_is_refused(itos: Any):
    with pytest.raises(NanoscopeError, match=r"^meta\.pkl[^\n]*itos[^\n]*$"):
        tokens.from_itos(itos, "meta.pkl")


@pytest.mark.parametrize(
    ("meta", "symbols"),
    [
        ({"stoi": {"b": 1, "a": 0}}, ("a", "b")),
        ({"itos": {1: "a", 2: "b"}}, ("<0>", "a", "b")),
        ({"stoi": {"the": 1, "cat": 2}}, ("<0>", "the", "cat")),
        ({"itos": {np.int64(0): np.str_("é"), np.int64(1): np.str_("b")}, "vocab_size": np.int64(2)}, ("é", "b")),
        ({"itos": OrderedDict({0: "a"}), "loss": np.float32(2.5)}, ("a",)),
        ({"itos": [97, 98, 10]}, ("a", "b", "\n")),
        ({"itos": {0: b"a", 1: b"b"}}, ("a", "b")),
    ],
)
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_tables_that_people_pickle_are_read(tmp_path: Path, meta: Any, symbols: tuple[str, ...], protocol: int):
    found = tokens.read_meta(meta_file(tmp_path, pickle.dumps(meta, protocol)))
    assert isinstance(found, Vocabulary)
    assert found.symbols == symbols
    assert found.decode(found.encode("".join(symbols[-2:])).tolist()).replace(" ", "") == "".join(symbols[-2:])


def test_numpy_numbers_of_either_byte_order_keep_their_values(tmp_path: Path):
    ids = np.array([0, 1], dtype=">i4")
    found = tokens.read_meta(meta_file(tmp_path, pickle.dumps({"itos": {ids[1]: "b", ids[0]: "a"}})))
    assert found == Vocabulary(("a", "b"))
    dates = {"itos": {np.datetime64(0, "s"): "a"}}
    assert "not a readable" in refusal(meta_file(tmp_path, pickle.dumps(dates)))


@pytest.mark.parametrize(
    "table",
    [
        *[{"chars": "ab\n"}, {"chars": ["a", "b", "\n"]}, {"vocab": {"a": 0, "b": 1, "\n": 2}}, ["a", "b", "\n"]],
        *[{"idx_to_char": {0: "a", 1: "b", 2: "\n"}, "vocab_size": 3}, {"char2id": {"\n": 2, "a": 0, "b": 1}}],
        {"a": 0, "b": 1, "\n": 2},
    ],
)
def test_tables_under_other_names_or_none_are_read(table: Any):
    assert tokens.from_table(table, "x") == Vocabulary(("a", "b", "\n"))


@pytest.mark.parametrize("table", [{"n_layer": 2, "n_head": 4}, {"vocab": 65}, {"chars": "aa"}, {"words": ["only"]}, 7])
def test_settings_are_no_table(table: Any):
    assert tokens.from_table(table, "x") is None


@pytest.mark.parametrize("content", ["a\n\n\nb\n", "a\n\n\nb", "a\n\\n\nb\n", "a\r\n\\n\r\nb"])
def test_a_list_of_symbols_a_line_may_hold_the_line_break(tmp_path: Path, content: str):
    (tmp_path / "vocab.txt").write_bytes(content.encode())
    assert tokens.read_vocabulary(tmp_path / "vocab.txt") == Vocabulary(("a", "\n", "b"))


def test_the_characters_of_a_text_are_a_vocabulary_only_if_they_are_as_many_as_rows():
    assert tokens.characters_of("banana", 3) == Vocabulary(("a", "b", "n"))
    assert tokens.characters_of("banana", 4) is tokens.characters_of("banana", 2) is None


@pytest.mark.parametrize("symbols", [list(range(256)), [bytes([value]) for value in range(256)]])
def test_all_bytes_in_order_are_a_tokenizer_of_bytes(symbols: list[Any]):
    assert tokens.from_itos(symbols, "x") == Bytes()


def test_words_are_read_with_the_white_space_between_them():
    words = Vocabulary(("cat", "sat", "the", ".", "\n"))
    assert words.kind == "words"
    assert words.encode("the cat  sat.\nthe").tolist() == [2, 0, 1, 3, 4, 2]
    assert words.offsets("the  cat").tolist() == [[0, 3], [5, 8]]
    assert words.decode([2, 0, 1]) == "the cat sat"
    assert words.encode(words.decode([2, 0, 3, 4, 1])).tolist() == [2, 0, 3, 4, 1]
    with pytest.raises(NanoscopeError, match="the word 'tomorrow' at position 8 is not among the model's 5 words"):
        words.encode("the cat tomorrow")
    assert Vocabulary.of("ab").kind == "characters"
    assert Vocabulary(("a", "b", "ab")).kind == "pieces"


def test_a_file_that_the_user_names_is_read_by_its_suffix(tmp_path: Path):
    wanted = Vocabulary.of("hello\n")
    (tmp_path / "a.pkl").write_bytes(tokens.write_meta(wanted))
    (tmp_path / "b.json").write_text(json.dumps({"itos": {str(i): s for i, s in enumerate(wanted.symbols)}}))
    (tmp_path / "c.json").write_text(json.dumps(wanted.to_json()))
    (tmp_path / "d.txt").write_bytes("\ufeffhello\r\n".encode())
    for name in ("a.pkl", "b.json", "c.json", "d.txt"):
        assert tokens.read_vocabulary(tmp_path / name) == wanted


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("none.pkl", None, "cannot read the vocabulary"),
        ("a.json", b"{", "is no vocabulary"),
        ("a.json", b"{}", "holds no table of symbols"),
        ("a.txt", b"\xff", "is no vocabulary"),
        ("a.txt", b"", "holds no table of symbols"),
        ("a.pkl", pickle.dumps({"vocab_size": 50257}), "holds no table of symbols"),
    ],
)
def test_a_named_file_without_a_vocabulary_is_one_line(tmp_path: Path, name: str, content: bytes | None, said: str):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(NanoscopeError) as caught:
        tokens.read_vocabulary(tmp_path / name)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
