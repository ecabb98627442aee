"""A dictionary and its controls, measured on the text it was trained on and on held-out text: one row each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.dictionaries import controls
from nanoscope.dictionaries.metrics import Fidelity, Losses, Reconstructs, density_histogram, fidelity, losses
from nanoscope.dictionaries.source import Pairs, Source
from nanoscope.dictionaries.store import Dictionary
from nanoscope.errors import NanoscopeError
from nanoscope.model.gpt import GPT
from nanoscope.progress import Progress, silent
from nanoscope.text.corpora.corpus import Corpus
from nanoscope.text.windows import cut, room, spread_starts, started

PARTS = ("training text", "held-out text")
CHUNK = 8
"""Windows at a time."""


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

    The controls, and the mean, are taken from the tokens of the training text. Of a dictionary of the untrained twin, the twin
    is measured. NanoscopeError if it belongs to another model.
    """
    return _on_both_parts(dictionary, checkpoint, corpus, tokens, progress, controlled=True)


def measured_alone(
    dictionary: Dictionary, checkpoint: Checkpoint, corpus: Corpus, tokens: int = 65_536, progress: Progress = silent
) -> tuple[Row, ...]:
    """The first two rows of `measured`: the dictionary on both parts of the text, without its controls."""
    return _on_both_parts(dictionary, checkpoint, corpus, tokens, progress, controlled=False)


def _on_both_parts(
    dictionary: Dictionary, checkpoint: Checkpoint, corpus: Corpus, tokens: int, progress: Progress, controlled: bool
) -> tuple[Row, ...]:
    model, source = model_of(dictionary, checkpoint), dictionary.source
    start = checkpoint.known_vocabulary.start
    texts = corpus.split(checkpoint.known_vocabulary)
    seen, held_out = (spread(text, room(model.config.block_size, start), tokens, start) for text in texts)
    reading = _Reading(progress, 6 * len(seen) + (9 if controlled else 5) * len(held_out))
    pairs = together([source.read(model, part[:, :-1]) for part in reading.of(seen, "reading the text")])
    own, mean = {"dictionary": (source, dictionary.coder)}, pairs.y.mean(0)
    every = {**own, **(baselines(dictionary, model, pairs) if controlled else {})}
    return (
        *_rows(model, PARTS[0], seen, own, mean, reading),
        *_rows(model, PARTS[1], held_out, every, mean, reading),
    )


def _rows(
    model: GPT,
    part: str,
    windows: Int[Tensor, "window pos"],
    coders: Mapping[str, tuple[Source, Reconstructs]],
    mean: Float[Tensor, "d"],
    reading: _Reading,
) -> list[Row]:
    """Each coder on one part of the text."""
    explained = {
        name: fidelity(coder, (source.read(model, some[:, :-1]) for some in reading.of(windows, f"{name} on {part}")))
        for name, (source, coder) in coders.items()
    }
    costs = losses(model, reading.of(windows, f"losses on {part}", 3 + len(coders)), coders, mean)
    return [Row(name, part, explained[name], costs[name]) for name in coders]


@dataclass
class _Reading:
    """Hands out windows in chunks, and tells how many of all passes through the model are done."""

    told: Progress
    passes: int
    done: int = 0

    def of(self, windows: Int[Tensor, "window pos"], what: str, each: int = 1) -> Iterator[Int[Tensor, "some pos"]]:
        """The windows, a few at a time; `each` passes are made of each."""
        for some in windows.split(CHUNK):
            self.told(what, min(self.done, self.passes), self.passes)
            yield some
            self.done += each * len(some)


def model_of(dictionary: Dictionary, checkpoint: Checkpoint) -> GPT:
    """The model that a dictionary was trained on: the checkpoint's, or its untrained twin."""
    identity = dictionary.identity
    if identity.get("checkpoint") not in (None, checkpoint.sha256):
        raise NanoscopeError(
            "the dictionary was trained on another checkpoint; give the one that it names in dictionary.json"
        )
    seed = identity.get("twin")
    return checkpoint.model if seed is None else controls.twin(checkpoint.model, seed)


def baselines(dictionary: Dictionary, model: GPT, seen: Pairs) -> dict[str, tuple[Source, Reconstructs]]:
    """Controls with as many active numbers, each with what it reads: principal components, and neurons or coordinates.

    Of a transcoder the components are those of the MLP's output, which they read too: a stronger opponent than one that must
    predict it.
    """
    source, k = dictionary.source, dictionary.coder.shape.k
    components = {"principal components": (Source(source.site), controls.principal(seen.y, k))}
    mlp = model.blocks[source.layer].mlp
    if source.transcoder and mlp is not None:
        return {**components, "neurons": (source, controls.Neurons.of(mlp, seen.x, k))}
    basis = "neurons" if source.site.name == "post" else "coordinates"
    return {**components, basis: (source, controls.coordinates(seen.y, k))}


def spread(text: Int[Tensor, "place"], size: int, tokens: int, start: int | None) -> Int[Tensor, "window pos"]:
    """Windows over a text, each with a target after its last input."""
    begins = spread_starts(len(text) - 1, size, max(1, tokens // size))
    return started(cut(text, begins, size + 1), start)


def together(read: Sequence[Pairs]) -> Pairs:
    """Inputs and targets `[token d]` of all parts; of an autoencoder still one tensor."""
    y = torch.cat([part.y.flatten(0, 1) for part in read])
    return Pairs(y if read[0].x is read[0].y else torch.cat([part.x.flatten(0, 1) for part in read]), y)


def plain(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Rows as values for JSON."""
    return [row.plain() for row in rows]
