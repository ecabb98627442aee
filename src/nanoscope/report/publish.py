"""Publish a study: its results, report and figures, in a folder small enough to keep with the code.

Models are left out. So are the large arrays of trainings that have no figures of their own, unless the page reads them: their
evidence is there, their provenance lists what was left out, and weights or one command give it again. Every other result can be
judged again from what is published.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from nanoscope import files
from nanoscope.errors import NanoscopeError
from nanoscope.evidence.result import save_result, thinned
from nanoscope.evidence.stored_study import Study, drawn, read_study
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.todays_words import in_todays_words
from nanoscope.progress import Progress, silent
from nanoscope.report.document import render, write

MOST_BYTES = 15_000_000
LARGE_SWEEP = 20_000
"""Size in bytes above which a sweep is left out, for results without figures of their own."""


def publish(study_folder: Path, folder: Path, most_bytes: int = MOST_BYTES, progress: Progress = silent) -> Path:
    """Copy what the report needs from a study's folder, render it in `folder`, and return its path.

    An older publication is replaced as a whole, once the new one is written. NanoscopeError if the folder holds
    something else, if the study is not finished, or if the publication would exceed `most_bytes`.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / "study.json").exists():
        raise NanoscopeError(f"{folder} is not empty and holds no published study; give a new folder")
    progress("reading the results", 0, 100)
    study = read_study(study_folder)
    needed = sweeps_read(study)
    whole = {result.key for result in drawn(study)}
    with files.replaced_directory(folder) as temporary:
        for result in study.results:
            save_result(
                result if result.key in whole else thinned(result, LARGE_SWEEP, needed[result.key]),
                temporary / "results",
            )
        listed = {"study": study.name, "results": [result.key for result in study.results]}
        files.write_json(temporary / "study.json", listed | {"corpus": _corpus(study_folder)})
        write(temporary, progress)
        _check_size(temporary, most_bytes)
    return folder / "FINDINGS.md"


def sweeps_read(study: Study) -> Mapping[str, frozenset[str]]:
    """By the key of each result, the sweeps that the page reads."""
    watched = {result.key: _Watched(result.sweeps) for result in study.results}
    results = tuple(replace(result, sweeps=watched[result.key]) for result in study.results)
    render(in_todays_words(replace(study, results=results)), {})
    return {key: frozenset(sweeps.read) for key, sweeps in watched.items()}


class _Watched(Mapping[str, Sweep]):
    """Sweeps that remember which of them were read."""

    def __init__(self, sweeps: Mapping[str, Sweep]) -> None:
        self.sweeps = sweeps
        self.read: set[str] = set()

    def __getitem__(self, name: str) -> Sweep:
        self.read.add(name)
        return self.sweeps[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.sweeps)

    def __len__(self) -> int:
        return len(self.sweeps)


def _corpus(study_folder: Path) -> str | None:
    listed = study_folder / "study.json"
    return json.loads(listed.read_text()).get("corpus") if listed.exists() else None


def _check_size(folder: Path, most_bytes: int) -> None:
    sizes = {path: path.stat().st_size for path in folder.rglob("*") if path.is_file()}
    if sum(sizes.values()) > most_bytes:
        largest = max(sizes, key=lambda path: sizes[path])
        raise NanoscopeError(
            f"the publication would take {sum(sizes.values()) / 1e6:.0f} MB, more than {most_bytes / 1e6:.1f}; "
            f"the largest file is {largest.relative_to(folder)} ({sizes[largest] / 1e6:.1f} MB); use smaller settings"
        )
