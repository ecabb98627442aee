"""Which neurons tell which concepts, what one of them does, and which are active on a text of the user's own."""

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
from nanoscope.experiments.neurons.cards import cards
from nanoscope.experiments.neurons.judge import best_neurons, corrected_p, neuron_of
from nanoscope.experiments.neurons.labels import CONTEXT, KIND
from nanoscope.experiments.neurons.measure import QUICK, Setting, logit_weights, over_text, search_in, setting_of
from nanoscope.experiments.neurons.search import concepts_by_auroc, described, report
from nanoscope.interventions.run import run
from nanoscope.text.corpora.corpus import Corpus
from nanoscope.text.windows import started

Neuron = tuple[int, int]


@dataclass(frozen=True)
class BestNeuron:
    """The neuron that tells a concept best, chosen on one part of the text and measured on another."""

    concept: str
    neuron: Neuron
    name: str
    auroc: float
    p: float
    """Over all neurons and the concepts of a family, of circular shifts of the labels."""
    untrained: float
    """The best AUROC among the neurons of a model of random weights."""


@dataclass(frozen=True)
class ActiveNeurons:
    """Some neurons' activations on a text as shares of their largest over the corpus: `[neuron, char]`."""

    neurons: tuple[Neuron, ...]
    shares: Float[np.ndarray, "neuron char"] = field(repr=False)


@dataclass(frozen=True)
class NeuronsOverText:
    """Every neuron of a model over a text; a question that nobody asks is not computed."""

    setting: Setting

    @staticmethod
    def of(checkpoint: Checkpoint, corpus: Corpus, label: str) -> NeuronsOverText:
        """With as much text as a table needs, less than published findings do."""
        return NeuronsOverText(setting_of(Subject(checkpoint, corpus, label), QUICK))

    @cached_property
    def over(self) -> OverText:
        """Statistics of every neuron, and the places where it is most and least active."""
        return over_text(self.setting)

    @cached_property
    def weights(self) -> Sweep:
        """What each neuron adds to every symbol's logit."""
        return logit_weights(self.setting)

    def neuron(self, layer: int, neuron: int) -> Neuron:
        """One neuron, if there is such a one."""
        config = self.setting.model.config
        if 0 <= layer < config.n_layer and 0 <= neuron < config.d_mlp:
            return layer, neuron
        raise NanoscopeError(
            f"there is no neuron {neuron} in layer {layer}; the model has layers 0..{config.n_layer - 1} "
            f"of neurons 0..{config.d_mlp - 1}"
        )

    def best(self, most: int) -> tuple[list[BestNeuron], int]:
        """At most so many concepts with the neuron that tells each best, contexts first; and how many shifts p is of."""
        setting, labels = self.setting, self.setting.select.labels
        found = search_in(setting)
        sweeps = report(setting.model, setting.untrained, setting.report, found, setting.params.seed)
        sweeps |= described(found, labels)
        value, p, untrained = best_neurons(sweeps)[0], corrected_p(sweeps), best_neurons(sweeps, "untrained")[0]
        kept = [c for c, family in enumerate(labels.families) if family in (CONTEXT, KIND)]
        order = sorted(kept, key=lambda c: (labels.families[c] != CONTEXT, -value[c]))[:most]
        at = {c: (int(found.layer[c]), int(found.neuron[c])) for c in order}
        rows = [
            BestNeuron(labels.names[c], at[c], neuron_of(sweeps, c), float(value[c]), float(p[c]), float(untrained[c]))
            for c in order
        ]
        return rows, found.chance.shape[1]

    def concepts_of(self, neuron: Neuron) -> list[tuple[str, float]]:
        """The concepts that one neuron tells best, each with its AUROC."""
        return concepts_by_auroc(self.setting.model, self.setting.report, neuron)[:3]

    def raised_by(self, neuron: Neuron, most: int = 4) -> list[str]:
        """The symbols whose logits it raises most."""
        row, symbols = self.weights.values[neuron], self.weights.labels("token")
        return [str(symbols[place]) for place in (-row).argsort(kind="stable")[:most]]

    def cards(self, neurons: list[Neuron]) -> dict[str, Sweep]:
        """What a figure of their cards is drawn from."""
        return cards(self.setting.model, self.over, self.setting.whole, self.setting.text, self.weights, neurons)

    def tokens(self, text: str) -> Int[Tensor, "1 pos"]:
        """A text as the model reads it; NanoscopeError where it does not fit."""
        size = self.setting.whole.size
        if not 0 < len(text) <= size:
            raise NanoscopeError(
                f"the text has {len(text)} characters; give 1 to {size}, as many as the model reads at once"
            )
        return started(self.setting.checkpoint.encode(text), self.setting.subject.start)[None]

    def active(self, text: str, first: list[Neuron], most: int) -> ActiveNeurons:
        """Some neurons, and after them at most so many others that come nearest to their maximum on this text."""
        shares = self._shares(text)
        peaks = shares.max(axis=2)
        order = (-peaks).ravel().argsort(kind="stable")[: most + len(first)]
        others = [(int(place) // peaks.shape[1], int(place) % peaks.shape[1]) for place in order]
        neurons = (*first, *[neuron for neuron in others if neuron not in first][:most])
        return ActiveNeurons(neurons, shares[tuple(zip(*neurons, strict=True))])

    def _shares(self, text: str) -> Float[np.ndarray, "layer neuron char"]:
        cache = run(self.setting.model, self.tokens(text), keep=["post"]).cache
        post = cache.layers("post")[:, 0, self.setting.whole.lead :].mT.cpu().numpy()
        largest = self.over.statistics.sel(statistic="max").values
        return post / np.where(largest > 0, largest, np.inf)[..., None]
