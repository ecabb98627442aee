"""What a terminal, a pipe or a log can show: characters that its encoding lacks are spelled in ASCII."""

from __future__ import annotations

import codecs
import io

SPELLED = {
    "␣": "_",
    "↵": "/",
    "▸": ">",
    "⇥": ">",
    "→": "->",
    "‹": "<",
    "›": ">",
    "…": "...",
    "–": "-",
    "’": "'",
    "×": "x",
    "•": "*",
}
"""What nanoscope itself prints beyond ASCII. A user's own symbols are spelled by their code, as in Python: `\\xe9`."""
SPINNER = range(0x2800, 0x2900)
ERRORS = "nanoscope.spelled"


def spell_missing_characters(*streams: object) -> None:
    """From now on these streams print any text, whatever their encoding."""
    codecs.register_error(ERRORS, spelled)
    for stream in streams:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=ERRORS)


def spelled(error: UnicodeError) -> tuple[str | bytes, int]:
    """An error handler of `codecs`: the spelling of the first character that cannot be encoded."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    symbol, end = error.object[error.start], error.start + 1
    if symbol in SPELLED:
        return SPELLED[symbol], end
    if ord(symbol) in SPINNER:
        return "*", end
    return symbol.encode("ascii", "backslashreplace").decode(), end
