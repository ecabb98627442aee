"""Results: the directory in which an experiment's numbers are kept.

A `Result` is everything that was measured on one checkpoint by one experiment, with its provenance. On disk it is a
directory named by the hash of what decides its numbers: `result.json` and `arrays.safetensors.gz`, with the axes' names
and labels in the header. Reports, figures and notebooks read results; none of them needs a model.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import safetensors

from nanoscope import files
from nanoscope.errors import NanoscopeError
from nanoscope.evidence import sweep_files
from nanoscope.evidence.finding import Finding
from nanoscope.evidence.migration import FORMAT, migrated
from nanoscope.evidence.subject import StoredSubject
from nanoscope.evidence.sweep import Sweep

ARRAYS = "arrays.safetensors.gz"


@dataclass(frozen=True)
class Result:
    """One experiment's numbers on one checkpoint. `identity` decides them; `provenance` says how they came to be."""

    experiment: str
    identity: Mapping[str, Any]
    """version, params, checkpoint, corpus, dtype: what the directory's name is the hash of."""
    subject: StoredSubject
    sweeps: Mapping[str, Sweep]
    findings: tuple[Finding, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""
    """What a page says of it beside its numbers, such as that an earlier version of the experiment measured it. Not stored."""

    @property
    def key(self) -> str:
        """The directory's name: the experiment and the head of the identity's hash."""
        return f"{self.experiment}-{files.sha256(files.canonical_json(dict(self.identity)).encode())[:12]}"

    def __repr__(self) -> str:
        held = f"sweeps {', '.join(self.sweeps) or 'none'}; {len(self.findings)} findings"
        return f"Result({self.experiment} on {self.subject.label}: {held})"

    def __getitem__(self, name: str) -> Sweep:
        if name not in self.sweeps:
            raise NanoscopeError(f"{self.experiment} has no sweep {name!r}; it has {', '.join(self.sweeps) or 'none'}")
        return self.sweeps[name]

    def finding(self, id: str) -> Finding:
        """One finding by its id."""
        return next(finding for finding in self.findings if finding.id == id)

    def finding_if_any(self, id: str) -> Finding | None:
        """One finding by its id; None where this version of the experiment does not claim it."""
        return next((finding for finding in self.findings if finding.id == id), None)


def save_result(result: Result, folder: Path) -> Path:
    """Write a result under `folder`, whole or not at all. What is already there under the same key is kept."""
    path = folder / result.key
    with files.new_directory(path) as temporary:
        (temporary / ARRAYS).write_bytes(sweep_files.compressed(result.sweeps))
        (temporary / "result.json").write_text(json.dumps(to_json(result), indent=1) + "\n")
    return path


def load_result(path: Path) -> Result:
    """Read a result back; NanoscopeError where it is incomplete or its name does not fit its content."""
    try:
        written = json.loads((path / "result.json").read_text())
        result = from_json(written, sweep_files.load(_arrays(path)))
    except (OSError, ValueError, KeyError, TypeError, safetensors.SafetensorError) as error:
        raise NanoscopeError(f"{path} is not a complete result ({error}); remove it and run again") from None
    if result.key != path.name:
        raise NanoscopeError(f"{path} has been changed: its content belongs to {result.key}; remove it and run again")
    return result


def _arrays(path: Path) -> Path:
    """The file of a result's arrays; older versions did not compress it."""
    return path / ARRAYS if (path / ARRAYS).exists() else path / ARRAYS.removesuffix(".gz")


def to_json(result: Result) -> dict[str, Any]:
    """Everything but the sweeps, as plain values: the content of `result.json`."""
    return {
        "experiment": result.experiment,
        "key": result.key,
        "format": FORMAT,
        "identity": dict(result.identity),
        "subject": result.subject.to_json(),
        "findings": [{**finding.to_json(), "result": result.key} for finding in result.findings],
        "provenance": dict(result.provenance),
    }


def from_json(stored: Mapping[str, Any], sweeps: Mapping[str, Sweep]) -> Result:
    """A result from plain values of this or an earlier format, and its sweeps."""
    written = migrated(stored)
    findings = tuple(Finding.from_json(value) for value in written["findings"])
    subject = StoredSubject.from_json(written["subject"])
    return Result(written["experiment"], written["identity"], subject, sweeps, findings, written["provenance"])


def load_results(folder: Path) -> tuple[Result, ...]:
    """All results under a folder, in the order of their names."""
    return tuple(load_result(path.parent) for path in sorted(folder.glob("[!.]*/result.json")))


def thinned(result: Result, most_bytes: int, needed: Collection[str] = ()) -> Result:
    """The same result without its larger sweeps, but for those that are needed; its provenance lists what was left out, now or
    before."""
    sizes = {name: int(sweep.values.nbytes) for name, sweep in result.sweeps.items()}
    kept = {name: sweep for name, sweep in result.sweeps.items() if name in needed or sizes[name] <= most_bytes}
    left_out = result.provenance.get("left_out", {}) | {name: size for name, size in sizes.items() if name not in kept}
    return replace(result, sweeps=kept, provenance={**result.provenance, "left_out": left_out})
