"""nanoscope's own format: a folder with `model.safetensors` (or its parts) and `checkpoint.json`, which has the checksum."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from nanoscope import files
from nanoscope.checkpoints import file_parts
from nanoscope.checkpoints.formats.contents import Contents
from nanoscope.checkpoints.formats.source import Source
from nanoscope.checkpoints.formats.vocabulary_search import named_vocabulary
from nanoscope.errors import NanoscopeError
from nanoscope.model.config import GPTConfig
from nanoscope.text.tokenizer import from_json

FORMAT = 1
WEIGHTS, DESCRIPTION = "model.safetensors", "checkpoint.json"


def recognises(source: Source) -> bool:
    return (source.path / DESCRIPTION).exists()


def read(source: Source) -> Contents:
    """Read a folder; NanoscopeError naming any file that is missing, damaged or changed."""
    path = source.path
    if source.said.settings or source.said.rename:
        raise NanoscopeError(f"{path} is nanoscope's own and says all about itself; leave out settings and new names")
    try:
        description = json.loads((path / DESCRIPTION).read_bytes())
        weights = _weights(source, description)
    except NanoscopeError:
        raise
    except FileNotFoundError as error:
        raise NanoscopeError(f"{path} is not a checkpoint: {Path(error.filename).name} is missing") from None
    except (OSError, ValueError) as error:
        raise NanoscopeError(f"{path / DESCRIPTION} cannot be read ({error}); copy the checkpoint again") from None
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        raise NanoscopeError(
            f"{path / DESCRIPTION} does not have format {FORMAT}; it was written by another version of nanoscope"
        )
    if _digest(weights, description) != description.get("sha256"):
        raise NanoscopeError(f"{path} has been changed or damaged (its checksum differs); copy it again")
    try:
        found = _contents(description, safetensors.torch.load(weights))
    except (KeyError, TypeError) as error:
        raise NanoscopeError(f"{path / DESCRIPTION} is not a nanoscope checkpoint ({error})") from None
    if source.vocabulary is None:
        return found
    return replace(found, vocabulary=named_vocabulary(source.vocabulary, found.config.vocab_size))


def written(contents: Contents, half: bool, part_bytes: int | None) -> tuple[dict[str, bytes], str]:
    """The files of a checkpoint folder, name -> bytes, and its checksum."""
    tied = contents.config.tied_head  # then the state dict has the matrix twice
    own = {k: v.contiguous() for k, v in contents.weights.items() if not (tied and k == "transformer.wte.weight")}
    weights = safetensors.torch.save(halved(own) if half else own)
    parts = {WEIGHTS: weights} if part_bytes is None else file_parts.split(WEIGHTS, weights, part_bytes)
    description = {
        "format": FORMAT,
        "config": contents.config.stored(),
        "vocabulary": contents.vocabulary and contents.vocabulary.to_json(),
        "corpus": contents.corpus,
        "training": dict(contents.training),
    }
    if part_bytes is not None:
        description["parts"] = {name: files.sha256(part) for name, part in parts.items()}
    description = json.loads(json.dumps(description))
    description["sha256"] = _digest(weights, description)
    return {**parts, DESCRIPTION: (json.dumps(description, indent=1) + "\n").encode()}, description["sha256"]


def halved(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights rounded to 16-bit floats; NanoscopeError if a value overflows."""
    for name, value in weights.items():
        if not torch.isfinite(value.half()).all():
            raise NanoscopeError(
                f"the weight {name} holds values that 16 bits cannot; keep the model in full precision"
            )
    return {name: value.half() for name, value in weights.items()}


def _weights(source: Source, description: Any) -> bytes:
    """The bytes of the weights, joined if they are stored in parts."""
    if isinstance(description, dict) and "parts" in description:
        return file_parts.join(source.path, description["parts"])
    return (source.path / WEIGHTS).read_bytes()


def _digest(weights: bytes, description: Mapping[str, Any]) -> str:
    """Checksum of the weights and their description; results refer to a checkpoint by it."""
    described = {key: value for key, value in description.items() if key != "sha256"}
    return files.sha256(weights + files.canonical_json(described).encode())


def _contents(description: Mapping[str, Any], weights: dict[str, Tensor]) -> Contents:
    vocabulary = description["vocabulary"] and from_json(description["vocabulary"])
    half = any(value.dtype == torch.float16 for value in weights.values())
    notes = ("its weights were stored in half precision",) if half else ()
    config = GPTConfig(**description["config"])
    corpus, training, sha256 = (description[key] for key in ("corpus", "training", "sha256"))
    return Contents(config, weights, vocabulary or None, corpus, training, sha256, notes)
