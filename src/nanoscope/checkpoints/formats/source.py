"""A file or folder to load: its content, the weights in it, and whatever else it says. Read when a format asks for it.

Nothing in a file is run: `containers` opens every kind of it, pickles with inert stand-ins for whatever they name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor

from nanoscope import files
from nanoscope.checkpoints.containers import folders
from nanoscope.checkpoints.containers.modules import attributes, classes, is_module, unwrapped
from nanoscope.checkpoints.containers.opened import content_of
from nanoscope.checkpoints.containers.plain import DEPTH, PARTS, opened, table
from nanoscope.checkpoints.containers.state import State, is_optimizer, state_of, without_wrappers
from nanoscope.checkpoints.reading.readings import NOTHING, Instructions
from nanoscope.errors import NanoscopeError

ATTRIBUTES, CLASSES = "the module's attributes", "the module's classes"
"""Where a setting stands that a whole pickled module has, by its attributes, or by the classes of its parts."""
VOCABULARY = frozenset(["stoi", "itos", "vocab", "encoder", "decoder", "merges", "token_to_id", "id_to_token"])
"""Dictionaries of symbols, which are no settings."""


@dataclass(frozen=True)
class Source:
    """A path whose content is read on first use."""

    path: Path
    vocabulary: Path | None = None
    """The file of the vocabulary, where the user names one."""
    said: Instructions = NOTHING
    """What the user says of the file."""

    @cached_property
    def files(self) -> tuple[Path, ...]:
        """The files that hold the weights: itself; of a folder its weights as Hugging Face names them, and none of another."""
        return folders.weight_files(self.path) if self.path.is_dir() else (self.path,)

    @cached_property
    def raw(self) -> bytes:
        """The file's bytes."""
        return folders.bytes_of(self.path)

    @cached_property
    def sha256(self) -> str:
        """The checksum of the file's bytes; of a folder, of the checksums of its config and its weights, in that order."""
        if not self.path.is_dir():
            return files.sha256(self.raw)
        parts = [*folders.config_files(self.path), *self.files]
        return files.sha256("".join(files.sha256(folders.bytes_of(part)) for part in parts).encode())

    @cached_property
    def content(self) -> Any:
        """Plain containers, tensors, and inert stand-ins for objects; NanoscopeError if the file is damaged or another thing.

        Of a folder with several files of weights, their entries together."""
        if not self.path.is_dir():
            return content_of(self.raw, self.path)
        return folders.joined({part: content_of(folders.bytes_of(part), part) for part in self.files})

    @property
    def top(self) -> Mapping[Any, Any]:
        """The content where it is a dictionary; else an empty one."""
        return self.content if isinstance(self.content, Mapping) else {}

    @cached_property
    def weights(self) -> dict[str, Tensor]:
        """The weights, without the prefixes of wrappers; empty for a folder of another kind."""
        if not self.files:
            return {}
        if self._state is None:
            raise NanoscopeError(
                f"{self.path} holds no model weights (nanoGPT keeps them under 'model'); is it a checkpoint?"
            )
        try:
            named = without_wrappers(self._state.tensors)
        except NanoscopeError as error:
            raise self._refused(error) from None
        return {self.said.renamed(name): value for name, value in named.items()}

    @property
    def notes(self) -> tuple[str, ...]:
        """What was chosen among several models in the file."""
        return self._state.notes if self._state is not None else ()

    @cached_property
    def tables(self) -> tuple[tuple[str, dict[str, Any]], ...]:
        """Everything said beside the weights: (where, name -> plain value), such as ("model_args", {"n_head": 6}).

        Dictionaries and objects in the file, those within them as "config.model", the numbers beside them as "the file", what a
        whole module's attributes say, and the config that lies in the folder."""
        configs = [(path.name, table(folders.config(path))) for path in folders.config_files(self.path)]
        inside = [*self._inside(), *self._of_module()] if self.files else []
        return tuple((where, said) for where, said in [*inside, *configs] if said)

    def plain(self, key: str) -> dict[str, Any]:
        """The plain values (no tensors) of a dictionary or an object under a key of the file."""
        return table(self.top.get(key))

    @cached_property
    def _state(self) -> State | None:
        content, size = self.content, sum(part.stat().st_size for part in self.files)
        try:
            return state_of(content, 4 * size + 2**22)
        except NanoscopeError as error:
            raise self._refused(error) from None
        except Exception:
            raise self._refused(NanoscopeError("its modules have too many parts")) from None

    def _refused(self, error: NanoscopeError) -> NanoscopeError:
        return NanoscopeError(f"{self.path} cannot be loaded: {error}")

    def _inside(self) -> list[tuple[str, dict[str, Any]]]:
        """What stands in the file's dictionary, past the weights and optimizers."""
        left, weights = [PARTS], set[str]()
        if self._state is not None:
            weights = (
                {self._state.where[0]}
                if self._state.where
                else {start for name in self._state.tensors for start in (name, name.split(".")[0])}
            )
        named = {str(key): one for key, one in self.top.items()}
        held = {key: one for key, one in named.items() if key not in weights and not is_optimizer(one)}
        apart = {key: one for key, one in held.items() if _has_names(one)}
        found = [one for key, value in apart.items() for one in _tables(key, value, left)]
        return [*found, ("the file", table({key: one for key, one in held.items() if key not in apart}, left))]

    def _of_module(self) -> list[tuple[str, dict[str, Any]]]:
        """What the attributes of a whole module say, if the weights came as one."""
        part = self.content
        for key in self._state.where if self._state is not None else ():
            part = part.get(key) if isinstance(part, dict) else None
        if not is_module(part):
            return []
        module = unwrapped(part)
        return [*_tables(ATTRIBUTES, attributes(module), [PARTS]), (CLASSES, dict(classes(module)))]


def _has_names(value: Any) -> bool:
    """Is it a dictionary or an object, and no module?"""
    return isinstance(opened(value), dict) and not is_module(value)


def _tables(where: str, value: Any, left: list[int], depth: int = DEPTH) -> list[tuple[str, dict[str, Any]]]:
    """The table of a dictionary or an object, and of those within it but vocabularies."""
    if depth == 0 or left[0] <= 0:
        return []
    inner = opened(value)
    within = {
        key: one for key, one in inner.items() if isinstance(key, str) and _has_names(one) and key not in VOCABULARY
    }
    deeper = [one for key, part in within.items() for one in _tables(f"{where}.{key}", part, left, depth - 1)]
    return [(where, table(value, left)), *deeper]
