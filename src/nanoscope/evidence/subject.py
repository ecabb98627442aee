"""The subject of a stored result: one model, or several that were compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class ModelName:
    """The name of one of several models, and its training and checkpoint within its family."""

    label: str
    family: str | None = None
    """The common name of trainings that differ only in their seed, such as "the echo control"."""
    seed: int | None = None
    step: int | None = None


@dataclass(frozen=True)
class StoredSubject:
    """Metadata of the model, or of the models that a comparison read (`models`)."""

    label: str
    role: str = "model"
    corpus: str = ""
    family: str | None = None
    """As in `ModelName`; None for a model without such trainings."""
    seed: int | None = None
    """Of its training."""
    step: int | None = None
    """Training updates before this checkpoint."""
    parameters: int = 0
    """How many parameters the model has; 0 if several models are compared."""
    config: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    twins: tuple[Mapping[str, Any], ...] = ()
    """Training metadata of the other trainings of its recipe that it was compared with."""
    models: tuple[ModelName, ...] = ()
    """The models that a comparison read, in order."""

    @property
    def name(self) -> ModelName:
        """Its name as one of several models."""
        return ModelName(self.label, self.family, self.seed, self.step)

    def to_json(self) -> dict[str, Any]:
        """Plain values; JSON turns the tuples into lists."""
        return asdict(self)

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> StoredSubject:
        """Read back from plain values."""
        lists = {
            "notes": tuple(value["notes"]),
            "twins": tuple(value["twins"]),
            "models": tuple(ModelName(**model) for model in value["models"]),
        }
        return StoredSubject(**{**value, **lists})
