"""Source code to train on: about 2,000,000 characters of the standard library of the running Python.

The text contains the UTF-8 `.py` files of the modules in `sys.stdlib_module_names`. It leaves out tests, `lib2to3`, `idlelib`
and `turtledemo`; installed packages; and data in the form of code: `encodings` (a hundred character maps) and `pydoc_data`.
Files are ordered by the SHA-256 of their path in the library, because an alphabetical order would be one-sided (a, b, c,
asyncio). The text ends before the first file that would exceed the cap. Only one file is split between the training and
validation parts; all others belong to one of them.

The text depends only on the library's files: the same Python gives the same bytes, other versions give others. The corpus
is therefore named after the version, `python-3.11.7-stdlib`. A distributor's changes to the library change it too.
"""

from __future__ import annotations

import os
import platform
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from nanoscope.errors import NanoscopeError
from nanoscope.files import sha256

CODE_CHARACTERS = 2_000_000
LEFT_OUT = frozenset(
    {"test", "tests", "idle_test", "idlelib", "lib2to3", "turtledemo", "encodings", "pydoc_data"}
    | {"site-packages", "dist-packages", "__pycache__"}
)


def library_name() -> str:
    return f"python-{platform.python_version()}-stdlib"


def library_text(root: Path | None = None, characters: int = CODE_CHARACTERS) -> str:
    """As many complete files of the library as fit the cap, each followed by an empty line."""
    root = root or Path(sysconfig.get_path("stdlib"))
    included, length = [], 0
    for text in _texts(root):
        length += len(text)
        if length > characters:
            break
        included.append(text)
    if not included:
        raise NanoscopeError(f"this Python has no source of its standard library in {root}; pass --data FILE")
    return "".join(included)


def library_files(root: Path) -> list[str]:
    """Paths of the files relative to the library, with slashes, in the order of the text."""
    found = []
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name not in LEFT_OUT]
        paths = [(Path(folder) / name).relative_to(root) for name in files if name.endswith(".py")]
        found += [path.as_posix() for path in paths if path.with_suffix("").parts[0] in sys.stdlib_module_names]
    return sorted(found, key=lambda path: sha256(path.encode()))


def _texts(root: Path) -> Iterator[str]:
    for path in library_files(root):
        try:
            text = (root / path).read_bytes().decode()
        except UnicodeDecodeError:
            continue
        except OSError as error:
            raise NanoscopeError(f"cannot read {root / path}: {error.strerror}; pass --data FILE") from None
        if text.strip():
            yield text.replace("\r\n", "\n").rstrip("\n") + "\n\n"
