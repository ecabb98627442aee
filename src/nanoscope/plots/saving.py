"""Figures as files: PNG, SVG or PDF by the file's name, the same figure as the same bytes."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from nanoscope import files
from nanoscope.plots.fonts import quiet
from nanoscope.plots.style import SETTINGS

UNDATED: dict[str, dict[str, Any]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
"""Without a date or a version in the file."""


def save(figure: Figure, path: Path) -> None:
    """Write a figure atomically, in the format of the path's suffix: .png, .svg or .pdf."""
    kind, buffer = path.suffix.removeprefix(".").lower(), io.BytesIO()
    with matplotlib.rc_context({**SETTINGS, "svg.hashsalt": "nanoscope"}), quiet():
        smaller: dict[str, Any] = {"pil_kwargs": {"optimize": True}} if kind == "png" else {}
        figure.savefig(buffer, format=kind, dpi=150, metadata=UNDATED[kind], **smaller)
    files.write_bytes(path, buffer.getvalue())
