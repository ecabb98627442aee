"""Vocabularies in files: nanoGPT's pickled `meta.pkl`, a table in JSON, a list of symbols, or the training text itself.

A pickle is opened by an unpickler that creates only plain containers, strings and numbers; numpy's numbers and strings
become Python's. A table may say `itos` (id -> symbol) or `stoi` (symbol -> id); ids may begin at 1. Symbols are
characters, words, or byte values.
"""

from __future__ import annotations

import io
import json
import pickle
import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nanoscope.errors import NanoscopeError
from nanoscope.pickles import Budget, Buildable, Machine, Named, latin, pairs
from nanoscope.text.piece_files import pieces_beside, read_pieces
from nanoscope.text.plain_text import plain_text
from nanoscope.text.tokenizer import Bytes, Tokenizer, from_json
from nanoscope.text.vocabulary import UNUSED, Vocabulary

META_SIZE_LIMIT = 4 * 2**20
NAMES = re.compile(r"chars|characters|vocab(ulary)?|tokens|words|alphabet|encoder|decoder|[a-z]+_?(to|2)_?[a-z]+", re.I)
"""What people call a table of symbols, beside `itos` and `stoi`: `chars`, `vocab`, `char_to_idx`, `id2token`."""
LINES = "vocab.txt"
SPELLED = {r"\n": "\n", r"\t": "\t"}


def read_vocabulary(path: Path) -> Tokenizer:
    """The vocabulary in a file that a user names: a pickle (`.pkl`), JSON or a table of pieces (`piece_files`), `vocab.txt`
    with a symbol a line, or else the training text, whose sorted characters are nanoGPT's vocabulary. NanoscopeError if
    the file has none."""
    try:
        path = (pieces_beside(path) or path) if path.is_dir() else path
        found = _read(path)
    except OSError as error:
        raise NanoscopeError(f"cannot read the vocabulary {path}: {error.strerror}") from None
    except NanoscopeError:
        raise
    except ValueError:
        raise NanoscopeError(f"{path} is no vocabulary: give a meta.pkl, a .json table or the training text") from None
    if found is None or not len(found):
        raise NanoscopeError(f"{path} holds no table of symbols (itos or stoi); give another file")
    return found


def _read(path: Path) -> Tokenizer | None:
    if path.suffix in (".pkl", ".pickle"):
        return read_meta(path)
    if (pieces := read_pieces(path)) is not None:
        return pieces
    if path.suffix == ".json":
        return from_table(json.loads(path.read_bytes()), str(path))
    text = path.read_bytes().decode()
    return from_lines(text) if path.name == LINES else Vocabulary.of(plain_text(text)[0])


def from_lines(text: str) -> Vocabulary:
    """A vocabulary of one symbol a line. A line break among them leaves two empty lines, or is spelled `\\n`."""
    lines = plain_text(text)[0].removesuffix("\n").split("\n")
    if "" in lines:
        lines[lines.index("") : lines.index("") + 2] = ["\n"]
    return Vocabulary(tuple(SPELLED.get(line, line) for line in lines))


def characters_of(text: str, rows: int) -> Vocabulary | None:
    """The sorted characters of a text, if they are as many as the model's embedding has rows."""
    found = Vocabulary.of(text)
    return found if len(found) == rows else None


def read_meta(path: Path) -> Tokenizer | None:
    """The vocabulary in a nanoGPT `meta.pkl`, or None if the file describes a tokenizer without a symbol table."""
    size = path.stat().st_size
    if size > META_SIZE_LIMIT:
        raise NanoscopeError(
            f"{path} is {size:,} bytes, too large for a vocabulary; remove it or put the real one there"
        )
    try:
        raw = path.read_bytes()
        meta = _PlainMachine(io.BytesIO(raw), STAND_INS, Budget(len(raw))).load()
    except NanoscopeError:
        raise
    except Exception:
        raise NanoscopeError(f"{path} is not a readable nanoGPT meta.pkl; remove it or restore it") from None
    return from_table(meta, str(path)) if isinstance(meta, dict) else None


def from_table(meta: Any, source: str) -> Tokenizer | None:
    """The vocabulary in a list of symbols, in a mapping between symbols and ids, in one that has it under a name, or in
    nanoscope's own JSON; None if there is none."""
    if isinstance(meta, (list, tuple)):
        return from_itos(meta, source)
    if not isinstance(meta, dict):
        return None
    if "start" in meta and isinstance(meta.get("tokenizer"), str):
        return from_json(meta)
    return from_names(meta, source) or _unnamed(meta, source)


def from_names(meta: Mapping[Any, Any], source: str) -> Tokenizer | None:
    """The vocabulary that a mapping has as its `itos`, `stoi` or another of the `NAMES`; None if there is none."""
    if "itos" in meta:
        return from_itos(meta["itos"], source)
    if isinstance(meta.get("stoi"), dict):
        return from_stoi(meta["stoi"], source)
    if isinstance(meta.get("symbols"), list):
        return from_itos(meta["symbols"], source)
    named = (_unnamed(value, f"{source} ({name})") for name, value in meta.items() if NAMES.fullmatch(str(name)))
    return next((found for found in named if found is not None), None)


