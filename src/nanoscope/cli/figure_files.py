"""Where a command writes its figure: the file that `--out` names, or one named after the text that it shows."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Annotated

import tyro

from nanoscope.errors import NanoscopeError

SUFFIXES = (".png", ".svg", ".pdf")
FOLDER = Path("runs/mine")
WORDS = 24
"""Characters of a text in a file's name."""
FigureFile = Annotated[
    Path | None, tyro.conf.arg(metavar="FILE", help_behavior_hint=f"(default: {FOLDER}/COMMAND-TEXT-DIGEST.png)")
]
"""An option for a figure's file."""


def require_figure_file(path: Path | None) -> None:
    """NanoscopeError if a path's suffix is none of `SUFFIXES`. Ask before anything is measured."""
    if path is not None and path.suffix.lower() not in SUFFIXES:
        raise NanoscopeError(f"figures are written as .png, .svg or .pdf, not {path.name!r}; give --out such a name")


def figure_file(path: Path | None, command: str, words: str, *of: object) -> Path:
    """`path`, or a name in `FOLDER`: the command, some words, and a digest of all that the figure depends on.

    So the same command writes the same file, and no other one does.
    """
    if path is not None:
        return path
    digest = hashlib.sha256(repr((words, of)).encode()).hexdigest()[:6]
    name = re.sub(r"[^A-Za-z0-9]+", "-", words)[:WORDS].strip("-").lower()
    return FOLDER / ("-".join(filter(None, (command, name, digest))) + ".png")
