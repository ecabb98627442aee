"""Checkpoints for other programs: nanoGPT, Hugging Face's transformers, TransformerLens.

One file a format, `written(contents) -> {file name: bytes}`, or a refusal that says what it cannot express. Fixed position
embeddings become a learned table with the same values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

from nanoscope import files
from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.checkpoints.exports import gpt2, hooked, nanogpt
from nanoscope.checkpoints.formats.contents import Contents
from nanoscope.checkpoints.formats.vocabulary_search import sampled_from
from nanoscope.errors import NanoscopeError
from nanoscope.model.gpt import with_learned_positions

Style = Literal["nanogpt", "gpt2", "transformerlens"]
"""Formats that a checkpoint can be exported to."""


def export(checkpoint: Checkpoint, path: str | Path, style: Style = "nanogpt") -> tuple[Path, ...]:
    """Write a checkpoint for another program; returns the files. NanoscopeError if its format cannot express the model.

    nanogpt: `ckpt.pt`, and `meta.pkl` beside it and where `sample.py` looks, if that is known: inside a nanoGPT checkout,
    unless another one is there. gpt2: a folder that Hugging Face's `GPT2LMHeadModel.from_pretrained` opens.
    transformerlens: a file of TransformerLens's state dict and config.
    Fixed position embeddings become a learned table with the same values.
    """
    path, model = Path(path), checkpoint.model
    contents = replace(checkpoint, model=model if model.config.positions == "rotary" else with_learned_positions(model))
    return _EXPORTS[style](contents.contents(), path)


def _export_nanogpt(contents: Contents, path: Path) -> tuple[Path, ...]:
    written = nanogpt.written(contents)
    places = {path: written["ckpt.pt"]}
    if "meta.pkl" in written:
        places[path.with_name("meta.pkl")] = written["meta.pkl"]
        sampled = sampled_from(path, nanogpt.dataset_of(contents.corpus)) if contents.corpus else None
        if sampled is not None and not sampled.exists():
            places[sampled] = written["meta.pkl"]
    for place, data in places.items():
        files.write_bytes(place, data)
    return tuple(places)


def _export_gpt2(contents: Contents, path: Path) -> tuple[Path, ...]:
    written = gpt2.written(contents)
    if path.exists():
        raise NanoscopeError(f"{path} exists; choose another folder or remove it")
    with files.new_directory(path) as folder:
        for name, data in written.items():
            (folder / name).write_bytes(data)
    return tuple(path / name for name in written)


def _export_hooked(contents: Contents, path: Path) -> tuple[Path, ...]:
    for data in hooked.written(contents).values():
        files.write_bytes(path, data)
    return (path,)


_EXPORTS: Mapping[Style, Callable[[Contents, Path], tuple[Path, ...]]] = {
    "nanogpt": _export_nanogpt,
    "gpt2": _export_gpt2,
    "transformerlens": _export_hooked,
}
