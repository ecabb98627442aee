"""Dictionaries that an experiment trains: side by side on one reading of the text, kept for its later stages only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from nanoscope.dictionaries.coder import Coder, Shape
from nanoscope.dictionaries.fit import Job, fit_together
from nanoscope.dictionaries.objective import Recipe
from nanoscope.dictionaries.source import Harvest, Source, TextStream
from nanoscope.experiments.experiment import Subject
from nanoscope.experiments.measuring import Sweeps, Told, arrays_of, private
from nanoscope.model.gpt import GPT
from nanoscope.training.recipe import native_precision


@dataclass(frozen=True)
class Fit:
    """One training: of what, how many directions, how many active at a time, and the seed of the first weights."""

    source: Source
    latents: int
    k: int
    seed: int


@dataclass(frozen=True)
class Reading:
    """What trainings side by side read: a model on a subject's training text."""

    subject: Subject
    model: GPT
    tokens: int
    seed: int
    """Of the places in the text."""


def trained(read: Reading, wanted: Mapping[str, Fit], folder: Path, told: Told) -> Sweeps:
    """Train dictionaries side by side, so that they differ in their settings alone, or go on in the same folder."""
    precision = native_precision("cpu")
    text = read.subject.checkpoint.encode(read.subject.corpus.train)
    sources = tuple(dict.fromkeys(one.source for one in wanted.values()))
    harvest = Harvest(read.model, text, sources, Recipe.batch, read.seed, precision, read.subject.start)
    jobs = [
        Job(
            TextStream(harvest, one.source),
            Recipe("topk", one.latents, one.k, read.tokens, seed=one.seed, precision=precision),
            folder / name,
            not one.source.transcoder,
        )
        for name, one in wanted.items()
    ]
    coders = fit_together(jobs, lambda now: told(now.step / now.steps))
    return {
        key: sweep
        for name, coder in zip(wanted, coders, strict=True)
        for key, sweep in private(name, {part: value.numpy() for part, value in coder.named_parameters()}).items()
    }


def restored(before: Mapping, name: str, k: int) -> Coder:
    """A dictionary that an earlier stage trained."""
    arrays = {part: torch.from_numpy(value) for part, value in arrays_of(name, dict(before)).items()}
    latents, d_in = arrays["W_enc"].shape
    coder = Coder(Shape("topk", d_in, arrays["W_dec"].shape[1], latents, k))
    coder.load_state_dict(arrays)
    return coder.eval().requires_grad_(False)
