"""Neurons that encode concepts, the properties of one neuron, and neurons active on a text of the user's own."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from nanoscope.analysis.neurons.statistics import OverText
from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.errors import NanoscopeError
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.experiment import Subject
from nanoscope.experiments.measuring import Sweeps
from nanoscope.experiments.neurons.cards import cards
from nanoscope.experiments.neurons.judge import corrected_p
from nanoscope.experiments.neurons.labels import CONTEXT, KIND
from nanoscope.experiments.neurons.measure import QUICK, Setting, over_text, raised_by, search_in, setting_of
from nanoscope.experiments.neurons.reporting import report
from nanoscope.experiments.neurons.search import CHOSEN, Found, concepts_by_auroc, described
from nanoscope.experiments.neurons.stored import best_aurocs
from nanoscope.interventions.run import activations
from nanoscope.model.names import neuron_name
from nanoscope.progress import Progress, silent
from nanoscope.text.corpora.corpus import Corpus
from nanoscope.text.windows import started

Neuron = tuple[int, int]


@dataclass(frozen=True)
class TellingNeuron:
    """A neuron chosen for a concept on one part of the text, and measured on another."""

    neuron: Neuron
    auroc: float
    """Of its input, before the activation function: near 1 it is on for the concept, near 0 it is silent on it."""
    inside: float
    """The share of the concept's characters on which it is active: its input is above 0."""
    outside: float
    """The same share of all other characters."""

    @property
    def name(self) -> str:
        return neuron_name(*self.neuron)


@dataclass(frozen=True)
class ConceptNeurons:
    """The neuron that is most on for a concept, the one that is most silent on it, and what chance gives."""

    concept: str
    on: TellingNeuron
    silent: TellingNeuron
    p: float
    """Of the neuron that is on, from circular shifts of the labels, corrected for all neurons and the concepts of a family."""
    directions: float
    """The best AUROC among as many random directions of the same layer's inputs."""
    untrained: float
    """The best AUROC among the neurons of a randomly initialised model."""


@dataclass(frozen=True)
class ActiveNeurons:
    """Activations of some neurons on a text, as shares of their maximum over the corpus: `[neuron, char]`."""

    neurons: tuple[Neuron, ...]
    shares: Float[np.ndarray, "neuron char"] = field(repr=False)


