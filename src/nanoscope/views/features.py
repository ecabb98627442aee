"""What the features of a dictionary mean: cards, concepts, which are active on a text, and what changing them does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from nanoscope.analysis.features.absorption import Absorption, absorption
from nanoscope.analysis.features.active import Active, active_over
from nanoscope.analysis.features.effects import ablated, raised
from nanoscope.analysis.features.examples import examples
from nanoscope.analysis.features.logit_weights import logit_weights
from nanoscope.analysis.neurons import selectivity
from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.dictionaries.measure import model_of
from nanoscope.dictionaries.store import Dictionary
from nanoscope.errors import NanoscopeError
from nanoscope.experiments.experiment import Subject
from nanoscope.experiments.features.concepts import Detectors, detectors, nested, of_latents, testable, told
from nanoscope.experiments.features.texts import Texts, texts_of
from nanoscope.experiments.neurons.labels import CONTEXT, KIND
from nanoscope.experiments.neurons.search import Split
from nanoscope.model.gpt import GPT
from nanoscope.progress import Progress, silent
from nanoscope.text.corpora.corpus import Corpus
from nanoscope.text.windows import Windows, room, started
from nanoscope.views.feature_changes import OpenDictionary
from nanoscope.views.sample import Change

CHARACTERS, EACH, LEAST, SHIFTS = 24_576, 8192, 40, 2000
"""Amounts of text for a table, as of `nanoscope neurons`: less than for published findings."""
BEFORE, AFTER = 24, 10
"""Characters of an example on either side."""
NAMED = 6


@dataclass(frozen=True)
class Shown:
    """One example: the text around a character on which the feature is active."""

    before: str
    here: str
    after: str
    value: float
    tenth: int
    times: int


@dataclass(frozen=True)
class Told:
    """A concept that a feature tells: AUROC of its value, its p-value beyond shifted labels, where it is active."""

    concept: str
    auroc: float
    p: float
    inside: float
    outside: float


@dataclass(frozen=True)
class Facts:
    """Where one feature is active, and what it writes."""

    feature: int
    density: float
    largest: float
    raises: tuple[tuple[str, float], ...]
    lowers: tuple[tuple[str, float], ...]
    examples: tuple[Shown, ...]


@dataclass(frozen=True)
class FeatureCard(Facts):
    """What is known of one feature."""

    concepts: tuple[Told, ...]


@dataclass(frozen=True)
class ConceptFeature(Told):
    """The feature that tells a concept best, chosen on training text and measured on other text."""

    feature: int
    given: tuple[tuple[str, float], ...]
    """AUROC among characters that agree in another concept, of nested ones."""
    absorption: Absorption


@dataclass(frozen=True)
class OnText:
    """Features on a text: their values, as shares of their largest, and what each next token loses without each of them."""

    features: tuple[int, ...]
    shares: Float[np.ndarray, "feature token"] = field(repr=False)
    lost: Float[np.ndarray, "feature token"] = field(repr=False)
    """In nats of the next token's log-probability; NaN at the last token."""


