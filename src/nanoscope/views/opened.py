"""What a user points at: checkpoints, the folder of a training, the folder of a study.

A study's own models are opened with it. A checkpoint that lies in a study's folder opens that study, so that what is stored
of it is at hand.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nanoscope.errors import NanoscopeError
from nanoscope.training.loop import checkpoints

STUDY, RELEASED, RESULTS = "study.json", "trained_models", "results"


@dataclass(frozen=True)
class Opened:
    """Checkpoints, and the folder of the study whose results are read; None for none."""

    checkpoints: tuple[Path, ...]
    study: Path | None


def opened(paths: Sequence[Path]) -> Opened:
    """NanoscopeError for a path that is not there, or two studies."""
    for path in paths:
        if not path.exists():
            raise NanoscopeError(f"there is no checkpoint and no study at {path}; check the path")
    studies = [path for path in paths if is_study(path)]
    if len(studies) > 1:
        raise NanoscopeError(f"one study can be open at a time, not {len(studies)}; give one")
    found = tuple(one for path in paths for one in (_models(path) if is_study(path) else [_final(path)]))
    around = (study for path in found if (study := study_of(path)) is not None)
    return Opened(found, studies[0] if studies else next(around, None))


def is_study(path: Path) -> bool:
    """Whether a folder holds results that a report is made of."""
    return (path / STUDY).exists() or any((path / "results").glob("*/result.json"))


def study_of(path: Path) -> Path | None:
    """The study that a checkpoint belongs to: the folder around it, or `results` beside the released models."""
    around = [parent for parent in path.resolve().parents[:4] if (parent / STUDY).exists()]
    beside = path.resolve().parent.parent / RESULTS
    if not around and path.resolve().parent.name == RELEASED and (beside / STUDY).exists():
        return beside
    return around[0] if around else None


def history(path: Path) -> Mapping[int, Path]:
    """The checkpoints of the training that a checkpoint is of, by step; empty if they were not kept."""
    inside, kept = checkpoints(path.parent.parent), checkpoints(path.parent)
    if path.parent.name == RELEASED:
        kept = checkpoints(path.parent.parent / "models" / path.name)
    return kept or (inside if path.parent.name == "checkpoints" else {})


def _final(path: Path) -> Path:
    """The last checkpoint of a training's folder; any other path as it is."""
    steps = checkpoints(path)
    if not steps:
        return path
    return path / "final" if (path / "final").exists() else steps[max(steps)]


def _models(study: Path) -> list[Path]:
    """The models that a study trained: the released ones, and the ends of other trainings; those of its name first."""
    name = json.loads((study / STUDY).read_text()).get("study") if (study / STUDY).exists() else None
    found = {path.parent.name: path for path in sorted((study / "models").glob("*/final"))}
    found |= {path.name: path for path in sorted((study / RELEASED).glob("*")) if path.is_dir()}
    return [found[one] for one in sorted(found, key=lambda one: (not one.startswith(str(name)), one))]
