"""Checkpoints: load any known format, save nanoscope's own, export nanoGPT's. Formats are in `formats/`.

Assumptions about a foreign file are listed in `Checkpoint.notes`; an unrecognised file is rejected with a NanoscopeError.
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
from nanoscope.checkpoints.formats import FORMATS, Format, nanoscope
from nanoscope.checkpoints.formats.contents import Contents
from nanoscope.checkpoints.reading.readings import Instructions, Reading
from nanoscope.errors import NanoscopeError
from nanoscope.model.config import GPTConfig
from nanoscope.model.gpt import GPT
from nanoscope.progress import Progress, silent
from nanoscope.text.plain_text import plain_text
from nanoscope.text.tokenizer import Tokenizer, require_tokenizer
from nanoscope.text.windows import lead

LONGEST_PATH = 4096
"""Characters from which on a string is a text and no path."""
LARGEST_TABLE = 2**26
"""Numbers in a table of positions, which may be generated and not stored."""


@dataclass(frozen=True)
class Checkpoint:
    """A model with its vocabulary and provenance."""

    model: GPT = field(repr=False)
    vocabulary: Tokenizer | None = field(repr=False, default=None)
    corpus: str | None = None
    training: Mapping[str, Any] = field(default_factory=dict)
    """Training settings and the metrics recorded in training, as plain JSON values."""
    sha256: str = ""
    notes: tuple[str, ...] = ()
    """Assumptions made when loading it."""
    no_vocabulary: str = field(repr=False, default="")
    """Why it has no vocabulary, and what to do; empty where that is unknown or it has one."""
    read_from: tuple[Reading, ...] = field(repr=False, default=())
    """Where each property was read; empty for our own format, whose files state them all."""

    @property
    def known_vocabulary(self) -> Tokenizer:
        """The vocabulary; NanoscopeError if the checkpoint has none."""
        return require_tokenizer(self.vocabulary, self.no_vocabulary)

    def encode(self, text: str) -> Tensor:
        """Token ids of a text, `[pos]`; NanoscopeError if the checkpoint has no vocabulary."""
        return self.known_vocabulary.encode(text)

    def decode(self, tokens: Tensor | Sequence[int]) -> str:
        """The text of token ids `[pos]`; NanoscopeError if the checkpoint has no vocabulary."""
        ids = tokens if isinstance(tokens, Tensor) else torch.tensor(tokens, dtype=torch.long)
        if ids.dim() != 1:
            raise NanoscopeError(f"decode takes the tokens of one text, [pos], not {list(ids.shape)}; pass one row")
        return self.known_vocabulary.decode(ids)

    def decode_after(self, before: Tensor, tokens: Tensor | Sequence[int]) -> str:
        """The text of token ids that follow those `before`: some pieces read otherwise at the beginning of a text."""
        start = self.known_vocabulary.start
        read = before[lead(start) if before[:1].tolist() == [start] else 0 :].tolist()
        return self.decode([*read, *map(int, tokens)])[len(self.decode(read)) :]

    def __repr__(self) -> str:
        config, training = self.model.config, self.training
        loss = training.get("val_loss")
        parts = [
            f"{config.n_layer} layers x {config.n_head} heads",
            f"width {config.n_embd}",
            f"context {config.block_size}",
            f"{self.model.parameter_count:,} parameters",
            "no vocabulary" if self.vocabulary is None else f"{len(self.vocabulary)} symbols",
            *([f"trained on {self.corpus}"] if self.corpus else []),
            *([f"step {training['step']}"] if "step" in training else []),
            *([f"validation loss {loss:.3f}"] if isinstance(loss, float) else []),
        ]
        return f"Checkpoint({', '.join(parts)})"

    def pieces(self, text: str) -> tuple[str, ...]:
        """A text token by token, each as it is read alone; an error where the checkpoint came without a vocabulary."""
        return tuple(self.known_vocabulary.decode([token]) for token in self.encode(text).tolist())

    def contents(self) -> Contents:
        """The parts of the checkpoint that a format stores."""
        return Contents(
            self.model.config, self.model.state_dict(), self.vocabulary, self.corpus, self.training, self.sha256
        )


def load(
    path: str | Path,
    device: str = "cpu",
    known: Sequence[Format] = FORMATS,
    vocabulary: str | Path | None = None,
    *,
    settings: Mapping[str, Any] | None = None,
    rename: Mapping[str, str] | None = None,
    data: str | Path | None = None,
    progress: Progress = silent,
) -> Checkpoint:
    """Load a checkpoint: a nanoscope folder, a nanoGPT `ckpt.pt` (or its folder), or another of the `known` formats.

    `vocabulary` names the file of its vocabulary (`meta.pkl`, JSON, or the training text), for a checkpoint that came
    without one; it counts in the checksum, since results depend on it.
    `settings` say what the file does not (`{"activation": "relu"}`), `rename` maps parts of weights' names to known ones
    (`{"in_f": "ln_f"}`), and `data`, a text like its training text or the path of one, decides what nothing says.
    `progress` is told which readings of the file are tried on the text.
    The model is returned in evaluation mode, in float32, with frozen parameters.
    """
    path = Path(path)
    if not os.path.exists(path):
        raise NanoscopeError(f"there is no checkpoint at {path}; check the path")
    if path.is_dir() and not (path / nanoscope.DESCRIPTION).exists() and (path / "ckpt.pt").exists():
        path = path / "ckpt.pt"
    said = Instructions(settings or {}, rename or {}, None if data is None else text_of(data), progress)
    found = formats.read(path, known, None if vocabulary is None else Path(vocabulary), said)
    model = _built(found.config, found.weights, path)
    _refuse_broken_weights(model, path)
    model.float().eval().requires_grad_(False).to(device)
    sha256 = found.sha256
    if vocabulary is not None and found.vocabulary is not None:
        sha256 = files.sha256((sha256 + files.canonical_json(found.vocabulary.to_json())).encode())
    return Checkpoint(
        model,
        found.vocabulary,
        found.corpus,
        found.training,
        sha256,
        found.notes,
        found.no_vocabulary,
        found.read_from,
    )


def save(checkpoint: Checkpoint, path: str | Path, half: bool = False, part_bytes: int | None = None) -> Checkpoint:
    """Write nanoscope's own format atomically; returns the checkpoint with its new checksum.

    `half` stores 16-bit floats; `part_bytes` splits the weights into files of at most that size, each with a checksum in
    `checkpoint.json`. NanoscopeError if a weight does not fit into 16 bits, or if `path` holds another checkpoint.
    """
    content, sha256 = packed(checkpoint, half, part_bytes)
    if Path(path).exists() and load(path).sha256 != sha256:
        raise NanoscopeError(f"{path} holds another checkpoint; choose another path or remove it")
    with files.new_directory(Path(path)) as folder:
        for name, data in content.items():
            (folder / name).write_bytes(data)
    return replace(checkpoint, sha256=sha256)


def packed(checkpoint: Checkpoint, half: bool = False, part_bytes: int | None = None) -> tuple[dict[str, bytes], str]:
    """The files that `save` writes, as file name -> bytes, and the checkpoint's checksum."""
    return nanoscope.written(checkpoint.contents(), half, part_bytes)


