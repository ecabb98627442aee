"""A figure's own words, as a reader sees them."""

from collections.abc import Iterable

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from nanoscope.plots.quality import CHECKS, checklist


def words(texts: Iterable[Text]) -> list[str]:
    """Their strings, in order."""
    return [text.get_text() for text in texts]


def cells(ax: Axes) -> dict[tuple[int, int], str]:
    """The texts inside a grid, by (row, column)."""
    return {(round(text.get_position()[1]), round(text.get_position()[0])): text.get_text() for text in ax.texts}


def ticks(axis: Axis) -> list[str]:
    """What an axis's ticks are called."""
    return words(axis.get_ticklabels())


def legend(of: Axes | Figure) -> dict[str, str]:
    """Colour by label, of a panel's legend or a figure's."""
    box = of.legends[0] if isinstance(of, Figure) else of.get_legend()
    assert isinstance(box, Legend)
    return dict(zip(words(box.get_texts()), (_colour(handle) for handle in box.legend_handles if handle), strict=True))


def heights(ax: Axes) -> list[float]:
    """Of a panel's bars, from left to right."""
    return [bar.get_height() for bar in ax.patches if isinstance(bar, Rectangle)]


def widths(ax: Axes) -> list[float]:
    """Of a panel's lying bars, in the order in which they were drawn."""
    return [bar.get_width() for bar in ax.patches if isinstance(bar, Rectangle)]


def title(of: Axes | Figure) -> str:
    """A panel's title or a figure's."""
    return of.get_suptitle() if isinstance(of, Figure) else of.get_title(loc="left")


def is_readable(figure: Figure) -> None:
    """Every check of the figure itself."""
    assert checklist(figure) == dict.fromkeys(CHECKS, True)


def _colour(handle: Artist) -> str:
    """Of one entry of a legend: what fills it, else its line."""
    for name in ("get_facecolor", "get_color"):
        colour = getattr(handle, name, tuple)()
        if isinstance(colour, np.ndarray) and colour.ndim == 2 and len(colour):
            return to_hex(tuple(colour[0]))
        if isinstance(colour, str | tuple) and len(colour):
            return to_hex(colour)  # pyright: ignore[reportArgumentType]
    raise AssertionError(f"{handle} has no colour")
