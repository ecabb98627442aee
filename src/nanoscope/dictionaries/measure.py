"""A dictionary and its controls, measured on the text it was trained on and on held-out text: one row each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.dictionaries import controls
from nanoscope.dictionaries.metrics import CHUNK, Fidelity, Losses, Reconstructs, density_histogram, fidelity, losses
from nanoscope.dictionaries.source import Pairs, Source
from nanoscope.dictionaries.store import Dictionary
from nanoscope.errors import NanoscopeError
from nanoscope.model.gpt import GPT
from nanoscope.progress import Progress, silent
from nanoscope.text.corpora.corpus import Corpus
from nanoscope.text.windows import batches, cut, room, spread_starts, started

PARTS = ("training text", "held-out text")
FITTED = 65_536
"""Tokens of the training text from which the controls and the mean are taken."""


@dataclass(frozen=True)
class Row:
    """One coder on one part of the text."""

    coder: str
    part: str
    fidelity: Fidelity
    losses: Losses

    def plain(self) -> dict[str, Any]:
        """As values for JSON; the density as a histogram."""
        shown = {name: value for name, value in asdict(self.fidelity).items() if name not in ("density", "mean")}
        of = self.losses
        changes = {
            "change": of.change,
            "recovered_zero": of.recovered(of.zero),
            "recovered_mean": of.recovered(of.mean),
        }
        histogram = density_histogram(self.fidelity.density)
        return {"coder": self.coder, "part": self.part, **shown, "losses": asdict(of) | changes, "density": histogram}


def measured(
    dictionary: Dictionary, checkpoint: Checkpoint, corpus: Corpus, tokens: int = 65_536, progress: Progress = silent
) -> tuple[Row, ...]:
    """The dictionary on both parts of the text, and its controls on the held-out part, on about so many tokens of each.

    Of a dictionary of the untrained twin, the twin is measured. NanoscopeError if it belongs to another model.
    """
    model = model_of(dictionary, checkpoint)
    start, source = checkpoint.known_vocabulary.start, dictionary.source
    texts = corpus.split(checkpoint.known_vocabulary)
    windows = [spread(text, room(model.config.block_size, start), tokens, start) for text in texts]
    fitted = spread(texts[0], room(model.config.block_size, start), FITTED, start)
    seen = together(list(parts(model, source, fitted)))
    coders: Mapping[str, Reconstructs] = {"dictionary": dictionary.coder, **baselines(dictionary, model, seen)}
    plan = [("dictionary", 0), *((name, 1) for name in coders)]
    rows = []
    for done, (name, at) in enumerate(plan):
        progress(f"{name} on {PARTS[at]}", done, len(plan))
        found = fidelity(coders[name], parts(model, source, windows[at]))
        rows.append(Row(name, PARTS[at], found, losses(model, windows[at], source, coders[name], seen.y.mean(0))))
    progress("", len(plan), len(plan))
    return tuple(rows)


def model_of(dictionary: Dictionary, checkpoint: Checkpoint) -> GPT:
    """The model that a dictionary was trained on: the checkpoint's, or its untrained twin."""
    identity = dictionary.identity
    if identity.get("checkpoint") not in (None, checkpoint.sha256):
        raise NanoscopeError(
            "the dictionary was trained on another checkpoint; give the one that it names in dictionary.json"
        )
    seed = identity.get("twin")
    return checkpoint.model if seed is None else controls.twin(checkpoint.model, seed)


def baselines(dictionary: Dictionary, model: GPT, seen: Pairs) -> dict[str, Reconstructs]:
    """Controls with as many active numbers: the model's own neurons or coordinates, and principal components.

    Of a transcoder, whose input is not its target, the neurons alone.
    """
    source, k = dictionary.source, dictionary.coder.shape.k
    mlp = model.blocks[source.layer].mlp
    if source.transcoder and mlp is not None:
        return {"neurons": controls.Neurons.of(mlp, seen.x, k)}
    basis = "neurons" if source.site.name == "post" else "coordinates"
    return {"principal components": controls.principal(seen.y, k), basis: controls.coordinates(seen.y, k)}


def spread(text: Int[Tensor, "place"], size: int, tokens: int, start: int | None) -> Int[Tensor, "window pos"]:
    """Windows over a text, each with a target after its last input."""
    begins = spread_starts(len(text) - 1, size, max(1, tokens // size))
    return started(cut(text, begins, size + 1), start)


def parts(model: GPT, source: Source, windows: Int[Tensor, "window pos"]) -> Iterator[Pairs]:
    """The activations on some windows at a time; a window's last token is no input."""
    for chunk in batches(len(windows), CHUNK):
        yield source.read(model, windows[chunk, :-1])


def together(read: Sequence[Pairs]) -> Pairs:
    """Inputs and targets `[token d]` of all parts; of an autoencoder still one tensor."""
    y = torch.cat([part.y.flatten(0, 1) for part in read])
    return Pairs(y if read[0].x is read[0].y else torch.cat([part.x.flatten(0, 1) for part in read]), y)


def plain(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Rows as values for JSON."""
    return [row.plain() for row in rows]
