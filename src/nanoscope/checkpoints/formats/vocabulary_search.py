"""Where a nanoGPT checkpoint's vocabulary lies.

In this order: the file that the user names; a table in the checkpoint; `meta.pkl` beside it; and `data/DATASET/meta.pkl`, where
nanoGPT's `sample.py` looks, in the folders above the checkpoint (nearest first) and in the working folder. DATASET is the
checkpoint's `config["dataset"]`.
"""

from __future__ import annotations

from pathlib import Path

from nanoscope.checkpoints.formats.source import Source
from nanoscope.errors import NanoscopeError
from nanoscope.text.tokenizer import Tokenizer
from nanoscope.text.vocabulary_files import from_table, read_meta, read_vocabulary

BYTE_PAIR_ROWS = (50257, 50304)
"""Symbols of GPT-2's byte-pair encoding, and nanoGPT's number of rows for them."""
GIVE = "give it with --vocabulary FILE: a meta.pkl, a .json table, or the training text for its characters"


def find_vocabulary(source: Source, rows: int) -> tuple[Tokenizer | None, str]:
    """The vocabulary of a checkpoint with an embedding of so many rows, and "";
    or None, and why there is none and what to do."""
    found, where = _named(source) or _inside(source) or _in_files(source)
    if found is None:
        return None, _missing(source, rows, where)
    _require_fitting(found, where, rows)
    return found, ""


def named_vocabulary(path: Path, rows: int) -> Tokenizer:
    """The vocabulary in a file that the user names; NanoscopeError if the model has too few rows for it."""
    found = read_vocabulary(path)
    _require_fitting(found, str(path), rows)
    return found


def _require_fitting(vocabulary: Tokenizer, where: str, rows: int) -> None:
    if len(vocabulary) > rows:
        raise NanoscopeError(
            f"the vocabulary in {where} has {len(vocabulary)} symbols but the model {rows}; it belongs to another model: "
            "give its own with --vocabulary FILE"
        )


def dataset_files(checkpoint: Path, dataset: str | None, name: str) -> list[Path]:
    """Where a file of a data set may lie, as nanoGPT lays them out; the nearest first."""
    if not dataset:
        return []
    folders = dict.fromkeys([*checkpoint.absolute().parents, Path.cwd()])
    return [folder / "data" / dataset / name for folder in folders]


def sampled_from(checkpoint: Path, dataset: str) -> Path | None:
    """The `meta.pkl` that nanoGPT's `sample.py` will read for a checkpoint in a nanoGPT checkout; None outside one."""
    folders = [*checkpoint.absolute().parents, Path.cwd()]
    root = next((folder for folder in folders if (folder / "sample.py").exists()), None)
    return None if root is None else root / "data" / dataset / "meta.pkl"


def dataset_name(source: Source) -> str | None:
    """The checkpoint's `config["dataset"]`."""
    name = source.plain("config").get("dataset")
    return name if isinstance(name, str) else None


def _named(source: Source) -> tuple[Tokenizer, str] | None:
    return None if source.vocabulary is None else (read_vocabulary(source.vocabulary), str(source.vocabulary))


def _inside(source: Source) -> tuple[Tokenizer, str] | None:
    """The table in the checkpoint itself, or in its config."""
    for holder in (source.top, source.plain("config")):
        for key in ("itos", "stoi"):
            if key in holder and (found := from_table({key: holder[key]}, f"{source.path} ({key})")) is not None:
                return found, f"its own {key}"
    return None


def _in_files(source: Source) -> tuple[Tokenizer | None, str]:
    """The first `meta.pkl` found, or None and the first one that holds no table."""
    places = [source.path.with_name("meta.pkl"), *dataset_files(source.path, dataset_name(source), "meta.pkl")]
    there = [place for place in places if place.exists()]
    for place in there:
        if (found := read_meta(place)) is not None:
            return found, str(place)
    return None, str(there[0]) if there else ""


def _missing(source: Source, rows: int, found: str) -> str:
    dataset = dataset_name(source)
    looked = "there is no meta.pkl beside it"
    if dataset:
        looked += f", and no data/{dataset}/meta.pkl in the working folder or a folder above the checkpoint"
    if found:
        looked = f"{found} holds no table of symbols"
    if rows in BYTE_PAIR_ROWS:
        return (
            f"{source.path} has {rows:,} symbols, as GPT-2's byte-pair encoding, which nanoscope does not read (characters, "
            "words and bytes it does), so no text can be read into it; `nanoscope check` needs none. Is it of characters, "
            f"{GIVE} ({looked})"
        )
    return f"{source.path} has no vocabulary, so no text can be read into it: {looked}; {GIVE}"
