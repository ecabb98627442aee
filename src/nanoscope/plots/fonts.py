"""The fonts of all figures: one that comes with matplotlib, and others for the characters that it lacks."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font
from matplotlib.patches import PathPatch
from matplotlib.text import Text

SANS, MONO = "DejaVu Sans", "DejaVu Sans Mono"
OTHERS = (
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Source Han Sans SC",
    "PingFang SC",
    "Hiragino Sans",
    "Microsoft YaHei",
    "Yu Gothic",
    "Malgun Gothic",
    "WenQuanYi Zen Hei",
    "Arial Unicode MS",
    "Noto Sans",
    "Noto Sans Devanagari",
    "Noto Emoji",
    "Segoe UI Symbol",
    "Unifont",
    "STIXGeneral",
)
"""Fonts for characters that `SANS` lacks, used in this order where they are installed. The last comes with matplotlib."""


@cache
def families(first: str = SANS) -> tuple[str, ...]:
    """A font and the installed ones of `OTHERS`: each character is drawn in the first that has it."""
    installed = {font.name for font in font_manager.fontManager.ttflist}
    return (first, *(name for name in OTHERS if name in installed))


def missing(figure: Figure) -> str:
    """The characters of a figure that none of its fonts has, in the order of their code points.

    A `PathPatch` that draws letters has them as its label.
    """
    texts = [text.get_text() for text in figure.findobj(Text) if text.get_visible()]
    outlines = [str(patch.get_label()) for patch in figure.findobj(PathPatch)]
    written = set("".join([*texts, *outlines]))
    return "".join(sorted(one for one in written if one != "\n" and ord(one) not in _known()))


@contextmanager
def quiet() -> Iterator[None]:
    """Draw without a warning per missing glyph; ask `missing` for all of them at once."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        yield


@cache
def _known() -> frozenset[int]:
    """Code points that at least one of the fonts has."""
    paths = [font_manager.findfont(name) for name in families()]
    return frozenset(code for path in paths for code in FT2Font(path).get_charmap())
