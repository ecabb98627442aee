"""A text in a terminal: its special characters made visible, and some of its tokens marked."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from nanoscope.cli.console import CONSOLE


def visible(text: str) -> str:
    """A text with its special characters made visible; spaces are kept."""
    from nanoscope.plots.style import visible_character

    return "".join(symbol if symbol == " " else visible_character(symbol) for symbol in text)


def marked(pieces: Sequence[str], fires: Sequence[bool]) -> Text:
    """The text with the tokens on which something fires marked: by colour in a terminal, by brackets in a log."""
    text, before = Text(), False
    for piece, now in zip(pieces, fires, strict=True):
        text.append(_bracket(before, now))
        text.append(visible(piece), "reverse" if now else None)
        before = now
    return text.append(_bracket(before, False))


def _bracket(before: bool, now: bool) -> str:
    return "" if CONSOLE.is_terminal or before == now else "‹" if now else "›"
