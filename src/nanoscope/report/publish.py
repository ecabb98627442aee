"""Publishing a study: its results, page and figures in a folder small enough to be kept with the code.

Models stay behind. Of trainings that the page tells of only together with others, large arrays stay behind too: each
`result.json` keeps all findings, and its provenance says what was left out.
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
"""Bytes above which a sweep of a result without figures of its own stays behind."""


def publish(study_folder: Path, folder: Path, most_bytes: int = MOST_BYTES) -> Path:
    """Copy what the page needs from a study's folder, render it there, and give the page.

    An older publication is replaced as a whole, once the new one is written. NanoscopeError where the folder holds
    something else, where the study is not finished, or where the publication would exceed `most_bytes`.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / "study.json").exists():
        raise NanoscopeError(f"{folder} holds something else than a published study; give a new folder")
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
            f"published, it would take {sum(sizes.values()) / 1e6:.0f} MB of {most_bytes / 1e6:.1f}; the largest file is "
            f"{largest.relative_to(folder)} ({sizes[largest] / 1e6:.1f} MB): measure with smaller settings"
        )
