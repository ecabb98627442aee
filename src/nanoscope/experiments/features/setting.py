"""Features, the inputs: how much is trained and measured, and the training of the dictionaries."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch

from nanoscope.dictionaries import controls
from nanoscope.dictionaries.coder import Coder, Shape
from nanoscope.dictionaries.fit import fit
from nanoscope.dictionaries.objective import Recipe
from nanoscope.dictionaries.source import Source, TextStream
from nanoscope.experiments.experiment import Subject, require_least
from nanoscope.experiments.features.texts import Texts, texts_of
from nanoscope.experiments.measuring import Sweeps, arrays_of, private
from nanoscope.model.gpt import GPT

OWN, TWIN = "dictionary", "dictionary of the twin"


@dataclass(frozen=True)
class Params:
    """How much is trained and measured."""

    latents: int = 3072
    """Directions of each dictionary."""
    k: int = 16
    """Active latents per character."""
    tokens: int = 1_000_000
    """Characters on which each dictionary is trained."""
    dictionaries: int = 3
    """Dictionaries of the model, with other seeds each."""
    transcoder_latents: int = 1536
    """Directions of each MLP's transcoder, for the graph."""
    transcoder_tokens: int = 500_000
    """Characters on which each transcoder is trained; 0 leaves the graph out."""
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
    """Seed of the first dictionary and of the untrained twin."""

    def __post_init__(self) -> None:
        require_least(self, dictionaries=2, transcoder_tokens=0, edges=2, prompt=2)


QUICK = Params(
    latents=512,
    tokens=100_000,
    dictionaries=2,
    transcoder_latents=256,
    transcoder_tokens=50_000,
    measured=16_384,
    characters=8192,
    least=40,
    edges=20,
)


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


def trained(s: Setting, name: str, source: Source, latents: int, tokens: int, seed: int) -> Sweeps:
    """Train a dictionary; its weights are kept until the experiment's end and are no part of the result."""
    recipe = Recipe("topk", latents, s.params.k, tokens, seed=seed)
    text = s.subject.checkpoint.encode(s.subject.corpus.train)
    stream = TextStream.of(s.of(name), text, source, recipe.batch, seed, start=s.subject.start)
    with tempfile.TemporaryDirectory() as folder:
        coder = fit(stream, recipe, Path(folder), not source.transcoder)
    return private(name, {part: value.detach().numpy() for part, value in coder.named_parameters()})


def restored(before: Mapping, name: str, k: int) -> Coder:
    """A dictionary that an earlier stage trained."""
    arrays = {part: torch.from_numpy(value) for part, value in arrays_of(name, dict(before)).items()}
    latents, d_in = arrays["W_enc"].shape
    coder = Coder(Shape("topk", d_in, arrays["W_dec"].shape[1], latents, k))
    coder.load_state_dict(arrays)
    return coder.eval().requires_grad_(False)
