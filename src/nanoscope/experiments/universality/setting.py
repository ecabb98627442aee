"""Universality, the inputs: how much is measured, and which trainings are compared."""

from __future__ import annotations

from dataclasses import dataclass, replace

from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.errors import NanoscopeError
from nanoscope.experiments.experiment import Subject, require_least


@dataclass(frozen=True)
class Params:
    """How much is measured."""

    characters: int = 8192
    """Characters of the validation text on which neurons are compared, in evenly spaced windows."""
    latents: int = 3072
    """Directions of each training's dictionary; 0 leaves features out."""
    k: int = 16
    """Active latents per character."""
    tokens: int = 1_000_000
    """Characters on which each dictionary is trained."""
    compared: int = 65_536
    """Characters of the validation text on which features are compared: partners are chosen on half, judged on the other."""
    seed: int = 0
    """Seed of everything that is drawn at random."""

    def __post_init__(self) -> None:
        require_least(self, latents=0, compared=2)


def twin_names(subject: Subject) -> tuple[str, ...]:
    """The other trainings, by their seeds."""
    return tuple(f"seed {twin.training['seed']}" for twin in subject.twins)


def require_twins(subject: Subject) -> None:
    """NanoscopeError unless every twin has the same shape and vocabulary and another seed."""
    if not subject.twins:
        raise NanoscopeError("universality compares a model with other trainings; name their checkpoints with --twins")
    for twin in subject.twins:
        what = f"the twin of seed {twin.training.get('seed', 'unknown')}"
        if _kind(twin) != _kind(subject.checkpoint):
            raise NanoscopeError(
                f"{what} has another shape or vocabulary; a twin is another training of the same recipe"
            )
    seeds = [of.training.get("seed") for of in (subject.checkpoint, *subject.twins)]
    if None in seeds or len(set(seeds)) < len(seeds):
        raise NanoscopeError(
            f"these trainings must have different seeds ({', '.join(map(str, seeds))}); a twin is another training"
        )


def _kind(checkpoint: Checkpoint) -> object:
    return replace(checkpoint.model.config, dropout=0.0), checkpoint.vocabulary
