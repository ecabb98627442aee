"""Reading results that earlier versions stored. The only module that parses names or numbers out of text.

Format 1 (which has no format number) kept a subject's family, seed and checkpoint only in its label. Formats 1 and 2 stored a
finding's facts as text, and its final text: that text is kept, and facts that are numbers are converted. Up to format 3 there
were three verdicts: "undecided" is what today straddles the criterion or, without an interval, is not applicable. This module
and its tests will be removed when the study in `results/` is published again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

FORMAT = 4
"""The current format."""
_NUMBER = re.compile(r"-?[\d,]+(\.\d+)?( %)?")
_HEAD = re.compile(r"L(?P<layer>\d+)H\d+")
_LABEL = re.compile(r"(?P<family>.+?)(, seed (?P<seed>\d+))?(, iteration (?P<step>\d+))?")


def migrated(stored: Mapping[str, Any]) -> Mapping[str, Any]:
    """The content of a `result.json`, converted to the current format."""
    if stored.get("format") == FORMAT:
        return stored
    subject = stored["subject"] if "format" in stored else _subject(stored["subject"])
    findings = [_decided(f if stored.get("format") == 3 else _finding(f)) for f in stored["findings"]]
    return {**stored, "format": FORMAT, "subject": subject, "findings": findings}


def _decided(stored: Mapping[str, Any]) -> Mapping[str, Any]:
    """A finding with one of today's verdicts."""
    if stored["verdict"] != "undecided":
        return stored
    return {**stored, "verdict": "not applicable" if None in stored["interval"] else "straddles the criterion"}


def _finding(stored: Mapping[str, Any]) -> dict[str, Any]:
    """A finding whose wording is its stored text."""
    facts = {name: fact(text) for name, text in stored["facts"].items()}
    if head := _HEAD.fullmatch(stored["facts"].get("head", "")):
        facts["layer"] = int(head["layer"])
    return {**stored, "facts": facts, "wording": f"{{% raw %}}{stored['text']}{{% endraw %}}"}


def fact(text: str) -> float | int | str:
    """A fact of format 2: "12.3 %" is 0.123, "3,000" is 3000, "0.262" is 0.262; other text is kept."""
    if not _NUMBER.fullmatch(text):
        return text
    plain = text.removesuffix(" %").replace(",", "")
    if text.endswith(" %"):
        return float(plain) / 100
    return float(plain) if "." in plain else int(plain)


def _subject(stored: Mapping[str, Any]) -> dict[str, Any]:
    """A subject of format 1: its seed and step come from its training's metadata, or else from its label."""
    training, name = stored.get("training", {}), model_name(str(stored["label"]))
    known = {"seed": training.get("seed", name["seed"]), "step": training.get("step", name["step"])}
    models = [model_name(str(label)) for label in stored.get("models", ())]
    return {"notes": [], "twins": [], **stored, "family": name["family"], **known, "models": models}


def model_name(label: str) -> dict[str, Any]:
    """The parts of "the echo control, seed 1, iteration 100". A label without a seed has no family."""
    found = _LABEL.fullmatch(label)
    seed, step = (found and found[part] and int(found[part]) for part in ("seed", "step"))
    return {
        "label": label,
        "family": found["family"] if found and seed is not None else None,
        "seed": seed,
        "step": step,
    }
