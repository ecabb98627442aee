"""What the study says of one model: its findings, the facts beside them, and the stored measurements that its page prints.

A finding that was withdrawn says nothing. What a study does not say (another version may store something else) is None.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
from torch import Tensor

from referee.estimate import Published
from referee.gpt import GPT, Refused


@dataclass(frozen=True)
class Study:
    """The findings of one model by their ids, and its results by experiment."""

    label: str
    findings: Mapping[str, dict[str, Any]]
    results: Mapping[str, Path]

    def finding(self, name: str) -> Published | None:
        found = self.findings.get(name)
        if found is None or found["value"] is None:
            return None
        return Published(found["value"], self.source(name), *found["interval"])

    def fact(self, name: str, key: str) -> Any:
        return self.findings.get(name, {}).get("facts", {}).get(key)

    @property
    def corpus(self) -> str:
        """The checksum of the text."""
        return _read(next(iter(self.results.values())))["identity"]["corpus"]

    def subject(self) -> dict[str, Any]:
        return _read(next(iter(self.results.values())))["subject"]

    def array(self, experiment: str, name: str, **where: str | int) -> Tensor | None:
        """A stored array at named coordinates, its other axes left as they are."""
        if experiment not in self.results:
            return None
        content = gzip.decompress((self.results[experiment] / "arrays.safetensors.gz").read_bytes())
        axes = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])["__metadata__"]
        axes = json.loads(axes["axes"])
        if name not in axes:
            return None
        described, values = axes[name], safetensors.torch.load(content)[name]
        for axis, at in where.items():
            labels = described["coords"].get(axis)
            if axis not in described["dims"] or (labels and at not in labels):
                return None
            values = values.select(described["dims"].index(axis), labels.index(at) if labels else int(at))
            described["dims"].remove(axis)
        return values.double()

    def source(self, name: str) -> str:
        """The experiment of a finding, or the experiment itself, and the version that measured it."""
        experiment = name.partition(".")[0]
        return f"{experiment} {_read(self.results[experiment])['identity']['version']}"


def open_study(folder: Path, gpt: GPT, label: str | None) -> Study:
    """What `folder` says of exactly these weights."""
    if not (folder / "findings.json").exists():
        raise Refused(f"{folder} has no findings.json: give a published study's folder with --results")
    findings = json.loads((folder / "findings.json").read_text())
    results = {found["result"]: folder / "results" / found["result"] for found in findings}
    ours = {key for key, place in results.items() if _read(place)["identity"].get("checkpoint") == gpt.sha256}
    labels = {found["model"] for found in findings if found["result"] in ours}
    if label is None and len(labels) == 1:
        label = labels.pop()
    elif label not in labels:
        raise Refused(
            f"{folder} says nothing of these weights as {label!r}: it knows them as {sorted(labels) or 'nothing'}"
        )
    chosen = [found for found in findings if found["model"] == label and found["result"] in ours]
    return Study(
        str(label),
        {found["id"]: found for found in chosen if "withdrawn" not in found},
        {found["result"].rsplit("-", 1)[0]: results[found["result"]] for found in chosen},
    )


def _read(result: Path) -> dict[str, Any]:
    return json.loads((result / "result.json").read_text())
