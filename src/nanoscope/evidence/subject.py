"""What a stored result is about: one model, or several that were compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class ModelName:
    """What one of several models is called, and which training and checkpoint of its family it is."""

    label: str
    family: str | None = None
    """What it and the trainings that differ from it in their seed alone are called, such as "the echo control"."""
    seed: int | None = None
    step: int | None = None


@dataclass(frozen=True)
class StoredSubject:
    """What a reader wants to know of the model, or of the models that a comparison read (`models`)."""

    label: str
    role: str = "model"
    corpus: str = ""
    family: str | None = None
    """As in `ModelName`; None for a model that has no such trainings beside it."""
    seed: int | None = None
    """Of its training."""
    step: int | None = None
    """Updates made when the checkpoint was taken."""
    parameters: int = 0
    """None of a comparison's own."""
    config: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    twins: tuple[Mapping[str, Any], ...] = ()
    """How the other trainings of its recipe were made, with which it was compared."""
    models: tuple[ModelName, ...] = ()
    """What a comparison read, in its order."""

    @property
    def name(self) -> ModelName:
        """What it is called as one of several."""
        return ModelName(self.label, self.family, self.seed, self.step)

    def to_json(self) -> dict[str, Any]:
        """Plain values: JSON makes the tuples lists."""
        return asdict(self)

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> StoredSubject:
        """Read back."""
        lists = {
            "notes": tuple(value["notes"]),
            "twins": tuple(value["twins"]),
            "models": tuple(ModelName(**model) for model in value["models"]),
        }
        return StoredSubject(**{**value, **lists})
