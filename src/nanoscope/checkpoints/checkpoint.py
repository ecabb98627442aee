"""Checkpoints: opened from any known format, saved in our own, exported to nanoGPT's. Formats live in `formats/`.

What had to be assumed about a foreign file is said in `Checkpoint.notes`; what cannot be recognised is refused in one line.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nanoscope import files
from nanoscope.checkpoints import formats
from nanoscope.checkpoints.formats import FORMATS, Format, nanogpt, nanoscope
from nanoscope.checkpoints.formats.contents import Contents
from nanoscope.errors import NanoscopeError
from nanoscope.model.gpt import GPT, with_learned_positions
from nanoscope.text.tokenizer import Tokenizer, require_tokenizer


@dataclass(frozen=True)
class Checkpoint:
    """A model with everything that is known of where it comes from."""

    model: GPT = field(repr=False)
    vocabulary: Tokenizer | None = field(repr=False, default=None)
    corpus: str | None = None
    training: Mapping[str, Any] = field(default_factory=dict)
    """The settings it was trained with and what was measured then, as plain JSON values."""
    sha256: str = ""
    notes: tuple[str, ...] = ()
    """What opening it had to assume."""

    @property
    def known_vocabulary(self) -> Tokenizer:
        """The vocabulary; an error where the checkpoint came without one."""
        return require_tokenizer(self.vocabulary)

    def encode(self, text: str) -> Tensor:
        """Token ids of a text, `[pos]`; an error where the checkpoint came without a vocabulary."""
        return self.known_vocabulary.encode(text)

    def contents(self) -> Contents:
        """What a format writes of it."""
        return Contents(
            self.model.config, self.model.state_dict(), self.vocabulary, self.corpus, self.training, self.sha256
        )


def load(path: str | Path, device: str = "cpu", known: Sequence[Format] = FORMATS) -> Checkpoint:
    """Open a checkpoint: our folder, a nanoGPT `ckpt.pt` (or the folder that holds one), or another of the formats known.

    The model comes back in evaluation mode and in 32-bit floats, its parameters frozen.
    """
    path = Path(path)
    if not os.path.exists(path):
        raise NanoscopeError(f"there is no checkpoint at {path}; check the path")
    if path.is_dir() and not (path / nanoscope.DESCRIPTION).exists() and (path / "ckpt.pt").exists():
        path = path / "ckpt.pt"
    found = formats.read(path, known)
    model = GPT(found.config)
    _fill(model, found.weights, path)
    _refuse_broken_weights(model, path)
    model.float().eval().requires_grad_(False).to(device)
    return Checkpoint(model, found.vocabulary, found.corpus, found.training, found.sha256, found.notes)


def save(checkpoint: Checkpoint, path: str | Path, half: bool = False, part_bytes: int | None = None) -> Checkpoint:
    """Write our own format, whole or not at all; gives back the checkpoint with its new checksum.

    `half` stores 16-bit floats, `part_bytes` splits the weights into files of at most that size, each with a checksum in
    `checkpoint.json`. Weights that 16 bits cannot hold are refused.
    """
    content, sha256 = packed(checkpoint, half, part_bytes)
    if Path(path).exists() and load(path).sha256 != sha256:
        raise NanoscopeError(f"{path} holds another checkpoint; choose another path or remove it")
    with files.new_directory(Path(path)) as folder:
        for name, data in content.items():
            (folder / name).write_bytes(data)
    return replace(checkpoint, sha256=sha256)


def packed(checkpoint: Checkpoint, half: bool = False, part_bytes: int | None = None) -> tuple[dict[str, bytes], str]:
    """What `save` writes, file name -> bytes, and the checkpoint's checksum."""
    return nanoscope.written(checkpoint.contents(), half, part_bytes)


def export(checkpoint: Checkpoint, path: str | Path) -> None:
    """Write nanoGPT's `ckpt.pt` and, beside it, `meta.pkl`. A model that nanoGPT cannot express is refused.

    Fixed positions become a learned table with their values, which computes the same."""
    model = with_learned_positions(checkpoint.model)
    for name, data in nanogpt.written(replace(checkpoint, model=model).contents()).items():
        files.write_bytes(Path(path) if name == "ckpt.pt" else Path(path).with_name(name), data)


def _fill(model: GPT, weights: Mapping[str, Tensor], path: Path) -> None:
    """Copy weights into the model, every one and each of the right shape."""
    expected, given = model.state_dict(), dict(weights)
    if model.config.tied_head:
        tied = given.get("lm_head.weight", given.get("transformer.wte.weight"))
        given |= {} if tied is None else {"lm_head.weight": tied, "transformer.wte.weight": tied}
    for name in [*sorted(expected.keys() - given.keys()), *sorted(given.keys() - expected.keys())]:
        state_of = "is missing" if name in expected else "has no place in a nanoGPT"
        raise NanoscopeError(f"{path}: the weight {name!r} {state_of}; it cannot be opened")
    for name, value in expected.items():
        if value.shape != given[name].shape:
            shapes = f"{list(given[name].shape)}, where the model needs {list(value.shape)}"
            raise NanoscopeError(f"{path}: {name} has the shape {shapes}; it cannot be opened")
    model.load_state_dict(given)


def _refuse_broken_weights(model: GPT, path: Path) -> None:
    for name, value in model.state_dict().items():
        if not torch.isfinite(value).all():
            raise NanoscopeError(f"{path}: the weight {name} holds NaN or infinity; train again or use an earlier one")
