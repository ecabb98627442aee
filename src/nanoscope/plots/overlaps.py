"""Find the lines, points, bars, images and texts that a figure's legends and boxed texts would hide."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.collections import Collection, PathCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.path import Path
from matplotlib.transforms import Bbox

SLACK = 1.5
"""Pixels by which two objects may overlap."""


def covered(figure: Figure, renderer: RendererAgg) -> list[tuple[Artist, Artist]]:
    """All pairs (legend or boxed text, artist under it) of a figure that has been drawn.

    Lines and areas that span a whole axis (`axhline`, `axvspan`) do not count as data: they stay visible elsewhere.
    """
    panels = [ax for ax in figure.axes if ax.axison]
    boxes = _boxes(figure, renderer)
    return [
        (cover, under)
        for cover, box in boxes
        for ax in panels
        for under in _under(ax, box, renderer)
        if under is not cover
    ]


def _boxes(figure: Figure, renderer: RendererAgg) -> list[tuple[Artist, Bbox]]:
    """Legends and texts with a background, each with its bounding box in pixels, shrunk by `SLACK`."""
    legends = [*figure.legends, *(ax.get_legend() for ax in figure.axes)]
    found = [(legend, legend.get_window_extent(renderer)) for legend in legends if legend is not None]
    texts = [text for ax in figure.axes for text in ax.texts]
    patches = [(text, text.get_bbox_patch()) for text in texts if text.get_visible()]
    found += [(text, patch.get_window_extent(renderer)) for text, patch in patches if patch is not None]
    return [(cover, box.padded(-SLACK)) for cover, box in found]


def _under(ax: Axes, box: Bbox, renderer: RendererAgg) -> Iterator[Artist]:
    """The artists of a panel that lie in a box; data counts only inside the panel."""
    visible = Bbox.intersection(box, ax.bbox)
    for text in ax.texts:
        if text.get_visible() and text.get_text().strip() and _meet(text.get_window_extent(renderer), box):
            yield text
    if visible is None or visible.width <= 0 or visible.height <= 0:
        return
    yield from (image for image in ax.images if _meet(image.get_window_extent(renderer), visible))
    yield from (line for line in ax.lines if _data(line, ax) and _crosses(line, visible))
    yield from (patch for patch in ax.patches if _data(patch, ax) and _inside(patch, visible))
    yield from (one for one in ax.collections if one.get_visible() and _touches(one, visible))


def _data(artist: Line2D | Patch, ax: Axes) -> bool:
    """Is the artist visible and drawn in data coordinates on both axes?"""
    where = artist.get_data_transform() if isinstance(artist, Patch) else artist.get_transform()
    return artist.get_visible() and where == ax.transData


def _crosses(line: Line2D, box: Bbox) -> bool:
    path = line.get_path().transformed(line.get_transform())
    drawn = line.get_linestyle() not in ("None", "none", "", " ")
    marked = line.get_marker() not in ("None", "none", "", " ", None)
    half = line.get_markersize() / 2 * _pixels(line)
    return (drawn and path.intersects_bbox(box, filled=False)) or (
        marked and _holds(np.asarray(path.vertices), half, box)
    )


def _inside(patch: Patch, box: Bbox) -> bool:
    path = patch.get_path().transformed(patch.get_transform())
    return patch.get_fill() and _meet(path.get_extents(), box)


def _touches(artist: Collection, box: Bbox) -> bool:
    if isinstance(artist, PathCollection):
        centres = artist.get_offset_transform().transform(np.ma.filled(artist.get_offsets(), np.nan))
        return _holds(centres, np.sqrt(artist.get_sizes().max(initial=0)) / 2 * _pixels(artist), box)
    paths = [path.transformed(artist.get_transform()) for path in artist.get_paths()]
    return any(path.intersects_bbox(box, filled=_filled(artist)) for path in paths if _drawn(path))


def _filled(artist: Collection) -> bool:
    return bool(np.size(artist.get_facecolor()))


def _drawn(path: Path) -> bool:
    return bool(np.isfinite(path.vertices).all(-1).any())


def _holds(points: np.ndarray, half: float, box: Bbox) -> bool:
    """Does a marker, taken as a square of half width `half` around `[point, 2]`, reach into a box? In pixels."""
    return bool(((points + half > box.min) & (points - half < box.max)).all(-1).any())


def _meet(one: Bbox, other: Bbox) -> bool:
    shared = np.minimum(one.max, other.max) - np.maximum(one.min, other.min)
    return bool((shared > SLACK).all())


def _pixels(artist: Artist) -> float:
    """Pixels per typographic point."""
    figure = artist.get_figure()
    return (figure.dpi if figure is not None else 72) / 72
