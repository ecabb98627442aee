"""Folders as Hugging Face writes them (config.json, and weights in one file or in shards), and what lies beside a file."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nanoscope.checkpoints.containers.state import state_of
from nanoscope.errors import NanoscopeError

WEIGHTS = ("model.safetensors", "pytorch_model.bin")
INDEX = ".index.json"
CONFIGS = ("config.json", "params.json")
LARGEST_CONFIG = 2**20


def bytes_of(path: Path) -> bytes:
    """A file's bytes."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise NanoscopeError(f"{path} cannot be read ({error.strerror}); check the path") from None


def weight_files(folder: Path) -> tuple[Path, ...]:
    """The files of a folder's weights, in the order of their names; none without a config and Hugging Face's names."""
    for name in WEIGHTS if (folder / CONFIGS[0]).is_file() else ():
        if (folder / name).is_file():
            return (folder / name,)
        if (folder / f"{name}{INDEX}").is_file():
            return _shards(folder / f"{name}{INDEX}")
    return ()


def joined(contents: Mapping[Path, Any]) -> Any:
    """The content of a folder: that of its one file, or the weights of all shards together."""
    if len(contents) == 1:
        return next(iter(contents.values()))
    found: dict[str, Any] = {}
    for path, content in contents.items():
        state = state_of(content, 2**62)
        tensors = {} if state is None else state.tensors
        for name in sorted(found.keys() & tensors.keys()):
            raise NanoscopeError(f"{path} holds the weight {name!r} of another shard again; copy the folder again")
        found |= tensors
    return found


def config_files(path: Path) -> tuple[Path, ...]:
    """The files that say a model's settings: in a folder, or beside a file."""
    folder = path if path.is_dir() else path.parent
    names = [*CONFIGS, *([] if path.is_dir() else [f"{path.stem}.json"])]
    if numbered := re.fullmatch(r"model_(\d+)", path.stem):
        names.append(f"meta_{numbered[1]}.json")
    there = dict.fromkeys(folder / name for name in names)
    return tuple(one for one in there if one != path and one.is_file() and one.stat().st_size <= LARGEST_CONFIG)


def config(path: Path) -> dict[str, Any]:
    """The settings in a file; none where it is no JSON of settings: it may belong to something else."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _shards(index: Path) -> tuple[Path, ...]:
    """The files that an index names; NanoscopeError if it names none, or one outside its folder or missing."""
    try:
        names = sorted(set(json.loads(index.read_bytes())["weight_map"].values()))
        if not names or any(Path(name).name != name or "\0" in name for name in names):
            raise ValueError
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise NanoscopeError(f"{index} is no index of a model's shards; copy it again") from None
    for name in (name for name in names if not (index.parent / name).is_file()):
        raise NanoscopeError(f"{index.parent} lacks {name!r}, one of {len(names)} files of its weights; copy it there")
    return tuple(index.parent / name for name in names)
