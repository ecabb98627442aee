"""Saved pictures: small, the same bytes again, and to the eye what was drawn."""

import io
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from nanoscope.plots.saving import DPI, save


def _heatmap() -> Figure:
    figure = Figure(figsize=(6, 4))
    ax = figure.subplots()
    ax.imshow(np.random.default_rng(0).random((30, 40)), cmap="viridis")
    ax.plot(np.arange(40), np.arange(40) * 0.7, color="crimson")
    ax.set_title("a map with a line")
    return figure


def test_a_picture_has_a_palette_and_looks_as_it_was_drawn(tmp_path: Path) -> None:
    save(_heatmap(), tmp_path / "one.png")
    drawn = io.BytesIO()
    _heatmap().savefig(drawn, format="png", dpi=DPI)
    saved, whole = (Image.open(x) for x in (tmp_path / "one.png", drawn))
    assert saved.mode == "P"
    pixels, as_drawn = (np.asarray(image.convert("RGB"), dtype=float) for image in (saved, whole))
    apart = np.abs(pixels - as_drawn).max(-1)
    assert apart.mean() < 1
    assert np.quantile(apart, 0.99) < 16  # where a line is drawn over a map, some mixed colours at its edge have no own
    assert (tmp_path / "one.png").stat().st_size < 0.7 * len(drawn.getvalue())


def test_the_same_figure_is_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one.png", "two.png"):
        save(_heatmap(), tmp_path / name)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
