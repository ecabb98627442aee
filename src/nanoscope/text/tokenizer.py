"""Tokenizers: a table of symbols (`vocabulary`), UTF-8 bytes, pieces of words (`pieces`), or a user's own.

A tokenizer also returns *offsets*: which characters of the text each token covers. They carry labels of characters
(concepts, positions in the text) over to tokens: each token gets the labels of its last character, the end of the text
once the token has been read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from nanoscope.errors import NanoscopeError
from nanoscope.text.pieces import Pieces
from nanoscope.text.vocabulary import UNKNOWN, Vocabulary, padded

START = "<start>"


@runtime_checkable
class Tokenizer(Protocol):
    """The interface that the package requires of a tokenizer. `start` is the id of the start symbol, if there is one."""

    @property
    def start(self) -> int | None: ...
    def __len__(self) -> int: ...
    def encode(self, text: str) -> Int[Tensor, "pos"]: ...
    def decode(self, tokens: Int[Tensor, "pos"] | list[int]) -> str: ...
    def offsets(self, text: str) -> Int[np.ndarray, "pos 2"]:
        """The characters `[begin, end)` that each token covers, at least one."""
        ...

    def names(self, size: int) -> tuple[str, ...]:
        """A unique name for each of a model's `size` tokens."""
        ...

    def to_json(self) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Bytes:
    """The 256 byte values, followed by a start symbol for models trained with one."""

    started: bool = False

    @property
    def start(self) -> int | None:
        return 256 if self.started else None

    def __len__(self) -> int:
        return 256 + self.started

    def encode(self, text: str) -> Int[Tensor, "pos"]:
        return torch.tensor(list(text.encode()), dtype=torch.long)

    def decode(self, tokens: Int[Tensor, "pos"] | list[int]) -> str:
        """The text of some bytes; U+FFFD for invalid UTF-8 and for ids that are not bytes."""
        whole = bytes(t if 0 <= t < 256 else 0xFF for t in map(int, tokens))  # 0xFF occurs nowhere in UTF-8
        return whole.decode(errors="replace")

    def offsets(self, text: str) -> Int[np.ndarray, "pos 2"]:
        """Each byte covers the whole character that it belongs to."""
        sizes = [len(character.encode()) for character in text]
        of = np.repeat(np.arange(len(text)), sizes)
        return np.stack([of, of + 1], axis=1)

    def names(self, size: int) -> tuple[str, ...]:
        """ASCII characters as they are, other bytes in hexadecimal, such as `0xc3`."""
        named = (*map(chr, range(128)), *(f"0x{byte:02x}" for byte in range(128, 256)))
        return padded((*named, START) if self.started else named, size)

    def to_json(self) -> dict[str, Any]:
        return {"bytes": "utf-8", "started": self.started}


def from_json(value: dict[str, Any]) -> Tokenizer:
    """The tokenizer that `to_json` described."""
    if "tokenizer" in value:
        return Pieces(value["tokenizer"], value["start"])
    return Bytes(value["started"]) if "bytes" in value else Vocabulary.from_json(value)


def require_tokenizer(vocabulary: Tokenizer | None, why_none: str = "") -> Tokenizer:
    """A checkpoint's tokenizer. Raises NanoscopeError, which says `why_none`, if it has none."""
    if vocabulary is None:
        raise NanoscopeError(
            why_none or "this checkpoint has no vocabulary; give nanoGPT's meta.pkl with --vocabulary FILE"
        )
    return vocabulary


@dataclass(frozen=True)
class TokenizedText:
    """A text with its tokens, and the characters `[begin, end)` that each token covers."""

    text: str = field(repr=False)
    tokens: Int[Tensor, "pos"] = field(repr=False)
    offsets: Int[np.ndarray, "pos 2"] = field(repr=False)
    tokenizer: Tokenizer = field(repr=False)

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def start(self) -> int | None:
        return self.tokenizer.start

    @property
    def last(self) -> Int[np.ndarray, "pos"]:
        """The last character of each token, whose labels the token gets."""
        return self.offsets[:, 1] - 1

    def token_at(self, characters: Int[np.ndarray, "*any"]) -> Int[np.ndarray, "*any"]:
        """The token that covers each character (if several bytes do, the last one); -1 before the text."""
        return np.searchsorted(self.offsets[:, 0], characters, side="right") - 1

    def passage(self, begin: int, size: int) -> slice:
        """At most `size` tokens from the one that covers a character on, as a slice of the tokens."""
        first = max(0, int(self.token_at(np.array([begin]))[0]))
        return slice(first, min(first + size, len(self)))


def tokenized(text: str, tokenizer: Tokenizer) -> TokenizedText:
    """Tokenize a text, keeping the offsets."""
    return TokenizedText(text, tokenizer.encode(text), tokenizer.offsets(text), tokenizer)


def spelled(tokens: Int[Tensor, "pos"], tokenizer: Tokenizer) -> TokenizedText:
    """Tokens without a source text, with the text that they decode to one by one; part of a character gives U+FFFD."""
    parts = [tokenizer.decode([int(token)]) or UNKNOWN for token in tokens]
    sizes = np.array([len(part) for part in parts], dtype=np.int64)
    ends = sizes.cumsum()
    return TokenizedText("".join(parts), tokens, np.stack([ends - sizes, ends], axis=1), tokenizer)
