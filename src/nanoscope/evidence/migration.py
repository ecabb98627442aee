"""Reading results that an earlier version stored. The only place that reads a name or a number back out of text.

Format 1 (without a number) kept a subject's family, seed and checkpoint in its label alone. Formats 1 and 2 kept a finding's
facts as text, and its text as it was then written: that text stays, and facts that are numbers in text become numbers. All of
it goes, with its tests, when the study in `results/` is published anew.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

FORMAT = 3
"""What is written today."""
_NUMBER = re.compile(r"-?[\d,]+(\.\d+)?( %)?")
_HEAD = re.compile(r"L(?P<layer>\d+)H\d+")
_LABEL = re.compile(r"(?P<family>.+?)(, seed (?P<seed>\d+))?(, iteration (?P<step>\d+))?")


def migrated(stored: Mapping[str, Any]) -> Mapping[str, Any]:
    """The content of a `result.json` as it would be written today."""
    if stored.get("format") == FORMAT:
        return stored
    subject = stored["subject"] if "format" in stored else _subject(stored["subject"])
    findings = [_finding(finding) for finding in stored["findings"]]
    return {**stored, "format": FORMAT, "subject": subject, "findings": findings}


def _finding(stored: Mapping[str, Any]) -> dict[str, Any]:
    """A finding whose wording is the text that it was stored with."""
    facts = {name: fact(text) for name, text in stored["facts"].items()}
    if head := _HEAD.fullmatch(stored["facts"].get("head", "")):
        facts["layer"] = int(head["layer"])
    return {**stored, "facts": facts, "wording": f"{{% raw %}}{stored['text']}{{% endraw %}}"}


def fact(text: str) -> float | int | str:
    """A fact of format 2: "12.3 %" is 0.123, "3,000" is 3000, "0.262" is 0.262; everything else stays as it is."""
    if not _NUMBER.fullmatch(text):
        return text
    plain = text.removesuffix(" %").replace(",", "")
    if text.endswith(" %"):
        return float(plain) / 100
    return float(plain) if "." in plain else int(plain)


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
