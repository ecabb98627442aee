"""A file or folder to load. Its bytes and unpickled content are read when a format asks for them.

Pickles are opened with `weights_only=True`, and this cannot be turned off.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nanoscope.checkpoints.reading.readings import NOTHING, Instructions
from nanoscope.errors import NanoscopeError

WRAPPERS = re.compile(r"^(_orig_mod\.|module\.)+")
"""Prefixes that torch.compile and DataParallel add to parameter names."""
STATE_KEYS = ("model", "model_state", "model_state_dict", "state_dict")


@dataclass(frozen=True)
class Source:
    """A path whose content is read on first use."""

    path: Path
    vocabulary: Path | None = None
    """The file of the vocabulary, where the user names one."""
    said: Instructions = NOTHING
    """What the user says of the file."""

    @cached_property
    def raw(self) -> bytes:
        """The file's bytes."""
        try:
            return self.path.read_bytes()
        except OSError as error:
            raise NanoscopeError(f"{self.path} cannot be read ({error.strerror}); check the path") from None

    @cached_property
    def content(self) -> Any:
        """The bytes unpickled by torch's safe unpickler; NanoscopeError if they are damaged or hold more than weights."""
        try:
            with warnings.catch_warnings(action="ignore"):
                return torch.load(io.BytesIO(self.raw), map_location="cpu", weights_only=True)
        except NanoscopeError:
            raise
        except Exception as error:
            if wanted := re.search(r"GLOBAL (\S+)", str(error)):
                raise NanoscopeError(
                    f"{self.path} holds more than weights (it asks for {wanted[1]}) and was not opened; save only its "
                    "state_dict, as nanoGPT does"
                ) from None
            raise NanoscopeError(f"{self.path} is not a readable PyTorch checkpoint; copy it again") from None

    @cached_property
    def weights(self) -> dict[str, Tensor]:
        """The state dict of a pickled file, without wrapper prefixes; empty for a folder."""
        if self.path.is_dir():
            return {}
        content = self.content
        candidates = [content[key] for key in STATE_KEYS if key in content] if isinstance(content, Mapping) else []
        state = next((one for one in [*candidates, content] if _is_weights(one)), None)
        if state is None:
            raise NanoscopeError(
                f"{self.path} holds no model weights (nanoGPT keeps them under 'model'); is it a checkpoint?"
            )
        return {self.said.renamed(WRAPPERS.sub("", str(key))): value for key, value in state.items()}

    @cached_property
    def tables(self) -> tuple[tuple[str, dict[str, Any]], ...]:
        """Everything the file says beside its weights: (where, name -> plain value), such as ("model_args", {"n_head": 6})."""
        content = self.content if self.path.is_file() and isinstance(self.content, Mapping) else {}
        named = [(str(key), self.plain(key)) for key, value in content.items() if isinstance(value, Mapping)]
        top = {key: value for key, value in content.items() if isinstance(key, str) and _is_plain(value)}
        return tuple((where, table) for where, table in [*named, ("the file", top)] if table)

    def plain(self, key: str) -> dict[str, Any]:
        """The plain values (no tensors or objects) of a mapping in a pickled file."""
        value = self.content.get(key)
        items = value.items() if isinstance(value, Mapping) else ()
        return {k: v for k, v in items if isinstance(k, str) and _is_plain(v)}


def _is_weights(value: Any) -> bool:
    return isinstance(value, Mapping) and bool(value) and all(isinstance(one, Tensor) for one in value.values())


def _is_plain(value: Any) -> bool:
    if isinstance(value, dict):
        return all(isinstance(key, (str, int)) and _is_plain(item) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    return isinstance(value, (bool, int, float, str, type(None)))
