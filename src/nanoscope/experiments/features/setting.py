"""Features, the inputs: how much is trained and measured, and the training of the dictionaries.

Of a model of 10.7 million parameters with six layers, in minutes of one core where bfloat16 is native: the dictionaries and
transcoders of the model 13, those of the untrained twin 11, all measurements 13. Without native bfloat16 it is longer.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from nanoscope.dictionaries import controls
from nanoscope.dictionaries.coder import Shape
from nanoscope.dictionaries.source import Source
from nanoscope.experiments import dictionary_fits
from nanoscope.experiments.dictionary_fits import Fit, Reading
from nanoscope.experiments.experiment import Subject, require_least
from nanoscope.experiments.features.texts import Texts, texts_of
from nanoscope.experiments.measuring import Sweeps, Told
from nanoscope.model.gpt import GPT

OWN, TWIN, TWINS_OTHER = "dictionary", "dictionary of the twin", "twin's dictionary with another seed"


@dataclass(frozen=True)
class Params:
    """How much is trained and measured."""

    latents: int = 3072
    """Directions of each dictionary."""
    k: int = 16
    """Active latents per character."""
    tokens: int = 3_000_000
    """Characters on which all dictionaries and transcoders are trained, side by side."""
    dictionaries: int = 3
    """Dictionaries of the model, and transcoders of its first MLP, with other first weights each."""
    transcoder_latents: int = 1536
    """Directions of each MLP's transcoder; 0 leaves transcoders and the graph out."""
    measured: int = 65_536
    """Characters of each part of the text on which dictionaries are measured."""
    characters: int = 32_768
    """Characters on which detectors are chosen, and as many others on which they are judged."""
    shifts: int = 2000
    """Fewest shifts of the labels in the permutation test."""
    least: int = 100
    """Concepts with fewer characters in a part of the text are left out."""
    prompt: int = 16
    """Characters of the text whose next one the graph explains."""
    edges: int = 50
    """Edges of the graph that are checked in the model."""
    seed: int = 1
    """Seed of the first dictionary, of the places in the text, and of the untrained twin."""

    def __post_init__(self) -> None:
        require_least(self, dictionaries=2, transcoder_latents=0, edges=2, prompt=2)


@dataclass(frozen=True)
class Setting:
    """The model, its untrained twin, the activation that dictionaries are of, and the texts."""

    subject: Subject
    params: Params
    source: Source
    twin: GPT = field(repr=False)
    texts: Texts = field(repr=False)

    @property
    def model(self) -> GPT:
        return self.subject.checkpoint.model

    def of(self, name: str) -> GPT:
        """The model that a dictionary is of."""
        return self.twin if name == TWIN else self.model


def setting_of(subject: Subject, params: Params) -> Setting:
    """The activation is the residual stream after the middle layer. NanoscopeError for texts that are too short."""
    model = subject.checkpoint.model
    source = Source.named(f"resid_post.{model.config.n_layer // 2}")
    Shape("topk", *source.widths(model), params.latents, params.k)
    texts = texts_of(subject, params.characters, params.characters, params.least)
    return Setting(subject, params, source, controls.twin(model, params.seed), texts)


def own(number: int) -> str:
    """The name of one of the model's dictionaries, counted from 0."""
    return f"{OWN} {number + 1}"


def transcoder(layer: int, number: int = 0) -> str:
    """The name of one of the transcoders of an MLP of the model, counted from 0."""
    return f"transcoder {number + 1} of MLP {layer}"


def transcoder_of_twin(layer: int) -> str:
    return f"twin's transcoder of MLP {layer}"


def transcoded(s: Setting) -> range:
    """The layers that have a transcoder; none where no graph is asked for, or the model has none."""
    config = s.model.config
    possible = s.params.transcoder_latents and not config.attention_only and config.norm_position == "pre"
    return range(config.n_layer if possible else 0)


def fits(s: Setting) -> dict[str, Fit]:
    """Everything that is trained on the model: dictionaries, and transcoders of the first MLP, with several seeds."""
    p, numbers = s.params, range(s.params.dictionaries)
    found = {own(n): Fit(s.source, p.latents, p.k, p.seed + n) for n in numbers}
    for layer in transcoded(s):
        for n in numbers if layer == 0 else (0,):
            found[transcoder(layer, n)] = Fit(Source.named(f"mlp.{layer}"), p.transcoder_latents, p.k, p.seed + n)
    return found


def fits_of_twin(s: Setting) -> dict[str, Fit]:
    """What is trained on the untrained twin: two dictionaries, and a transcoder of each MLP."""
    p = s.params
    of_mlps = {
        transcoder_of_twin(n): Fit(Source.named(f"mlp.{n}"), p.transcoder_latents, p.k, p.seed) for n in transcoded(s)
    }
    own = {name: Fit(s.source, p.latents, p.k, p.seed + n) for n, name in enumerate((TWIN, TWINS_OTHER))}
    return own | of_mlps


def trained(s: Setting, model: GPT, wanted: dict[str, Fit], folder: Path, told: Told) -> Sweeps:
    """Train dictionaries of the model or of its twin. Their weights are no part of the result."""
    reading = Reading(s.subject, model, s.params.tokens, s.params.seed)
    return dictionary_fits.trained(reading, wanted, folder, told)
