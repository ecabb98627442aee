"""Scored pieces: texts are cut as defined (join the best-scored neighbours, again and again), and damage is refused."""

import contextlib
import random
import struct
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from nanoscope.errors import NanoscopeError
from nanoscope.text.vocabulary_files import read_vocabulary

pytest.importorskip("tokenizers")
WORDS = ["▁t", "he", "▁the", "in", "▁in", "er", "▁th", "th", "▁a", "an", "▁an", "nd", "▁and", "▁"]
LETTERS = list("abcdefghinrst ,")
SCORES = {word: -float(rank) for rank, word in enumerate(WORDS)}
PIECES = [
    ("<unk>", 0.0), ("<s>", 0.0), ("</s>", 0.0), *((f"<0x{byte:02X}>", 0.0) for byte in range(256)),
    *((word, SCORES[word]) for word in WORDS), *((letter, -100.0) for letter in LETTERS if letter != " "),
]  # fmt: skip
IDS = {piece: token for token, (piece, _) in enumerate(PIECES)}


def _llama2c(path: Path) -> Path:
    content = struct.pack("<i", 8)
    for piece, score in PIECES:
        written = (f"\n{piece}\n" if piece in ("<s>", "</s>") else piece.replace("▁", " ")).encode()
        content += struct.pack("<fi", score, len(written)) + written
    path.write_bytes(content)
    return path


def _sentencepiece(path: Path, kind: int = 2) -> Path:
    content = b""
    for piece, score in PIECES:
        inner = b"\x0a" + bytes([len(piece.encode())]) + piece.encode() + b"\x15" + struct.pack("<f", score)
        content += b"\x0a" + bytes([len(inner)]) + inner
    path.write_bytes(content + b"\x12\x02\x18" + bytes([kind]))
    return path


def _by_definition(text: str) -> list[int]:
    """The slow twin: one join at a time, the best of all neighbours, the leftmost of equals."""
    tokens: list[str] = []
    for letter in "▁" + text.replace(" ", "▁"):
        tokens += [letter] if letter in IDS else [f"<0x{byte:02X}>" for byte in letter.encode()]
    while True:
        joins = [(-dict(PIECES)[a + b], at) for at, (a, b) in enumerate(pairwise(tokens)) if a + b in IDS]
        if not joins:
            return [IDS[token] for token in tokens]
        _, at = min(joins)
        tokens[at : at + 2] = [tokens[at] + tokens[at + 1]]


@pytest.mark.parametrize("write", [_llama2c, _sentencepiece])
def test_a_text_is_cut_as_by_definition_and_comes_back(write: Callable[[Path], Path], tmp_path: Path) -> None:
    found = read_vocabulary(write(tmp_path / ("tok.bin" if write is _llama2c else "tokenizer.model")))
    assert len(found) == len(PIECES)
    assert found.start == 1
    rng = random.Random(0)
    texts = ["the hat and the rain", "in an inn, then", "  two spaces", "é ü 漢字", ""]
    texts += ["".join(rng.choice(LETTERS) for _ in range(40)) for _ in range(30)]
    for text in texts:
        tokens = found.encode(text).tolist()
        assert tokens == (_by_definition(text) if text else []), text
        assert found.decode(tokens) == text
        assert len(found.offsets(text)) == len(tokens)


def test_another_kind_of_model_and_damage_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NanoscopeError, match="of another kind than byte pairs"):
        read_vocabulary(_sentencepiece(tmp_path / "tokenizer.model", kind=1))
    rng = random.Random(0)
    for write, name in ((_llama2c, "tok.bin"), (_sentencepiece, "tokenizer.model")):
        whole = write(tmp_path / name).read_bytes()
        for _ in range(60):
            damaged = bytearray(whole[: rng.randrange(len(whole))] if rng.random() < 0.5 else whole)
            for _ in range(rng.randrange(4)):
                if damaged:
                    damaged[rng.randrange(len(damaged))] = rng.randrange(256)
            (tmp_path / name).write_bytes(bytes(damaged))
            with contextlib.suppress(NanoscopeError):
                read_vocabulary(tmp_path / name)
