"""Vocabularies: symbols to token ids and back.

A vocabulary is a tuple of symbols, saved as JSON. If all are single characters, each character of a text is a token.
Otherwise the text is split from left to right, always by the longest symbol that fits. nanoGPT stores its vocabulary as a
pickle (`meta.pkl`), which is read by an unpickler that creates only plain containers, strings and numbers.
"""

from __future__ import annotations

import io
import pickle
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Int

from nanoscope.errors import NanoscopeError

if TYPE_CHECKING:
    from torch import Tensor

META_SIZE_LIMIT = 4 * 2**20
UNKNOWN = "\ufffd"


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

    def __len__(self) -> int:
        return len(self.symbols)

    def encode(self, text: str) -> Int[Tensor, "pos"]:
        """Token ids of a text. Raises NanoscopeError with the position of a character outside the vocabulary."""
        pieces = self._pieces(text)
        try:
            return torch.tensor([self.ids[piece] for piece in pieces], dtype=torch.long)
        except KeyError as error:
            character = error.args[0]
            at = len("".join(pieces[: pieces.index(character)]))
            raise NanoscopeError(
                f"character {character!r} (U+{ord(character):04X}) at position {at} is not among "
                f"the model's {len(self)} symbols; remove it or use a model trained with it"
            ) from None

    def offsets(self, text: str) -> Int[np.ndarray, "pos 2"]:
        """The characters `[begin, end)` that each token of a text covers."""
        sizes = np.array([len(piece) for piece in self._pieces(text)], dtype=np.int64)
        ends = sizes.cumsum()
        return np.stack([ends - sizes, ends], axis=1)

    def _pieces(self, text: str) -> list[str]:
        """The symbols of a text, longest match first; a character that starts no symbol is a piece of its own."""
        read = {symbol for index, symbol in enumerate(self.symbols) if index != self.start}
        lengths = sorted({len(symbol) for symbol in read}, reverse=True)
        if max(lengths, default=1) == 1:
            return list(text)
        pieces, at = [], 0
        while at < len(text):
            fitting = (text[at : at + length] for length in lengths)
            pieces.append(next((piece for piece in fitting if piece and piece in read), text[at]))
            at += len(pieces[-1])
        return pieces

    def decode(self, tokens: Int[Tensor, "pos"] | list[int]) -> str:
        """The text of some token ids; ids beyond the vocabulary (padding rows of the embedding) become U+FFFD."""
        size = len(self)
        return "".join(self.symbols[t] if 0 <= t < size else UNKNOWN for t in map(int, tokens))

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


def from_itos(itos: Any, source: str) -> Vocabulary:
    """A vocabulary from nanoGPT's `itos` table (id -> character), checked to hold one symbol for each of 0..n-1."""
    table = dict(enumerate(itos)) if isinstance(itos, (list, tuple)) else itos
    if isinstance(table, dict) and all(isinstance(index, str) and index.isdecimal() for index in table):
        table = {int(index): symbol for index, symbol in table.items()}  # JSON turns integer keys into strings
    if not isinstance(table, dict) or set(table) != set(range(len(table))):
        raise NanoscopeError(f"{source} holds no table of symbols 0..n-1 (itos); give another vocabulary or remove it")
    symbols = tuple(table[index] for index in range(len(table)))
    if not all(isinstance(symbol, str) for symbol in symbols) or len(set(symbols)) < len(symbols):
        raise NanoscopeError(
            f"{source}: the symbols in itos are not all text, or not all different; give another vocabulary or "
            "remove it"
        )
    return Vocabulary(symbols)


def read_meta(path: Path) -> Vocabulary | None:
    """The vocabulary in a nanoGPT `meta.pkl`, or None if the file describes a tokenizer without a symbol table."""
    size = path.stat().st_size
    if size > META_SIZE_LIMIT:
        raise NanoscopeError(
            f"{path} is {size:,} bytes, too large for a vocabulary; remove it or put the real one there"
        )
    try:
        meta = _PlainUnpickler(io.BytesIO(path.read_bytes())).load()
    except NanoscopeError:
        raise
    except Exception:
        raise NanoscopeError(f"{path} is not a readable nanoGPT meta.pkl; remove it or restore it") from None
    return from_itos(meta["itos"], str(path)) if isinstance(meta, dict) and "itos" in meta else None


def write_meta(vocabulary: Vocabulary) -> bytes:
    """The bytes of a nanoGPT `meta.pkl` (protocol 4, plain containers only)."""
    itos = dict(enumerate(vocabulary.symbols))
    return pickle.dumps({"vocab_size": len(vocabulary), "itos": itos, "stoi": vocabulary.ids}, protocol=4)


class _PlainUnpickler(pickle._Unpickler):
    """Rejects every global, so that only dicts, lists, tuples, strings and numbers can result.

    Based on the Python unpickler, whose memo is a dict: with the C unpickler a file of ten bytes can request 32 GB.
    """

    def find_class(self, module: str, name: str) -> Any:
        raise NanoscopeError(f"meta.pkl requests {f'{module}.{name}'!r}, which no vocabulary needs; it was not loaded")
