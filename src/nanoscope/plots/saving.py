"""Figures as files: PNG, SVG or PDF by the file's name, the same figure as the same bytes.

A PNG has a palette of its own 256 colours: a third of the bytes, and no difference that an eye sees in lines, text and colour
maps, which have at most as many.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from jaxtyping import UInt8
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
DPI = 130
"""Of a PNG. At this resolution the smallest text, of five points, is nine pixels high."""


def save(figure: Figure, path: Path) -> None:
    """Write a figure atomically, in the format of the path's suffix: .png, .svg or .pdf."""
    kind, buffer = path.suffix.removeprefix(".").lower(), io.BytesIO()
    with matplotlib.rc_context({**SETTINGS, "svg.hashsalt": "nanoscope"}), quiet():
        figure.savefig(buffer, format=kind, dpi=DPI, metadata=UNDATED[kind])
    files.write_bytes(path, _with_palette(buffer) if kind == "png" else buffer.getvalue())


def _with_palette(drawn: io.BytesIO) -> bytes:
    """The picture in 256 colours of its own, each pixel in the nearest."""
    smaller, image = io.BytesIO(), Image.open(drawn).convert("RGB")
    image.quantize(palette=_palette(np.asarray(image)), dither=Image.Dither.NONE).save(smaller, "png", optimize=True)
    return smaller.getvalue()


def _palette(pixels: UInt8[np.ndarray, "row column 3"]) -> Image.Image:
    """The colours that most pixels have, exactly, and as many that stand for all others, however few pixels have them: the
    marks of a legend are few."""
    found, counts = np.unique(pixels.reshape(-1, 3) @ np.array([1 << 16, 1 << 8, 1]), return_counts=True)
    ordered = found[np.argsort(-counts, kind="stable")]
    common = np.stack([ordered >> 16, ordered >> 8 & 255, ordered & 255], axis=-1).astype(np.uint8)
    rare = Image.fromarray(common[None, COLOURS // 2 :]) if len(common) > COLOURS else None
    chosen = common[: COLOURS // 2 if rare else COLOURS].ravel().tolist()
    if rare:
        chosen += rare.quantize(COLOURS // 2, Image.Quantize.MEDIANCUT).getpalette() or []
    palette = Image.new("P", (1, 1))
    palette.putpalette(chosen)
    return palette