@dataclass(frozen=True)
class FeatureView:
    """A dictionary over a text; each quantity is computed when first used."""

    dictionary: Dictionary
    checkpoint: Checkpoint
    model: GPT = field(repr=False)
    texts: Texts = field(repr=False)
    told: Progress = field(default=silent, repr=False)
    """Called while `whole` is measured."""

    @staticmethod
    def of(dictionary: Dictionary, checkpoint: Checkpoint, corpus: Corpus, told: Progress = silent) -> FeatureView:
        """NanoscopeError if the dictionary is of another model, or the text is too short."""
        model = model_of(dictionary, checkpoint)
        texts = texts_of(Subject(checkpoint, corpus, "the model"), CHARACTERS, EACH, LEAST)
        return FeatureView(dictionary, checkpoint, model, texts, told)

    @property
    def changeable(self) -> OpenDictionary:
        """The dictionary as `ablate.changes` takes it: a raised feature is counted by its size over this text."""
        return OpenDictionary(self.dictionary, lambda: self.whole.largest)

    @cached_property
    def whole(self) -> Active:
        """The active latents over the whole text."""
        return self._active(self.texts.whole, self.told)

    @cached_property
    def search(self) -> Detectors:
        """The best feature for every concept."""
        split = self.texts.select
        active = self._active(split.windows)
        return detectors(of_latents(active), active.latents, split.labels, split.windows.size, SHIFTS)

    @cached_property
    def reported(self) -> Active:
        """The active latents over the text on which chosen features are measured."""
        return self._active(self.texts.report.windows)

    def _active(self, windows: Windows, told: Progress = silent) -> Active:
        return active_over(self.model, self.dictionary.source, self.dictionary.coder, windows, told)

    def feature(self, number: int) -> int:
        """The number of a feature; NanoscopeError if there is none."""
        latents = self.dictionary.coder.shape.latents
        if 0 <= number < latents:
            return number
        raise NanoscopeError(f"there is no feature {number}; the dictionary has 0..{latents - 1}")

    def concepts(self, most: int) -> list[ConceptFeature]:
        """At most `most` concepts, contexts first, each with the feature that tells it best."""
        split, labels = self.texts.report, self.texts.report.labels
        chosen, p = self.search.chosen, self.search.p
        active = self.reported
        values = active.dense(chosen).numpy()
        auroc = told(values, labels, split.windows.size).mean(1)
        inside, outside = selectivity.active_shares(values, labels.values)
        given: dict[str, list[tuple[str, float]]] = {}
        for name, other, holds, value in nested(values, labels, split.windows.size):
            given.setdefault(name, []).append((other if holds else f"not {other}", value))
        kept = [at for at in testable(labels) if labels.families[at] in (CONTEXT, KIND)]
        order = sorted(kept, key=lambda at: (labels.families[at] != CONTEXT, -auroc[at]))[:most]
        directions = self._probes(split)
        return [
            ConceptFeature(
                labels.names[at],
                float(auroc[at]),
                float(p[at]),
                float(inside[at]),
                float(outside[at]),
                int(chosen[at]),
                tuple(given.get(labels.names[at], ())),
                absorption(active, int(chosen[at]), directions[:, at], labels.values[at]),
            )
            for at in order
        ]

    def _probes(self, split: Split) -> Float[np.ndarray, "latent concept"]:
        """How far each feature's direction lies along a linear probe of each concept, of unit length."""
        source, windows = self.dictionary.source, split.windows
        y = torch.cat([windows.read(source.read(self.model, windows.tokens[some]).y) for some in windows.chunks()])
        probes = selectivity.probe(y.flatten(0, 1), split.labels.values)
        unit = probes / probes.norm(dim=1, keepdim=True).clamp(min=1e-12)
        return (self.dictionary.coder.W_dec @ unit.T).numpy()

    def card(self, feature: int, each: int = 2) -> FeatureCard:
        """Everything about one feature, with `each` examples of every tenth of its values."""
        return FeatureCard(**vars(self.facts(feature, each)), concepts=self.concepts_of(feature))

    def facts(self, feature: int, each: int = 2) -> Facts:
        """A feature's card without its concepts, which take longer."""
        chars, values = self.whole.of(self.feature(feature))
        shown = [self._around(int(char)) for char in chars]
        found = examples(values, ["".join(one) for one in shown], each)
        lines = tuple(Shown(*shown[one.at], one.value, one.tenth, one.times) for one in found)
        raises, lowers = self.written(feature)
        largest = float(values.max()) if len(values) else 0.0
        density = float(self.whole.density[feature])
        return Facts(feature, density, largest, raises, lowers, lines)

    def _around(self, char: int) -> tuple[str, str, str]:
        """The text before, at and after a token of the whole text's windows; before it only what its window holds."""
        whole, last = self.texts.whole, self.texts.text.last
        window, place = divmod(char, whole.size)
        first, here = (int(whole.begins[window]), int(whole.places[window, place]))
        begin = int(last[here - 1]) + 1 if here else 0
        opening = int(last[first - 1]) + 1 if first else 0
        text, end = self.texts.text.text, int(last[here]) + 1
        return text[max(opening, begin - BEFORE) : begin], text[begin:end], text[end : end + AFTER]

    def written(self, feature: int) -> tuple[tuple[tuple[str, float], ...], tuple[tuple[str, float], ...]]:
        """The symbols whose logits a feature raises and lowers most by its direct path, at its largest value."""
        names = self.checkpoint.known_vocabulary.names(self.model.config.vocab_size)
        direction = self.dictionary.coder.W_dec[[feature]] * float(self.whole.largest[feature])
        row = logit_weights(self.model, self.dictionary.source, direction)[0].numpy()
        order = (-row).argsort(kind="stable")
        count = min(NAMED, len(order) // 2)
        up, down = order[:count], order[::-1][:count]
        return tuple((names[at], float(row[at])) for at in up), tuple((names[at], float(row[at])) for at in down)

    def concepts_of(self, feature: int) -> tuple[Told, ...]:
        """The concepts that a feature tells beyond shifted labels, on text that it was not chosen on, the best first."""
        split, labels = self.texts.report, self.texts.report.labels
        values = self.reported.dense([self.feature(feature)])
        found = detectors([(np.zeros(1, int), values)], 1, labels, split.windows.size, SHIFTS)
        shares = selectivity.active_shares(np.repeat(values.numpy(), len(labels.names), axis=0), labels.values)
        rows = [
            Told(labels.names[at], *map(float, (found.auroc[0, at], found.p[at], shares[0, at], shares[1, at])))
            for at in testable(labels)
        ]
        return tuple(sorted((row for row in rows if row.p <= 0.05), key=lambda row: -row.auroc)[:NAMED])

    def tokens(self, text: str) -> Int[Tensor, "1 pos"]:
        """A text as model input; NanoscopeError if it is empty or exceeds the context."""
        start, tokens = self.checkpoint.known_vocabulary.start, self.checkpoint.encode(text)
        size = room(self.model.config.block_size, start)
        if not 0 < len(tokens) <= size:
            raise NanoscopeError(
                f"the text has {len(tokens)} tokens; give 1 to {size}, the length of the model's context"
            )
        return started(tokens, start)[None]

    def on_text(self, text: str, first: Sequence[int], most: int) -> OnText:
        """The features `first`, then at most `most` others, those closest to their largest value on this text."""
        source, coder, tokens = self.dictionary.source, self.dictionary.coder, self.tokens(text)
        lead = self.texts.whole.lead
        f = coder.encode(source.read(self.model, tokens).x)[0, lead:].T.numpy()
        largest = np.maximum(self.whole.largest, f.max(1))
        shares = f / np.where(largest > 0, largest, np.inf)[:, None]
        order = [int(at) for at in (-shares.max(1)).argsort(kind="stable") if f[at].any()]
        features = (*first, *[at for at in order if at not in first][:most])
        lost = ablated(self.model, source, coder, tokens, list(features))[:, lead:]
        return OnText(features, shares[list(features)], lost)

    def steered(self, feature: int, strength: float) -> Change:
        """The change that raises a feature by a multiple of its largest value over the text, at every position."""
        largest = float(self.whole.largest[self.feature(feature)])
        if not largest:
            raise NanoscopeError(f"feature {feature} is never active on this text, so there is no size to raise it by")
        edit = raised(self.model, self.dictionary.source, self.dictionary.coder, feature, strength * largest)
        return Change((edit,), f"feature {feature} raised by {strength:g} x {largest:.3g}, its largest value")