@dataclass(frozen=True)
class NeuronsOverText:
    """Every neuron of a model over a text; each quantity is computed when first used."""

    setting: Setting
    told: Progress = field(default=silent, repr=False)
    """Called while `over` is measured."""

    @staticmethod
    def of(checkpoint: Checkpoint, corpus: Corpus, label: str, told: Progress = silent) -> NeuronsOverText:
        """Use the quick settings: enough text for a table, less than for published findings."""
        return NeuronsOverText(setting_of(Subject(checkpoint, corpus, label), QUICK), told)

    @cached_property
    def over(self) -> OverText:
        """Statistics of every neuron, and the positions where it is most and least active."""
        return over_text(self.setting, self.told)

    def neuron(self, layer: int, neuron: int) -> Neuron:
        """(layer, neuron); NanoscopeError if the model has no such neuron."""
        config = self.setting.model.config
        if 0 <= layer < config.n_layer and 0 <= neuron < config.d_mlp:
            return layer, neuron
        raise NanoscopeError(
            f"there is no neuron {neuron} in layer {layer}; the model has layers 0..{config.n_layer - 1} "
            f"with neurons 0..{config.d_mlp - 1}"
        )

    def best(self, most: int, progress: Progress = silent) -> tuple[list[ConceptNeurons], int]:
        """At most `most` concepts, contexts first, each with its neurons; and the number of shifts behind p."""
        setting, labels = self.setting, self.setting.select.labels
        progress("the neurons of every concept, and their null distribution", 0, 100)
        found = search_in(setting)
        progress("these neurons on other text", 85, 100)
        sweeps = report(setting.model, setting.untrained, setting.report, found, setting.params.seed)
        sweeps |= described(found, labels)
        value = best_aurocs(sweeps)
        kept = [c for c, family in enumerate(labels.families) if family in (CONTEXT, KIND)]
        order = sorted(kept, key=lambda c: (labels.families[c] != CONTEXT, -value[c]))[:most]
        return _concept_neurons(sweeps, found, order), found.chance.shape[1]

    def concepts_of(self, neuron: Neuron) -> tuple[list[tuple[str, float]], list[tuple[str, float]]]:
        """The three concepts with the highest AUROC for one neuron, and the three with the lowest, each with its AUROC."""
        every = concepts_by_auroc(self.setting.model, self.setting.report, neuron)
        return every[:3], every[:-4:-1]

    def raised_by(self, neuron: Neuron, most: int = 4) -> list[str]:
        """The symbols whose logits a neuron raises most."""
        weights = raised_by(self.setting, [neuron])
        row, symbols = weights.values[0], weights.labels("token")
        return [str(symbols[index]) for index in (-row).argsort(kind="stable")[:most]]

    def cards(self, neurons: list[Neuron]) -> dict[str, Sweep]:
        """The sweeps from which the neurons' cards are drawn."""
        return cards(
            self.setting.model,
            self.over,
            self.setting.whole,
            self.setting.text,
            raised_by(self.setting, neurons),
            neurons,
        )

    def tokens(self, text: str) -> Int[Tensor, "1 pos"]:
        """A text as model input; NanoscopeError if it is empty or exceeds the context."""
        size = self.setting.whole.size
        tokens = self.setting.checkpoint.encode(text)
        if not 0 < len(tokens) <= size:
            raise NanoscopeError(
                f"the text has {len(tokens)} tokens; give 1 to {size}, the length of the model's context"
            )
        return started(tokens, self.setting.subject.start)[None]

    def active(self, text: str, first: list[Neuron], most: int) -> ActiveNeurons:
        """The neurons `first`, then at most `most` others, those closest to their maximum on this text."""
        shares = self._shares(text)
        peaks = shares.max(axis=2)
        order = (-peaks).ravel().argsort(kind="stable")[: most + len(first)]
        others = [(int(index) // peaks.shape[1], int(index) % peaks.shape[1]) for index in order]
        neurons = (*first, *[neuron for neuron in others if neuron not in first][:most])
        return ActiveNeurons(neurons, shares[tuple(zip(*neurons, strict=True))])

    def _shares(self, text: str) -> Float[np.ndarray, "layer neuron char"]:
        cache = activations(self.setting.model, self.tokens(text), keep=["post"])
        post = cache.layers("post")[:, 0, self.setting.whole.lead :].mT.cpu().numpy()
        largest = self.over.statistics.sel(statistic="max").values
        return post / np.where(largest > 0, largest, np.inf)[..., None]


def _concept_neurons(sweeps: Sweeps, found: Found, concepts: list[int]) -> list[ConceptNeurons]:
    """The neurons of some concepts, in this order."""
    p, names = corrected_p(sweeps), sweeps["families"].labels("concept")
    chance = {source: best_aurocs(sweeps, source) for source in ("directions", "untrained")}
    on, off = (_telling(sweeps, found, source) for source in ("neurons", "silent"))
    return [
        ConceptNeurons(
            str(names[c]), on[c], off[c], float(p[c]), float(chance["directions"][c]), float(chance["untrained"][c])
        )
        for c in concepts
    ]


def _telling(sweeps: Sweeps, found: Found, source: str) -> list[TellingNeuron]:
    """The neuron of every concept from one source."""
    layers, values, active = (
        found.layers(source),
        best_aurocs(sweeps, source),
        sweeps["active"].sel(source=source).values,
    )
    chosen = np.take_along_axis(found.chosen[CHOSEN.index(source)], layers[None], axis=0)[0]
    rows = zip(layers.tolist(), chosen.tolist(), values.tolist(), *active.tolist(), strict=True)
    return [TellingNeuron((layer, unit), auroc, inside, outside) for layer, unit, auroc, inside, outside in rows]
