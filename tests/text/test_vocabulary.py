import io
import os
import pickle
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
import torch

from nanoscope.errors import NanoscopeError
from nanoscope.text import vocabulary as tokens
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
    "itos", ["ab", None, {0: "a", 2: "b"}, {1: "a", 2: "b"}, {"a": 0}, {0: "a", 1: 7}, ["a", "a"], {0: "a", "1": "b"}]
)
def test_a_table_that_is_no_vocabulary_is_refused(itos: Any):
    with pytest.raises(NanoscopeError, match=r"^meta\.pkl[^\n]*itos[^\n]*$"):
        tokens.from_itos(itos, "meta.pkl")
