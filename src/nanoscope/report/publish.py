"""Publish a study: its results, report and figures, in a folder small enough to keep with the code.

Models are left out. So are the large arrays of trainings that the report covers only in aggregate: their `result.json` keeps
all findings, and its provenance lists what was left out.
"""

from __future__ import annotations

import json
from pathlib import Path

from nanoscope import files
from nanoscope.errors import NanoscopeError
from nanoscope.evidence.result import save_result, thinned
from nanoscope.evidence.stored_study import drawn, read_study
from nanoscope.report.document import write

MOST_BYTES = 30_000_000
LARGE_SWEEP = 20_000
"""Size in bytes above which a sweep is left out, for results without figures of their own."""


def publish(study_folder: Path, folder: Path, most_bytes: int = MOST_BYTES) -> Path:
    """Copy what the report needs from a study's folder, render it in `folder`, and return its path.

    An older publication is replaced as a whole, once the new one is written. NanoscopeError if the folder holds
    something else, if the study is not finished, or if the publication would exceed `most_bytes`.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / "study.json").exists():
        raise NanoscopeError(f"{folder} is not empty and holds no published study; give a new folder")
    study = read_study(study_folder)
    whole = {result.key for result in drawn(study)}
    with files.replaced_directory(folder) as temporary:
        for result in study.results:
            save_result(result if result.key in whole else thinned(result, LARGE_SWEEP), temporary / "results")
        listed = {"study": study.name, "results": [result.key for result in study.results]}
        files.write_json(temporary / "study.json", listed | {"corpus": _corpus(study_folder)})
        write(temporary)
        _check_size(temporary, most_bytes)
    return folder / "FINDINGS.md"


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
