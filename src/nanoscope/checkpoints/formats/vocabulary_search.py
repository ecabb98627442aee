"""Where a checkpoint's vocabulary lies.

In this order: the file that the user names; a table in the checkpoint, also one that a pickled object held; a file of its
folder (`BESIDE`); `data/DATASET/meta.pkl`, where nanoGPT's `sample.py` looks, in the folders above the checkpoint (nearest
first) and in the working folder; the characters of the text that the user gives, if they are as many as the embedding has rows;
and for a model of GPT-2's size its table, where another program keeps one. DATASET is the checkpoint's `config["dataset"]`.

A file that only lies nearby may be another model's. It is not believed if its symbols do not fill the embedding's rows, but for
fewer than `SURPLUS`: people pad the rows to a multiple of 64.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any

from torch import Tensor

from nanoscope.checkpoints.formats.source import Source
from nanoscope.errors import NanoscopeError
from nanoscope.pickles import StandIn
from nanoscope.text.piece_files import GPT2_ROWS, gpt2_at_hand, pieces_beside, read_pieces
from nanoscope.text.pieces import Pieces
from nanoscope.text.tokenizer import Tokenizer
from nanoscope.text.vocabulary_files import characters_of, from_names, read_meta, read_vocabulary

SURPLUS = 64
"""From this many rows without a symbol on, a vocabulary that was only found nearby is another model's."""
BESIDE = ("meta.pkl", "vocab.txt", "vocab.json", "chars.txt", "chars.json", "stoi.json", "itos.json")
DEPTH = 3
"""How deep a table may lie in a checkpoint."""
GIVE = "give it with --vocabulary FILE: a meta.pkl, a .json table, a tokenizer.json, or the training text for its characters"


def find_vocabulary(source: Source, rows: int, text: str | None = None) -> tuple[Tokenizer | None, str]:
    """The vocabulary of a checkpoint with an embedding of so many rows, and "";
    or None, and why there is none and what to do. `text` is the one that the user gives to measure on."""
    if (named := _named(source) or _inside(source, rows)) is not None:
        found, where = named
        _require_fitting(found, where, rows)
        return found, ""
    found, why = _in_files(source, rows)
    if found is None and text is not None:
        found = characters_of(text, rows)
    if found is None and rows in GPT2_ROWS and (path := gpt2_at_hand()) is not None:
        found = read_pieces(path)
    return (found, "") if found is not None else (None, _missing(source, rows, why))


def named_vocabulary(path: Path, rows: int) -> Tokenizer:
    """The vocabulary in a file that the user names; NanoscopeError if the model has too few rows for it."""
    found = read_vocabulary(path)
    _require_fitting(found, str(path), rows)
    return found


def about(vocabulary: Tokenizer | None, rows: int) -> list[str]:
    """Notes on the vocabulary of a model whose embedding has so many rows."""
    if vocabulary is None:
        return ["it came without a vocabulary: text can be neither read nor printed"]
    padding = rows - len(vocabulary)
    notes = [f"{padding:,} rows of the embedding are padding"] if padding else []
    if padding >= SURPLUS:
        notes = [f"its vocabulary has {len(vocabulary):,} symbols but the model {rows:,}: is it its own?"]
    if isinstance(vocabulary, Pieces) and rows in GPT2_ROWS and len(vocabulary) == GPT2_ROWS[0]:
        notes.append("its tokens are read as GPT-2's byte-pair encoding")
    return notes


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


def _inside(source: Source, rows: int) -> tuple[Tokenizer, str] | None:
    """The table in the checkpoint itself, in its config, or in an object that was pickled with it. One under another name
    than `itos` and `stoi` has to fit the model."""
    held = list(_mappings({} if source.path.is_dir() else source.content, DEPTH))
    for table, name in product(held, ("itos", "stoi")):
        if isinstance(table.get(name), (dict, list, tuple)):
            found = from_names({name: table[name]}, f"{source.path} ({name})")
            return None if found is None else (found, f"its own {name}")
    others = (from_names(table, str(source.path)) for table in held)
    fitting = [found for found in others if found is not None and max(rows / 2, rows - SURPLUS) < len(found) <= rows]
    return (max(fitting, key=len), "its own table") if fitting else None


def _mappings(content: Any, depth: int) -> Iterator[Mapping[Any, Any]]:
    """The mappings in a checkpoint, and the attributes of the objects in it, but no weights."""
    held = content.state | content.entries if isinstance(content, StandIn) else content
    if isinstance(content, Tensor) or not isinstance(held, Mapping) or _is_state(held):
        return
    yield held
    if depth:
        for value in held.values():
            yield from _mappings(value, depth - 1)


def _is_state(held: Mapping[Any, Any]) -> bool:
    return bool(held) and all(isinstance(value, Tensor) for value in held.values())


def _in_files(source: Source, rows: int) -> tuple[Tokenizer | None, str]:
    """The vocabulary in the first file nearby that fits the model; or None, and what is wrong with those that were found.
    NanoscopeError where all that was found is too large."""
    folder, dataset = source.path if source.path.is_dir() else source.path.parent, dataset_name(source)
    pieces = pieces_beside(folder)
    beside = [folder / name for name in BESIDE]
    places = [*([pieces] if pieces else []), *beside, *dataset_files(source.path, dataset, "meta.pkl")]
    wrong, larger = [], None
    for place in dict.fromkeys(place for place in places if place.is_file()):
        found = read_meta(place) if place.name == "meta.pkl" else _or_nothing(place)
        if found is None:
            wrong.append(f"{place} holds no table of symbols")
        elif len(found) > rows:
            larger = larger or (found, place)
        elif rows - len(found) >= SURPLUS:
            wrong.append(
                f"{place} has {len(found):,} symbols but the model {rows:,}, so it is another model's (if it is not, name it)"
            )
        else:
            return found, ""
    if larger is not None:
        _require_fitting(larger[0], str(larger[1]), rows)
    return None, wrong[0] if wrong else ""


def _or_nothing(path: Path) -> Tokenizer | None:
    """The vocabulary in a file that may be something else."""
    try:
        return read_vocabulary(path)
    except NanoscopeError:
        return None


def _missing(source: Source, rows: int, wrong: str) -> str:
    dataset = dataset_name(source)
    looked = wrong or "there is no meta.pkl beside it"
    if dataset and not wrong:
        looked += f", and no data/{dataset}/meta.pkl in the working folder or a folder above the checkpoint"
    if rows in GPT2_ROWS:
        return (
            f"{source.path} has {rows:,} symbols, as GPT-2's byte-pair encoding: put GPT-2's vocab.json and merges.txt (or its "
            f"tokenizer.json) beside it, or name one with --vocabulary FILE. Is it of characters, {GIVE} ({looked})"
        )
    return f"{source.path} has no vocabulary, so no text can be read into it: {looked}; {GIVE}"
