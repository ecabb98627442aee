"""Figures as files: PNG, SVG or PDF by the file's name, the same figure as the same bytes.

A PNG has a palette of its own 256 colours: a third of the bytes, and no difference that an eye sees in lines, text and colour
maps, which have at most as many.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure
from PIL import Image

from nanoscope import files
from nanoscope.plots.fonts import quiet
from nanoscope.plots.style import SETTINGS

UNDATED: dict[str, dict[str, Any]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
"""Without a date or a version in the file."""
COLOURS = 256


def save(figure: Figure, path: Path) -> None:
    """Write a figure atomically, in the format of the path's suffix: .png, .svg or .pdf."""
    kind, buffer = path.suffix.removeprefix(".").lower(), io.BytesIO()
    with matplotlib.rc_context({**SETTINGS, "svg.hashsalt": "nanoscope"}), quiet():
        figure.savefig(buffer, format=kind, dpi=150, metadata=UNDATED[kind])
    files.write_bytes(path, _with_palette(buffer) if kind == "png" else buffer.getvalue())


def _with_palette(drawn: io.BytesIO) -> bytes:
    """The picture in its 256 most used colours."""
    smaller = io.BytesIO()
    image = Image.open(drawn).convert("RGB").quantize(COLOURS, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    image.save(smaller, "png", optimize=True)
    return smaller.getvalue()
