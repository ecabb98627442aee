"""Vocabularies: symbols to token ids and back.

A vocabulary is a tuple of symbols, saved as JSON. nanoGPT keeps its own as a pickle (`meta.pkl`); that one is read by
an unpickler that can make plain containers, strings and numbers, and nothing else.
"""

from __future__ import annotations

import io
import pickle
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Int

from nanoscope.errors import NanoscopeError

if TYPE_CHECKING:
    from torch import Tensor

META_SIZE_LIMIT = 4 * 2**20


@dataclass(frozen=True)
class Vocabulary:
    """Symbols in token order. `start` is the id of a start-of-sequence symbol, for models trained with one."""

    symbols: tuple[str, ...]
    start: int | None = None

    @staticmethod
    def of(text: str) -> Vocabulary:
        """The sorted characters of a text, as nanoGPT's `prepare.py` makes them."""
        return Vocabulary(tuple(sorted(set(text))))

    @cached_property
    def ids(self) -> dict[str, int]:
        return {symbol: index for index, symbol in enumerate(self.symbols)}

    def __len__(self) -> int:
        return len(self.symbols)

    def encode(self, text: str) -> Int[Tensor, "pos"]:
        """Token ids of a text's characters. A character outside the vocabulary is an error that says where."""
        try:
            return torch.tensor([self.ids[character] for character in text], dtype=torch.long)
        except KeyError as error:
            character = error.args[0]
            raise NanoscopeError(
                f"character {character!r} (U+{ord(character):04X}) at position {text.index(character)} is not among "
                f"the model's {len(self)} symbols; remove it or use a model trained with it"
            ) from None

    def decode(self, tokens: Int[Tensor, "pos"] | list[int]) -> str:
        """The text of some token ids; ids beyond the vocabulary (padding rows of the embedding) print as U+FFFD."""
        size = len(self)
        return "".join(self.symbols[t] if 0 <= t < size else "\ufffd" for t in map(int, tokens))

    def names(self, size: int) -> tuple[str, ...]:
        """A name for each of a model's `size` tokens: its symbol, or `#id` in the padding rows of the embedding."""
        return (*self.symbols, *(f"#{i}" for i in range(len(self), size)))

    def to_json(self) -> dict[str, Any]:
        return {"symbols": list(self.symbols), "start": self.start}

    @staticmethod
    def from_json(value: dict[str, Any]) -> Vocabulary:
        return Vocabulary(tuple(value["symbols"]), value["start"])


def from_itos(itos: Any, source: str) -> Vocabulary:
    """A vocabulary from nanoGPT's `itos` table (id -> character), checked to be one symbol for each of 0..n-1."""
    table = dict(enumerate(itos)) if isinstance(itos, (list, tuple)) else itos
    if isinstance(table, dict) and all(isinstance(index, str) and index.isdecimal() for index in table):
        table = {int(index): symbol for index, symbol in table.items()}  # as JSON keeps it
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
    """The vocabulary in a nanoGPT `meta.pkl`, or None where the file describes a tokenizer without a symbol table."""
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
    """Refuses every global, so nothing but dicts, lists, tuples, strings and numbers can come out.

    The unpickler written in Python, whose memo is a dict: the one in C lets ten bytes ask for 32 GB.
    """

    def find_class(self, module: str, name: str) -> Any:
        raise NanoscopeError(
            f"meta.pkl asks for {f'{module}.{name}'!r}, which a vocabulary never needs; it was not loaded"
        )
