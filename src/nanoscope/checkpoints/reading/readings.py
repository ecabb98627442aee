"""How each field of a model was read, and what the user adds to a file that does not say everything."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from nanoscope.progress import Progress, silent


@dataclass(frozen=True)
class Reading:
    """One property of a model, where it was read (shape, the file, config.json, --set, loss, assumed), and how far the next
    best answer was, where the loss was asked."""

    field: str
    value: Any
    where: str
    runner_up: str = ""


@dataclass(frozen=True)
class Instructions:
    """What a user says about a file: settings that no file states, other names of weights, a text of the training data."""

    settings: Mapping[str, Any] = field(default_factory=dict)
    rename: Mapping[str, str] = field(default_factory=dict)
    """Part of a weight's name -> what it is called instead."""
    text: str | None = field(default=None, repr=False)
    progress: Progress = silent
    """Told which readings are tried, since a text takes minutes for a model of ten million parameters."""

    def renamed(self, name: str) -> str:
        """A weight's name after the user's renaming of parts between its dots."""
        for old, new in self.rename.items():
            name = re.sub(rf"(?<![^.]){re.escape(old)}(?![^.])", lambda _, new=new: new, name)
        return name


NOTHING = Instructions()


def values(readings: Iterable[Reading]) -> dict[str, Any]:
    """Field -> value."""
    return {one.field: one.value for one in readings}
