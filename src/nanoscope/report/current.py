"""Whether a study's report is current: written from these results, by this code, and unchanged since."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

import nanoscope
from nanoscope import files
from nanoscope.report.document import FILES

PACKAGE = Path(nanoscope.__file__).parent
SOURCES = ("*.py", "*.j2", "*.md", "*.json")


def is_current(folder: Path) -> bool:
    """Whether writing the report of a finished study again would change nothing."""
    record = _record(folder)
    return record.exists() and json.loads(record.read_text()) == _state(folder)


def note_current(folder: Path) -> None:
    """Record, beside the study's stages, that the report was just written."""
    files.write_json(_record(folder), _state(folder))


def _record(folder: Path) -> Path:
    return folder / "stages" / "report.json"


def _state(folder: Path) -> dict[str, str]:
    """Hashes of what the report is made of, of what makes it, and of its files."""
    written = (
        [folder / name for name in FILES] + sorted(folder.glob("*.png")) + sorted((folder / "figures").rglob("*.png"))
    )
    made_by = [path for pattern in SOURCES for path in sorted(PACKAGE.rglob(pattern))]
    return {
        "results": _hash([folder / "study.json"]),
        "code": _hash(made_by),
        "drawn with": version("matplotlib"),
        "files": _hash(written),
    }


def _hash(paths: list[Path]) -> str:
    """Hash of the names and contents of files; a missing one has its own hash."""
    each = [f"{path} {files.sha256(path.read_bytes()) if path.exists() else 'missing'}" for path in paths]
    return files.sha256("\n".join(each).encode())
