"""One neuron as a card of plain values, and the neurons that are active on a text.

A card's examples go from the strongest over every upper decile to the weakest, since the strongest alone mislead (Bolukbasi et
al. 2021).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.errors import NanoscopeError
from nanoscope.experiments.neurons.cards import ROWS
from nanoscope.interventions.run import activations
from nanoscope.model.names import COMPONENT, neuron_name
from nanoscope.text.windows import lead, started
from nanoscope.views.neurons import Neuron, NeuronsOverText

BINS = 40
SYMBOLS = 5
"""Symbols whose logits a neuron raises or lowers most."""


@dataclass(frozen=True)
class Example:
    """A text around a character, and the neuron's activation on each character; None outside the window that was read."""

    kind: str
    text: str
    activations: tuple[float | None, ...]


@dataclass(frozen=True)
class Weighed:
    """A symbol or concept, and by how much."""

    name: str
    value: float


@dataclass(frozen=True)
class Card:
    """One neuron over a corpus."""

    name: str
    statistics: tuple[Weighed, ...]
    raises: tuple[Weighed, ...]
    """In logits for one unit of activation."""
    lowers: tuple[Weighed, ...]
    edges: tuple[float, ...]
    """Of the bins of its activations."""
    counts: tuple[int, ...]
    examples: tuple[Example, ...]


@dataclass(frozen=True)
class Concepts:
    """The concepts for which a neuron's input tells most: AUROC near 1, it is on for them; near 0, it is silent on them."""

    on: tuple[Weighed, ...]
    silent: tuple[Weighed, ...]


@dataclass(frozen=True)
class OnText:
    """A neuron's activation on every token of a text, and its largest over the corpus; None where that was not measured."""

    name: str
    layer: int
    neuron: int
    activations: tuple[float, ...]
    largest: float | None


def named(name: str) -> Neuron:
    """Layer and number of a neuron such as `L2N17`. NanoscopeError if the name is of another form."""
    found = COMPONENT.fullmatch(name.strip())
    if found is None or found["neuron"] is None:
        raise NanoscopeError(f"{name!r} names no neuron; write one as L2N17, layer and neuron counted from 0")
    return int(found["layer"]), int(found["neuron"])


def on_text(
    checkpoint: Checkpoint, text: str, most: int, first: Sequence[Neuron] = (), over: NeuronsOverText | None = None
) -> tuple[OnText, ...]:
    """The neurons `first`, then those most active on a text: closest to their largest activation over the corpus of `over`,
    or, without it, with the largest activation. NanoscopeError for a model without neurons and a neuron that it has not."""
    post = _activations(checkpoint, text)
    for layer, neuron in first:
        if not (layer < len(post) and neuron < post.shape[2]):
            raise NanoscopeError(f"there is no neuron {neuron_name(layer, neuron)} in this model")
    largest = None if over is None else over.over.statistics.sel(statistic="max").values
    peaks = post.max(axis=1) if largest is None else post.max(axis=1) / np.where(largest > 0, largest, np.inf)
    order = [divmod(int(at), peaks.shape[1]) for at in (-peaks).ravel().argsort(kind="stable")[: most + len(first)]]
    neurons = [*first, *(neuron for neuron in order if neuron not in first)][: max(most, len(first))]
    return tuple(
        OnText(
            neuron_name(*at),
            *at,
            tuple(post[at[0], :, at[1]].tolist()),
            None if largest is None else float(largest[at]),
        )
        for at in neurons
    )


def _activations(checkpoint: Checkpoint, text: str) -> Float[np.ndarray, "layer pos neuron"]:
    if checkpoint.model.config.attention_only:
        raise NanoscopeError("the model has no MLPs, and so no neurons")
    vocabulary = checkpoint.known_vocabulary
    tokens = vocabulary.encode(text)
    if not len(tokens):
        raise NanoscopeError("the text is empty; type at least one character")
    cache = activations(checkpoint.model, started(tokens, vocabulary.start)[None], keep=["post"])
    return cache.layers("post")[:, 0, lead(vocabulary.start) :].float().cpu().numpy()


def card(over: NeuronsOverText, neuron: Neuron) -> Card:
    """A neuron's card. NanoscopeError if the model has no such neuron."""
    over.neuron(*neuron)
    sweeps = over.cards([neuron])
    statistics, weights = sweeps["card_statistics"], sweeps["card_weights"]
    symbols, added = weights.labels("token"), weights.values[0]
    order = added.argsort(kind="stable")
    counts, edges = np.histogram(sweeps["card_sample"].values[0], bins=BINS)
    texts, values = sweeps["card_texts"].labels("text"), sweeps["card_texts"].values
    there = sweeps["card_places"].values[0] >= 0
    return Card(
        neuron_name(*neuron),
        tuple(_weighed(statistics.labels("statistic"), statistics.values[:, 0])),
        tuple(Weighed(str(symbols[n]), float(added[n])) for n in order[: -SYMBOLS - 1 : -1]),
        tuple(Weighed(str(symbols[n]), float(added[n])) for n in order[:SYMBOLS]),
        tuple(edges.tolist()),
        tuple(counts.tolist()),
        tuple(
            Example(kind, str(texts[n]), tuple(None if math.isnan(value) else value for value in values[n].tolist()))
            for n, kind in enumerate(ROWS)
            if there[n]
        ),
    )


def concepts(over: NeuronsOverText, neuron: Neuron) -> Concepts:
    """The concepts of a neuron. NanoscopeError if the model has no such neuron."""
    over.neuron(*neuron)
    on, silent = over.concepts_of(neuron)
    return Concepts(tuple(Weighed(*one) for one in on), tuple(Weighed(*one) for one in silent))


def _weighed(names: Sequence[object], values: Float[np.ndarray, "name"]) -> list[Weighed]:
    """Those that are numbers: a constant neuron has no skew."""
    return [Weighed(str(name), float(value)) for name, value in zip(names, values, strict=True) if np.isfinite(value)]
