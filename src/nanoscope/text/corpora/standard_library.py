"""Source code to train on: the standard library of the Python that is running, about 2,000,000 characters of it.

Taken are the `.py` files of the modules in `sys.stdlib_module_names` that are UTF-8. Left out are tests, `lib2to3`, `idlelib`
and `turtledemo`; installed packages; and tables in the form of code: `encodings` (a hundred character maps) and
`pydoc_data`. Whole files follow one another in the order of the SHA-256 of their path in the library, because the
alphabet's would be one-sided (a, b, c, asyncio); the last is the one before the file that would pass the cap. So the
validation part of the split is made of other files than the training part, but for the one that is cut.

The text is a function of the library's files alone: the same Python gives the same bytes, another version others. The
corpus is therefore named after the version, `python-3.11.7-stdlib`. A distributor's changes to the library change it too.
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
    """As many whole files of the library as fit the cap, each followed by an empty line."""
    root = root or Path(sysconfig.get_path("stdlib"))
    taken, length = [], 0
    for text in _texts(root):
        length += len(text)
        if length > characters:
            break
        taken.append(text)
    if not taken:
        raise NanoscopeError(f"this Python has no source of its standard library in {root}; pass --data FILE")
    return "".join(taken)


def library_files(root: Path) -> list[str]:
    """Paths relative to the library, with slashes, in the order in which they are taken."""
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
