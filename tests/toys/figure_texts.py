"""A figure's own words, as a reader sees them."""

from collections.abc import Iterable

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.legend import Legend
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
    return dict(zip(words(box.get_texts()), map(_colour, box.legend_handles), strict=True))


def title(of: Axes | Figure) -> str:
    """A panel's title or a figure's."""
    return of.get_suptitle() if isinstance(of, Figure) else of.get_title(loc="left")


def is_readable(figure: Figure) -> None:
    """Every check of the figure itself."""
    assert checklist(figure) == dict.fromkeys(CHECKS, True)


def _colour(handle: object) -> str:
    for name in ("get_facecolor", "get_color"):
        if hasattr(handle, name):
            value = getattr(handle, name)()
            return to_hex(value[0] if getattr(value, "ndim", 1) == 2 else value)
    return to_hex(handle[0].get_color())  # pyright: ignore[reportIndexIssue]