def _unnamed(value: Any, source: str) -> Tokenizer | None:
    """The vocabulary in a value that may be one: its symbols in order, or a mapping between symbols and all ids."""
    if isinstance(value, str) and len(set(value)) == len(value) > 1:
        return Vocabulary(tuple(value))
    if isinstance(value, (list, tuple)) and len(value) > 1 and all(isinstance(one, str) for one in value):
        return from_itos(value, source)
    if not isinstance(value, dict) or len(value) < 2:
        return None
    keys, values = ({type(one) for one in side} for side in (value.keys(), value.values()))
    if keys <= {str} and values == {int} and _all_ids(value.values()):
        return from_stoi(value, source)
    return from_itos(value, source) if keys == {int} and values <= {str, bytes} and _all_ids(value.keys()) else None


def _all_ids(ids: Collection[int]) -> bool:
    """Whether these are 0..n-1 or 1..n."""
    return set(ids) in (set(range(len(ids))), set(range(1, len(ids) + 1)))


def from_stoi(stoi: Mapping[Any, Any], source: str) -> Tokenizer:
    """A vocabulary from a table symbol -> id."""
    if not all(isinstance(index, int) for index in stoi.values()):
        raise NanoscopeError(f"{source}: the ids in stoi are not all numbers; give another vocabulary or remove it")
    if len(set(stoi.values())) < len(stoi):
        raise NanoscopeError(f"{source}: two symbols of stoi have the same id; give another vocabulary or remove it")
    return from_itos({index: symbol for symbol, index in stoi.items()}, source)


def from_itos(itos: Any, source: str) -> Tokenizer:
    """A vocabulary from nanoGPT's `itos` table (id -> symbol), checked to hold one symbol for each of 0..n-1 or 1..n."""
    table = dict(enumerate(itos)) if isinstance(itos, (list, tuple)) else itos
    if isinstance(table, dict) and all(isinstance(index, str) and index.isdecimal() for index in table):
        table = {int(index): symbol for index, symbol in table.items()}  # JSON turns integer keys into strings
    if not isinstance(table, dict) or not all(isinstance(index, int) for index in table):
        raise NanoscopeError(f"{source} holds no table of symbols 0..n-1 (itos); give another vocabulary or remove it")
    first = min(table, default=0)
    if first not in (0, 1) or set(table) != set(range(first, first + len(table))):
        raise NanoscopeError(
            f"{source}: the ids of itos are not 0..n-1 or 1..n; give a complete vocabulary or remove it"
        )
    symbols = _symbols([table[index] for index in range(first, first + len(table))], source)
    if isinstance(symbols, Bytes):
        return symbols
    return Vocabulary((UNUSED,) * first + symbols)


def _symbols(symbols: list[Any], source: str) -> tuple[str, ...] | Bytes:
    """The symbols as text; all 256 byte values in order are the tokenizer `Bytes`."""
    kinds = {type(symbol) for symbol in symbols}
    if kinds == {int}:
        kinds, symbols = {bytes}, [bytes([value]) if 0 <= value < 256 else b"\xff\xff" for value in symbols]
    if kinds == {bytes}:
        if symbols == [bytes([value]) for value in range(256)]:
            return Bytes()
        try:
            symbols = [symbol.decode() for symbol in symbols]
        except UnicodeDecodeError:
            raise NanoscopeError(
                f"{source}: itos holds {len(symbols)} bytes or numbers that are no characters by themselves; "
                "characters, words or all 256 bytes in order can be read"
            ) from None
    elif kinds - {str}:
        raise NanoscopeError(f"{source}: the symbols in itos are not all text; give another vocabulary or remove it")
    if len(set(symbols)) < len(symbols):
        raise NanoscopeError(
            f"{source}: the symbols in itos are not all different; give another vocabulary or remove it"
        )
    return tuple(symbols)


def write_meta(vocabulary: Vocabulary) -> bytes:
    """The bytes of a nanoGPT `meta.pkl` (protocol 4, plain containers only)."""
    itos = dict(enumerate(vocabulary.symbols))
    return pickle.dumps({"vocab_size": len(vocabulary), "itos": itos, "stoi": vocabulary.ids}, protocol=4)


class _DType(Buildable):
    """Stands in for numpy's dtype in a pickle: its code, such as `i8` or `U1`, and its byte order."""

    def __init__(self, code: str, *_: Any) -> None:
        if not re.fullmatch(r"b1|[iuf][1248]|[US][0-9]{1,4}", code):
            raise ValueError(code)
        self.code, self.order = code, "="

    def built(self, state: tuple[Any, ...]) -> _DType:
        self.order = {"<": "<", ">": ">"}.get(state[1], "=")
        return self


def _scalar(dtype: _DType, data: bytes) -> Any:
    """A numpy scalar in a pickle, as a plain number or string."""
    return np.frombuffer(data, np.dtype(dtype.order + dtype.code), 1)[0].item()


STAND_INS: dict[str, Callable[..., Any]] = {
    "collections.OrderedDict": pairs,
    "numpy.dtype": _DType,
    "numpy.core.multiarray.scalar": _scalar,
    "numpy._core.multiarray.scalar": _scalar,
    "_codecs.encode": latin,
}


class _PlainMachine(Machine):
    """Rejects every global but a few that are replaced by harmless ones, so that only dicts, lists, tuples, strings and
    numbers can result."""

    def find_class(self, module: str, name: str) -> Named:
        if f"{module}.{name}" in STAND_INS:
            return Named(module, name)
        raise NanoscopeError(f"meta.pkl requests {f'{module}.{name}'!r}, which no vocabulary needs; it was not loaded")
