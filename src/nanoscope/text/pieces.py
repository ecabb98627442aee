"""Tokens that are pieces of words, as byte-pair encoding makes them: by the library `tokenizers`, from the model's own table.

The table is the library's JSON, which `piece_files` reads or puts together from GPT-2's files. It travels with a checkpoint.
Offsets count characters, also where one character is split over several tokens: then each of them covers the whole character.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from nanoscope.errors import NanoscopeError
from nanoscope.text.vocabulary import UNKNOWN, padded

INSTALL = "install the library that reads them: pip install 'nanoscope[bpe]'"
SPACE = "▁"
"""How SentencePiece writes a space."""


@dataclass(frozen=True)
class Pieces:
    """A tokenizer of the library `tokenizers`, by its JSON, which neither cuts nor pads and adds no special tokens."""

    table: str = field(repr=False)
    start: int | None = None

    @staticmethod
    def of(table: dict[str, Any]) -> Pieces:
        """From the library's JSON. A token that its template puts first is the start symbol."""
        kept = {"normalizer": None} | table | {"truncation": None, "padding": None, "post_processor": None}
        written = json.dumps(kept, separators=(",", ":"), ensure_ascii=False)
        first = _first_of_template(table.get("post_processor"))
        return Pieces(written, first if first in Pieces(written)._ids.values() else None)

    @cached_property
    def _content(self) -> dict[str, Any]:
        return json.loads(self.table)

    @cached_property
    def library(self) -> Any:
        """The library's tokenizer. NanoscopeError where the library is missing or cannot read the table."""
        try:
            import tokenizers  # pyright: ignore[reportMissingImports] # noqa: PLC0415
        except ImportError:
            raise NanoscopeError(f"this model's tokens are pieces of words; {INSTALL}") from None
        try:
            return tokenizers.Tokenizer.from_str(self.table)
        except Exception as error:
            raise NanoscopeError(f"the library tokenizers cannot read this table ({str(error)[:120]})") from None

    @cached_property
    def _ids(self) -> dict[str, int]:
        """Piece -> id, for all pieces and special tokens."""
        found = self._content["model"]["vocab"]
        ids = dict(found) if isinstance(found, dict) else {piece: at for at, (piece, _) in enumerate(found)}
        return ids | self._added

    @cached_property
    def _added(self) -> dict[str, int]:
        return {one["content"]: one["id"] for one in self._content.get("added_tokens") or []}

    @cached_property
    def _size(self) -> int:
        return max(self._ids.values(), default=-1) + 1

    def __len__(self) -> int:
        return self._size

    @cached_property
    def _letters(self) -> frozenset[str] | None:
        """The letters that pieces are made of, where the library drops all others without a word; else None."""
        model, plain = self._content["model"], self._content["normalizer"] is None
        drops = (
            plain and model.get("type") == "BPE" and model.get("unk_token") is None and not model.get("byte_fallback")
        )
        return frozenset(piece for piece in self._ids if len(piece) == 1) if drops else None

    @cached_property
    def _bytewise(self) -> bool:
        return '"ByteLevel"' in self.table

    def _require_known(self, text: str) -> None:
        letters = self._letters
        if letters is None:
            return
        between = self._content.get("pre_tokenizer") is not None and not self._bytewise  # white space may be no token
        for character in sorted(set(text)):
            spelled = {LETTERS[byte] for byte in character.encode()} if self._bytewise else {character}
            if not spelled <= letters and not (between and character.isspace()):
                raise NanoscopeError(
                    f"character {character!r} (U+{ord(character):04X}) at position {text.index(character)} is in none of "
                    f"the model's {len(self):,} pieces; remove it or use a model trained with it"
                )

    def _encoded(self, text: str) -> Any:
        self._require_known(text)
        return self.library.encode(text, add_special_tokens=False)

    def encode(self, text: str) -> Int[Tensor, "pos"]:
        """Token ids of a text. Raises NanoscopeError for a character that is in no piece."""
        return torch.tensor(self._encoded(text).ids, dtype=torch.long)

    def offsets(self, text: str) -> Int[np.ndarray, "pos 2"]:
        """The characters `[begin, end)` that each token of a text covers, at least one."""
        found = np.array(self._encoded(text).offsets, dtype=np.int64).reshape(-1, 2)
        begin = np.minimum(found[:, 0], max(0, len(text) - 1))
        return np.stack([begin, np.maximum(found[:, 1], begin + 1)], axis=1)

    def decode(self, tokens: Int[Tensor, "pos"] | list[int]) -> str:
        """The text of some tokens; U+FFFD for part of a character, and for ids beyond the vocabulary."""
        parts = groupby(map(int, tokens), key=lambda token: 0 <= token < len(self))
        return "".join(
            self.library.decode(list(part), skip_special_tokens=False) if known else UNKNOWN * len(list(part))
            for known, part in parts
        )

    def names(self, size: int) -> tuple[str, ...]:
        """Pieces as they read; those that are no whole characters as bytes, such as `0xe2 0x80`."""
        names = [f"#{token}" for token in range(len(self))]
        for piece, token in self._ids.items():
            whole = piece in self._added or not self._bytewise
            names[token] = piece.replace(SPACE, " ") if whole else _read_bytewise(piece)
        seen: dict[str, int] = {}
        for token, name in enumerate(names):
            if seen.setdefault(name, token) != token:
                names[token] = f"{name}#{token}"
        return padded(tuple(names), size)

    def to_json(self) -> dict[str, Any]:
        return {"tokenizer": self.table, "start": self.start}


def _byte_letters() -> dict[str, int]:
    """GPT-2 writes each byte as a letter: printable ones as themselves, the others as letters from U+0100 on."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + n): byte for n, byte in enumerate(others)}


BYTES = _byte_letters()
LETTERS = {byte: letter for letter, byte in BYTES.items()}


def _read_bytewise(piece: str) -> str:
    """The text of a piece that is written in GPT-2's letters; its bytes where it is no whole text."""
    if not set(piece) <= BYTES.keys():
        return piece
    values = bytes(BYTES[letter] for letter in piece)
    try:
        return values.decode()
    except UnicodeDecodeError:
        return " ".join(f"0x{value:02x}" for value in values)


def _first_of_template(template: Any) -> int | None:
    """The id of the token that a template of the library puts before every text, if there is one."""
    if not isinstance(template, dict):
        return None
    if template.get("type") == "Sequence":
        firsts = map(_first_of_template, template.get("processors") or [])
        return next((first for first in firsts if first is not None), None)
    if "cls" in template:  # BERT's and RoBERTa's: [piece, id]
        return template["cls"][1]
    first = next(iter(template.get("single") or []), {}).get("SpecialToken")
    return None if first is None else template["special_tokens"][first["id"]]["ids"][0]
