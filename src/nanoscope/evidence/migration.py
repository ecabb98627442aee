"""Reading results that an earlier version stored. The only place that reads a name or a number back out of text.

Format 1 (without a number) kept a subject's family, seed and checkpoint in its label alone. It goes, with its tests, when
the study in `results/` is published anew.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

FORMAT = 2
"""What is written today."""
_LABEL = re.compile(r"(?P<family>.+?)(, seed (?P<seed>\d+))?(, iteration (?P<step>\d+))?")


def migrated(stored: Mapping[str, Any]) -> Mapping[str, Any]:
    """The content of a `result.json` as it would be written today."""
    if "format" in stored:
        return stored
    return {**stored, "format": FORMAT, "subject": _subject(stored["subject"])}


def _subject(stored: Mapping[str, Any]) -> dict[str, Any]:
    """A subject of format 1: its seed and step are its training's, where it has one."""
    training, name = stored.get("training", {}), model_name(str(stored["label"]))
    known = {"seed": training.get("seed", name["seed"]), "step": training.get("step", name["step"])}
    models = [model_name(str(label)) for label in stored.get("models", ())]
    return {"notes": [], "twins": [], **stored, "family": name["family"], **known, "models": models}


def model_name(label: str) -> dict[str, Any]:
    """The parts of "the echo control, seed 1, iteration 100". What names no seed has no family."""
    found = _LABEL.fullmatch(label)
    seed, step = (found and found[part] and int(found[part]) for part in ("seed", "step"))
    return {
        "label": label,
        "family": found["family"] if found and seed is not None else None,
        "seed": seed,
        "step": step,
    }
