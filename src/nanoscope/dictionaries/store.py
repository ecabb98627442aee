"""A trained dictionary with its identity, on disk: `dictionary.json` and `weights.safetensors`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from nanoscope import files
from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.dictionaries import controls
from nanoscope.dictionaries.coder import Coder, Shape
from nanoscope.dictionaries.fit import GOES_ON, Told, fit, step_of
from nanoscope.dictionaries.objective import Recipe
from nanoscope.dictionaries.source import Source, TextStream
from nanoscope.errors import Interrupted, NanoscopeError
from nanoscope.text.corpora.corpus import Corpus

DESCRIPTION, WEIGHTS, FORMAT = "dictionary.json", "weights.safetensors", 1
DAMAGES = (OSError, ValueError, TypeError, KeyError, RuntimeError, AttributeError, safetensors.SafetensorError)
NOTHING_SAVED = "nothing was saved yet, and the same command begins anew"


@dataclass(frozen=True)
class Dictionary:
    """A coder of raw activations, where they are read, and what it was trained on."""

    coder: Coder = field(repr=False)
    source: Source
    identity: Mapping[str, Any] = field(default_factory=dict)
    """`checkpoint`, `corpus` (SHA-256), `twin` (seed of the untrained model in its place, or None), `recipe`, `threads`."""

    def __repr__(self) -> str:
        shape = self.coder.shape
        twin = "" if self.identity.get("twin") is None else ", of an untrained twin"
        return f"Dictionary({self.source}, {shape.kind}, {shape.latents} latents, k {shape.k}{twin})"


def save(dictionary: Dictionary, folder: Path) -> None:
    """Write a dictionary to a new folder atomically. An existing folder is kept as it is."""
    with files.new_directory(Path(folder)) as temporary:
        for name, data in content(dictionary, half=False).items():
            (temporary / name).write_bytes(data)


def content(dictionary: Dictionary, half: bool) -> dict[str, bytes]:
    """The files of a dictionary, by name; `half` stores 16-bit floats."""
    kind = torch.float16 if half else torch.float32
    weights = {name: value.data.to(kind).contiguous() for name, value in dictionary.coder.named_parameters()}
    stored = {"format": FORMAT, "source": str(dictionary.source), "shape": asdict(dictionary.coder.shape)}
    described = json.dumps({**stored, **dictionary.identity}, indent=1) + "\n"
    return {WEIGHTS: safetensors.torch.save(weights), DESCRIPTION: described.encode()}


def load(folder: str | Path) -> Dictionary:
    """The dictionary in a folder, or in `final` of a training's folder. NanoscopeError if there is none or it is damaged."""
    given = Path(folder)
    path = given if (given / DESCRIPTION).exists() else given / "final"
    if not (path / DESCRIPTION).exists():
        raise NanoscopeError(
            f"there is no dictionary in {given}; train one with nanoscope dictionary train, or check the path"
        )
    try:
        stored = json.loads((path / DESCRIPTION).read_text())
        coder, source = Coder(Shape(**stored.pop("shape"))), Source.named(stored.pop("source"))
        coder.load_state_dict(safetensors.torch.load_file(path / WEIGHTS))
    except DAMAGES as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise NanoscopeError(f"the dictionary in {path} is damaged ({reason}); train it again") from None
    return Dictionary(coder.eval().requires_grad_(False), source, {k: v for k, v in stored.items() if k != "format"})


def train(
    checkpoint: Checkpoint,
    corpus: Corpus,
    source: Source,
    recipe: Recipe,
    folder: Path,
    twin: int | None = None,
    told: Told = lambda now: None,
) -> Dictionary:
    """Train a dictionary of a model on the training part of a text, or go on with its training in the same folder.

    `twin` is a seed: the same fit on an untrained model of the same shape. NanoscopeError if the folder holds a training with
    other settings; Ctrl-C raises `Interrupted`, which says what is kept.
    """
    model = checkpoint.model if twin is None else controls.twin(checkpoint.model, twin)
    vocabulary = checkpoint.known_vocabulary
    text, start = vocabulary.encode(corpus.train), vocabulary.start
    stream = TextStream.of(model, text, source, recipe.batch, recipe.seed, recipe.precision, start)
    known = {"checkpoint": checkpoint.sha256, "twin": twin, "corpus": corpus.sha256, "source": str(source)}
    identity = {**known, "recipe": asdict(recipe), "threads": torch.get_num_threads()}
    Shape(recipe.kind, *stream.widths, recipe.latents, recipe.k)  # raises for what cannot be
    _claim(Path(folder), identity)
    if not (folder / "final").exists():
        try:
            coder = fit(stream, recipe, folder, not source.transcoder, told)
        except KeyboardInterrupt as stop:  # a second one, which did not wait for the end of a step
            raise Interrupted(str(stop) or _kept(folder)) from None
        save(Dictionary(coder, source, {**identity, "torch": torch.__version__}), folder / "final")
    for state in folder.glob("resume_*"):
        files.remove_directory(state)
    return load(folder)


def _kept(folder: Path) -> str:
    """What a training that was cut off has saved."""
    saved = sorted(folder.glob("resume_*"))
    return f"{step_of(saved[-1]):,} steps are kept, and {GOES_ON}" if saved else NOTHING_SAVED


def _claim(folder: Path, identity: Mapping[str, Any]) -> None:
    """Record what a folder is for. NanoscopeError if it is for something else."""
    path = folder / "recipe.json"
    if not path.exists():
        return files.write_json(path, identity)
    try:
        theirs, ours = (one | one.pop("recipe") for one in (json.loads(path.read_text()), dict(identity)))
    except (ValueError, TypeError, KeyError):
        raise NanoscopeError(f"{path} is damaged; remove {folder} and train again") from None
    for name in sorted(theirs | ours):
        if theirs.get(name) != ours.get(name):
            raise NanoscopeError(
                f"{folder} holds a dictionary with other settings ({name}: {theirs.get(name)}, not {ours.get(name)}); "
                "choose another folder with --out or remove that one"
            )
    return None
