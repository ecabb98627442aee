"""What lies under a figure's legends and boxed texts: the lines, points, bars, images and words that they would hide."""

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
"""Pixels by which two things may touch."""


def covered(figure: Figure, renderer: RendererAgg) -> list[tuple[Artist, Artist]]:
    """Every pair (legend or boxed text, what it lies over) of a figure that was drawn.

    Lines and areas that span a whole axis (`axhline`, `axvspan`) are no data: one sees where they go on.
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
    """Legends and texts with a background, each with its box in pixels, less the slack."""
    legends = [*figure.legends, *(ax.get_legend() for ax in figure.axes)]
    found = [(legend, legend.get_window_extent(renderer)) for legend in legends if legend is not None]
    texts = [text for ax in figure.axes for text in ax.texts]
    patches = [(text, text.get_bbox_patch()) for text in texts if text.get_visible()]
    found += [(text, patch.get_window_extent(renderer)) for text, patch in patches if patch is not None]
    return [(cover, box.padded(-SLACK)) for cover, box in found]


def _under(ax: Axes, box: Bbox, renderer: RendererAgg) -> Iterator[Artist]:
    """What of a panel's data, as far as it is inside the panel, lies in a box."""
    seen = Bbox.intersection(box, ax.bbox)
    for text in ax.texts:
        if text.get_visible() and text.get_text().strip() and _meet(text.get_window_extent(renderer), box):
            yield text
    if seen is None or seen.width <= 0 or seen.height <= 0:
        return
    yield from (image for image in ax.images if _meet(image.get_window_extent(renderer), seen))
    yield from (line for line in ax.lines if _data(line, ax) and _crosses(line, seen))
    yield from (patch for patch in ax.patches if _data(patch, ax) and _inside(patch, seen))
    yield from (some for some in ax.collections if some.get_visible() and _touches(some, seen))


def _data(artist: Line2D | Patch, ax: Axes) -> bool:
    """Is it placed by the numbers on both axes?"""
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


def _touches(some: Collection, box: Bbox) -> bool:
    if isinstance(some, PathCollection):
        centres = some.get_offset_transform().transform(np.ma.filled(some.get_offsets(), np.nan))
        return _holds(centres, np.sqrt(some.get_sizes().max(initial=0)) / 2 * _pixels(some), box)
    paths = [path.transformed(some.get_transform()) for path in some.get_paths()]
    return any(path.intersects_bbox(box, filled=_filled(some)) for path in paths if _drawn(path))


def _filled(some: Collection) -> bool:
    return bool(np.size(some.get_facecolor()))


def _drawn(path: Path) -> bool:
    return bool(np.isfinite(path.vertices).all(-1).any())


def _holds(points: np.ndarray, half: float, box: Bbox) -> bool:
    """Does any disc (drawn as a square) around points `[point, 2]` reach into a box? Pixels."""
    return bool(((points + half > box.min) & (points - half < box.max)).all(-1).any())


def _meet(one: Bbox, other: Bbox) -> bool:
    shared = np.minimum(one.max, other.max) - np.maximum(one.min, other.min)
    return bool((shared > SLACK).all())


def _pixels(artist: Artist) -> float:
    """Pixels of one point."""
    figure = artist.get_figure()
    return (figure.dpi if figure is not None else 72) / 72
