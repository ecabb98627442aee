"""Vocabularies: symbols to token ids and back.

A vocabulary is a tuple of symbols, saved as JSON. If all are single characters, each character of a text is a token.
Otherwise the text is split from left to right, always by the longest symbol that fits. A vocabulary of words has no space
among its symbols; then the white space between words belongs to no token.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Int

from nanoscope.errors import NanoscopeError

if TYPE_CHECKING:
    from torch import Tensor

UNKNOWN = "\ufffd"
UNUSED = "<0>"
"""The symbol of id 0 in a vocabulary whose ids begin at 1."""
WHITE_SPACE = " \n\t"


@dataclass(frozen=True)
class Vocabulary:
    """Symbols in token order. `start` is the id of a start-of-sequence symbol, for models trained with one."""

    symbols: tuple[str, ...]
    start: int | None = None

    @staticmethod
    def of(text: str) -> Vocabulary:
        """The sorted characters of a text, as in nanoGPT's `prepare.py`."""
        return Vocabulary(tuple(sorted(set(text))))

    @cached_property
    def ids(self) -> dict[str, int]:
        return {symbol: index for index, symbol in enumerate(self.symbols)}

    @cached_property
    def kind(self) -> str:
        """What its symbols are: "characters", "words" (without a space among them), or "pieces" of text."""
        read = self._read
        if all(len(symbol) == 1 for symbol in read):
            return "characters"
        mostly_long = 2 * sum(len(symbol) > 1 for symbol in read) > len(read)
        return "words" if mostly_long and not any(" " in symbol for symbol in read) else "pieces"

    @cached_property
    def _read(self) -> frozenset[str]:
        """The symbols that a text can hold: all but the start symbol and an unused id."""
        unused = {self.start, *([0] if self.symbols[:1] == (UNUSED,) else [])}
        return frozenset(symbol for index, symbol in enumerate(self.symbols) if index not in unused)

    def __len__(self) -> int:
        return len(self.symbols)

    def encode(self, text: str) -> Int[Tensor, "pos"]:
        """Token ids of a text. Raises NanoscopeError with the position of a character or word outside the vocabulary."""
        pieces = text if self.kind == "characters" else [text[begin:end] for begin, end in self.offsets(text).tolist()]
        try:
            return torch.tensor([self.ids[piece] for piece in pieces], dtype=torch.long)
        except KeyError as error:
            raise NanoscopeError(self._unknown(text, error.args[0])) from None

    def offsets(self, text: str) -> Int[np.ndarray, "pos 2"]:
        """The characters `[begin, end)` that each token of a text covers."""
        if self.kind == "characters":
            return np.arange(len(text))[:, None] + np.arange(2)
        return np.array(self._spans(text), dtype=np.int64).reshape(-1, 2)

    def _spans(self, text: str) -> list[tuple[int, int]]:
        """Where each token begins and ends, longest match first; a character that starts no symbol is a token of its own,
        except white space between words."""
        lengths = sorted({len(symbol) for symbol in self._read} - {0}, reverse=True)
        spans, at = [], 0
        while at < len(text):
            fitting = (text[at : at + length] for length in lengths)
            symbol = next((piece for piece in fitting if piece in self._read), "")
            end = at + max(len(symbol), 1)
            if symbol or not (self.kind == "words" and text[at].isspace()):
                spans.append((at, end))
            at = end
        return spans

    def _unknown(self, text: str, piece: str) -> str:
        """The error for a character that starts no symbol: it names the character, or the word that it stands in."""
        at = next(int(begin) for begin, end in self.offsets(text) if text[begin:end] == piece)
        what, symbols = f"character {piece!r} (U+{ord(piece):04X})", "symbols"
        if self.kind == "words":
            at = max(text.rfind(space, 0, at) for space in WHITE_SPACE) + 1
            what, symbols = f"the word {text[at:].split(maxsplit=1)[0]!r}", "words"
        return (
            f"{what} at position {at} is not among the model's {len(self)} {symbols}; "
            "remove it or use a model trained with it"
        )

    def decode(self, tokens: Int[Tensor, "pos"] | list[int]) -> str:
        """The text of some token ids; ids beyond the vocabulary (padding rows of the embedding) become U+FFFD."""
        size, between = len(self), " " if self.kind == "words" else ""
        return between.join(self.symbols[t] if 0 <= t < size else UNKNOWN for t in map(int, tokens))

    def names(self, size: int) -> tuple[str, ...]:
        """A name for each of a model's `size` tokens: its symbol, or `#id` for padding rows of the embedding."""
        return padded(self.symbols, size)

    def to_json(self) -> dict[str, Any]:
        return {"symbols": list(self.symbols), "start": self.start}

    @staticmethod
    def from_json(value: dict[str, Any]) -> Vocabulary:
        return Vocabulary(tuple(value["symbols"]), value["start"])


def padded(names: tuple[str, ...], size: int) -> tuple[str, ...]:
    """Extend names to `size` tokens, with `#id` for padding."""
    return (*names, *(f"#{i}" for i in range(len(names), size)))
