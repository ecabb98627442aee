"""Pieces with scores, as SentencePiece makes them: its own `tokenizer.model`, and llama2.c's `tokenizer.bin`.

A text is cut into characters (those without a piece into bytes), and of all neighbours that together are a piece the two
with the best score are joined, again and again. That is byte-pair encoding with its merges in the order of these scores,
which the library `tokenizers` computes. A space is written `▁`, and one is put before the text.

Source: Kudo & Richardson 2018 (SentencePiece); karpathy/llama2.c for the second layout: the length of the longest piece, then
for each piece its score, its length and its bytes.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nanoscope.errors import NanoscopeError
from nanoscope.text.pieces import SPACE

Scored = list[tuple[str, float]]
UNKNOWN, START, END = "<unk>", "<s>", "</s>"
MOST = 2**21
BYTE = re.compile(r"<0x[0-9A-F]{2}>")
BPE = 2
"""SentencePiece's number for byte-pair encoding among its kinds of models."""
PIECES, TRAINER, NORMALIZER = 1, 2, 3
"""Fields of SentencePiece's file."""


def scored_pieces(path: Path) -> dict[str, Any]:
    """The library's JSON of a file of scored pieces. NanoscopeError for a damaged file, and for another kind of model."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise NanoscopeError(f"cannot read the vocabulary {path}: {error.strerror}") from None
    try:
        pieces, prefix = _llama2c(content) if path.suffix == ".bin" else _sentencepiece(content, path)
    except NanoscopeError:
        raise
    except (struct.error, IndexError, KeyError, ValueError):
        raise NanoscopeError(f"{path} is no readable table of scored pieces; restore it") from None
    if not 0 < len(pieces) <= MOST:
        raise NanoscopeError(f"{path} holds {len(pieces):,} pieces, which is no vocabulary; restore it")
    return by_score(pieces, prefix)


def by_score(pieces: Scored, prefix: bool = True) -> dict[str, Any]:
    """Byte-pair encoding as the library `tokenizers` writes it, with every merge at the rank of the piece that it makes."""
    ids: dict[str, int] = {}
    for token, (piece, _) in enumerate(pieces):
        ids.setdefault(piece, token)
    ranked = sorted(ids, key=lambda piece: (-pieces[ids[piece]][1], ids[piece]))
    merges = [pair for piece in ranked if not _is_special(piece) for pair in _halves(piece, ids)]
    spaces = [{"type": "Prepend", "prepend": SPACE}] if prefix else []
    strip = [{"type": "Strip", "content": " ", "start": 1, "stop": 0}] if prefix else []
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False) | {"special": True}
    return {
        "version": "1.0",
        "added_tokens": [{"id": ids[one], "content": one, **flags} for one in (UNKNOWN, START, END) if one in ids],
        "normalizer": {
            "type": "Sequence",
            "normalizers": [*spaces, {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}],
        },
        "pre_tokenizer": None,
        "post_processor": _begins_with(ids),
        "decoder": {
            "type": "Sequence",
            "decoders": [
                {"type": "Replace", "pattern": {"String": SPACE}, "content": " "},
                {"type": "ByteFallback"},
                {"type": "Fuse"},
                *strip,
            ],
        },
        "model": {
            "type": "BPE",
            "unk_token": UNKNOWN if UNKNOWN in ids else None,
            "fuse_unk": True,
            "byte_fallback": any(map(BYTE.fullmatch, ids)),
            "vocab": ids,
            "merges": [list(pair) for pair in merges],
        },
    }


def _begins_with(ids: dict[str, int]) -> dict[str, Any] | None:
    """The library's template that puts the start symbol first."""
    if START not in ids:
        return None
    single = [{"SpecialToken": {"id": START, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]
    special = {START: {"id": START, "ids": [ids[START]], "tokens": [START]}}
    return {"type": "TemplateProcessing", "single": single, "pair": single, "special_tokens": special}


def _is_special(piece: str) -> bool:
    return piece in (UNKNOWN, START, END) or bool(BYTE.fullmatch(piece))


def _halves(piece: str, ids: dict[str, int]) -> list[tuple[str, str]]:
    """The pairs of pieces that make a piece, those of earlier pieces first."""
    cuts = ((piece[:at], piece[at:]) for at in range(1, len(piece)))
    return sorted(((a, b) for a, b in cuts if a in ids and b in ids), key=lambda pair: (ids[pair[0]], ids[pair[1]]))


def _llama2c(content: bytes) -> tuple[Scored, bool]:
    found, at = Scored(), 4
    while at < len(content):
        score, size = struct.unpack_from("<fi", content, at)
        at += 8
        if size < 0 or at + size > len(content):
            raise ValueError(size)
        piece = content[at : at + size].decode()
        special = piece.strip("\n") if piece.strip("\n") in (START, END) else piece.replace(" ", SPACE)
        found.append((special, score))
        at += size
    return found, True


def _sentencepiece(content: bytes, path: Path) -> tuple[Scored, bool]:
    """Pieces, and whether a space is put before a text, from SentencePiece's protocol buffer."""
    found, prefix, kind = Scored(), True, 1
    for field, value in _fields(content):
        if field == PIECES and isinstance(value, bytes):
            parts = dict(_fields(value))
            piece, score = parts.get(1, b""), parts.get(2, b"\0\0\0\0")
            found.append((_bytes(piece).decode(), struct.unpack("<f", _bytes(score))[0]))
        elif field == TRAINER and isinstance(value, bytes):
            kind = dict(_fields(value)).get(3, 1)
        elif field == NORMALIZER and isinstance(value, bytes):
            prefix = bool(dict(_fields(value)).get(3, True))
    if found and kind != BPE:
        raise NanoscopeError(
            f"{path} is a SentencePiece model of another kind than byte pairs, which nanoscope does not read"
        )
    return found, prefix


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise ValueError(value)
    return value


def _fields(content: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a protocol buffer: numbers as they are, 32 and 64 bits as bytes."""
    at = 0
    while at < len(content):
        key, at = _varint(content, at)
        wire = key & 7
        if wire == 0:
            value, at = _varint(content, at)
            yield key >> 3, value
            continue
        size, at = _varint(content, at) if wire == 2 else ({1: 8, 5: 4}[wire], at)
        if at + size > len(content):
            raise ValueError(size)
        yield key >> 3, content[at : at + size]
        at += size


def _varint(content: bytes, at: int) -> tuple[int, int]:
    """A number in groups of seven bits, the lowest first, and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        byte = content[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    raise ValueError(value)