def text_of(data: str | Path) -> str:
    """A text, or the content of the file with this name."""
    if isinstance(data, str) and (len(data) > LONGEST_PATH or not os.path.isfile(data)):
        return plain_text(data)[0]
    try:
        return plain_text(Path(data).read_bytes().decode())[0]
    except OSError as error:
        raise NanoscopeError(f"cannot read {data}: {error.strerror}; give the path of a text file") from None
    except UnicodeDecodeError:
        raise NanoscopeError(f"{data} is not UTF-8 text; convert it first") from None


def _fill(model: GPT, weights: Mapping[str, Tensor], path: Path) -> None:
    """Copy weights into the model; NanoscopeError if names or shapes differ."""
    expected, given = model.state_dict(), dict(weights)
    if model.config.tied_head:
        tied = given.get("lm_head.weight", given.get("transformer.wte.weight"))
        given |= {} if tied is None else {"lm_head.weight": tied, "transformer.wte.weight": tied}
    missing, left = sorted(expected.keys() - given.keys()), sorted(given.keys() - expected.keys())
    for name in [*missing, *left]:
        problem = "is missing" if name in expected else "does not belong to a nanoGPT"
        counts = f" ({len(missing)} missing, {len(left)} left over)" if len(missing) + len(left) > 1 else ""
        raise NanoscopeError(f"{path}: the weight {name!r} {problem}{counts}; the file cannot be loaded")


def _built(config: GPTConfig, weights: Mapping[str, Tensor], path: Path) -> GPT:
    """The model with these weights; NanoscopeError if their names or shapes are not its own."""
    _require_sizes_of(config, weights, path)
    model, given = GPT(config), dict(weights)
    expected = model.state_dict()
    if config.tied_head:
        tied = given.get("lm_head.weight", given.get("transformer.wte.weight"))
        given |= {} if tied is None else {"lm_head.weight": tied, "transformer.wte.weight": tied}
    _require_same_names(expected, given, path)
    for name, value in expected.items():
        if value.shape != given[name].shape:
            shapes = f"{list(given[name].shape)}, but the model needs {list(value.shape)}"
            raise NanoscopeError(f"{path}: {name} has the shape {shapes}; the file cannot be loaded")
        if given[name].is_complex():
            raise NanoscopeError(f"{path}: {name} has complex numbers; the file cannot be loaded")
    model.load_state_dict(given)
    return model


def _require_sizes_of(config: GPTConfig, weights: Mapping[str, Tensor], path: Path) -> None:
    """NanoscopeError if the config asks for far more memory than its weights take, before it is taken."""
    layer = 4 * config.n_head * config.d_head + 2 * config.d_mlp
    needed = config.n_embd * (config.vocab_size + config.block_size + config.n_layer * layer)
    if needed > 2 * sum(value.numel() for value in weights.values()) + LARGEST_TABLE or config.n_layer > len(weights):
        shape = f"{config.n_layer} layers of width {config.n_embd}, a context of {config.block_size:,}"
        raise NanoscopeError(f"{path} says {shape} and {config.vocab_size:,} symbols, far more than its weights are")


def _require_same_names(expected: Mapping[str, Any], given: Mapping[str, Any], path: Path) -> None:
    """NanoscopeError with the first name that is missing or left over, and how many there are of each."""
    missing, left_over = sorted(expected.keys() - given.keys()), sorted(given.keys() - expected.keys())
    if not missing and not left_over:
        return
    name = (missing or left_over)[0]
    problem = "is missing" if missing else "does not belong to a nanoGPT"
    counts = (
        f" ({len(missing)} weights are missing, {len(left_over)} left over)" if len(missing + left_over) > 1 else ""
    )
    raise NanoscopeError(f"{path}: the weight {name!r} {problem}{counts}; the file cannot be loaded")


def _refuse_broken_weights(model: GPT, path: Path) -> None:
    for name, value in model.state_dict().items():
        if not torch.isfinite(value).all():
            raise NanoscopeError(
                f"{path}: the weight {name} contains NaN or infinity; train again or use an earlier checkpoint"
            )
