"""Tables of pieces in files: `tokenizer.json`, and GPT-2's own two files, under the names that they go by.

GPT-2's files are a table piece -> id (`vocab.json`, `encoder.json`) and the list of merges in order (`merges.txt`,
`vocab.bpe`). Either may be named; the other one lies beside it.
"""

from __future__ import annotations

import importlib.util
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from nanoscope.errors import NanoscopeError
from nanoscope.text.pieces import Pieces

LARGEST = 64 * 2**20
WHOLE = "tokenizer.json"
PAIRS = (("vocab.json", "merges.txt"), ("encoder.json", "vocab.bpe"))
"""The table and the merges."""
GPT2_ROWS = (50257, 50304)
"""Symbols of GPT-2's byte-pair encoding, and nanoGPT's number of rows for them."""
END_OF_TEXT = "<|endoftext|>"
KEPT_BY_TIKTOKEN = ("6c7ea1a7e38e3a7f062df639a5b80947f075ffe6", "6d1cbeee0f20b3d9449abfede4726ed8212e3aee")
"""GPT-2's table and merges in tiktoken's cache, which names a file by the SHA-1 of the address that it came from."""
MOST = 2**21
"""Symbols of the largest table that is read."""


def pieces_beside(folder: Path) -> Path | None:
    """The first file of a table of pieces in a folder."""
    whole = [folder / WHOLE, *(folder / table for table, merges in PAIRS if (folder / merges).is_file())]
    return next((path for path in whole if path.is_file()), None)


def gpt2_at_hand() -> Path | None:
    """GPT-2's table where another program keeps it: in the cache of Hugging Face's hub or of tiktoken."""
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface")
    hub = Path(os.environ.get("HF_HUB_CACHE") or home / "hub")
    names = ("models--gpt2", "models--openai-community--gpt2")
    folders = [folder for name in names for folder in sorted(hub.glob(f"{name}/snapshots/*"))]
    found = next((path for folder in folders if (path := pieces_beside(folder))), None)
    return found or _kept_by_tiktoken()


def _kept_by_tiktoken() -> Path | None:
    cache = os.environ.get("TIKTOKEN_CACHE_DIR") or os.environ.get("DATA_GYM_CACHE_DIR")
    folder = Path(cache) if cache else Path(tempfile.gettempdir()) / "data-gym-cache"
    table, merges = (folder / name for name in KEPT_BY_TIKTOKEN)
    return table if table.is_file() and merges.is_file() else None


def read_pieces(path: Path) -> Pieces | None:
    """The table of pieces in a file, or in the two that it is one of; None if the file is none of these."""
    if path.name == WHOLE or path.suffix == ".json":
        content = _json(path)
        if isinstance(content, dict) and isinstance(content.get("model"), dict):
            return _checked(content, path)
        _require_merges(content, path)
    merges = _partner(path, 0)
    table = path if merges is not None else _partner(path, 1)
    merges = merges if merges is not None else path
    if table is None:
        return None
    return _checked(byte_pairs(_table(table), _merges(merges)), table)


def _partner(path: Path, mine: int) -> Path | None:
    """The other file of a pair, if this is one of a pair's tables (0) or merges (1)."""
    other = next((pair[1 - mine] for pair in (*PAIRS, KEPT_BY_TIKTOKEN) if pair[mine] == path.name), None)
    if other is None:
        return None
    found = path.with_name(other)
    if found.is_file():
        return found
    if mine:
        raise NanoscopeError(f"{path} holds only the merges; put {other} beside it")
    return None


def _require_merges(content: Any, path: Path) -> None:
    """NanoscopeError for GPT-2's pieces, which write a space as a letter, without their merges."""
    alone = all(not path.with_name(merges).is_file() for table, merges in PAIRS if table == path.name)
    if alone and isinstance(content, dict) and sum(str(piece).startswith("Ġ") for piece in content) > len(content) / 10:
        raise NanoscopeError(f"{path} holds the pieces of a byte-pair encoding; put its merges.txt beside it")


def byte_pairs(ids: dict[str, int], merges: list[tuple[str, str]]) -> dict[str, Any]:
    """GPT-2's byte-pair encoding with these pieces and merges, as the library `tokenizers` writes it."""
    spaces = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": True}
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    special = [{"id": ids[END_OF_TEXT], "content": END_OF_TEXT, **flags, "special": True}] if END_OF_TEXT in ids else []
    return {
        "version": "1.0",
        "added_tokens": special,
        "normalizer": None,
        "pre_tokenizer": spaces,
        "decoder": spaces,
        "model": {"type": "BPE", "unk_token": None, "vocab": ids, "merges": [list(pair) for pair in merges]},
    }


def _checked(table: dict[str, Any], path: Path) -> Pieces:
    """The table, if it is one; where the library is installed, it has read it."""
    try:
        found = Pieces.of(table)
        fits = 0 < len(found) <= MOST
    except (KeyError, TypeError, ValueError, AttributeError, IndexError):
        fits, found = False, None
    if found is None or not fits:
        raise NanoscopeError(f"{path} is no table of pieces as the library tokenizers writes it; restore it")
    if importlib.util.find_spec("tokenizers") is not None:
        try:
            _ = found.library
        except NanoscopeError as error:
            raise NanoscopeError(f"{path}: {error}") from None
    return found


def _table(path: Path) -> dict[str, int]:
    content = _json(path)
    if not isinstance(content, dict) or not all(type(index) is int and index >= 0 for index in content.values()):
        raise NanoscopeError(f"{path} is no table piece -> id; restore it")
    return content


def _merges(path: Path) -> list[tuple[str, str]]:
    """Two pieces a line; the first line may name the version."""
    lines = _text(path).split("\n")
    pairs = [line.split(" ") for line in lines if line.strip() and not line.startswith("#version")]
    if not all(len(pair) == 2 for pair in pairs):
        raise NanoscopeError(f"{path} is no list of merges, two pieces a line; restore it")
    return [(first, second) for first, second in pairs]


def _json(path: Path) -> Any:
    try:
        return json.loads(_text(path))
    except (ValueError, RecursionError):
        raise NanoscopeError(f"{path} is no vocabulary: its JSON cannot be read; restore it") from None


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > LARGEST:
            raise NanoscopeError(f"{path} is {path.stat().st_size:,} bytes, too large for a vocabulary")
        return path.read_bytes().decode()
    except OSError as error:
        raise NanoscopeError(f"cannot read the vocabulary {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise NanoscopeError(f"{path} is no text in UTF-8; restore it") from None
