"""Files that appear whole or not at all.

Everything nanoscope writes goes through a temporary neighbour and a rename, so a run that is killed, or a disk that
fills up, leaves either the old content or the new one and never half of it.
"""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from nanoscope.errors import NanoscopeError


def sha256(data: bytes) -> str:
    """Hex digest of some bytes."""
    return hashlib.sha256(data).hexdigest()


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces: the text that content hashes are taken of."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def write_bytes(path: Path, data: bytes) -> None:
    """Replace `path` by `data` atomically."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    with _telling_what_failed(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            _write_through(temporary, data)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Replace `path` by readable JSON atomically."""
    write_bytes(path, (json.dumps(value, indent=1) + "\n").encode())


@contextmanager
def new_directory(path: Path) -> Iterator[Path]:
    """Yield an empty neighbour of `path`; when the block ends well it becomes `path`, else it is removed.

    A directory that is already there is kept: the same content has been written before.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    with _telling_what_failed(path):
        try:
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir(parents=True)
            yield temporary
            for file in temporary.iterdir():
                _flush(file)
            if not path.exists():
                os.rename(temporary, path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def replaced_directory(path: Path) -> Iterator[Path]:
    """Yield an empty neighbour of `path`; when the block ends well it takes the place of `path` as a whole."""
    path = Path(path)
    temporary, old = (path.with_name(f".{path.name}.{os.getpid()}.{kind}.part") for kind in ("new", "old"))
    with _telling_what_failed(path):
        try:
            temporary.mkdir(parents=True)
            yield temporary
            if path.exists():
                os.rename(path, old)
            os.rename(temporary, path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
            shutil.rmtree(old, ignore_errors=True)


@contextmanager
def exclusive_lock(directory: Path) -> Iterator[None]:
    """Hold the lock of a run directory; the lock goes with the process, so a killed run leaves none behind."""
    lock = _lock(directory / ".lock")
    with _telling_what_failed(directory):
        directory.mkdir(parents=True, exist_ok=True)
        free = _taken(lock)
    if not free:
        raise NanoscopeError(f"another run is writing {directory}; wait for it to end or choose another folder")
    with _given_back(lock):
        yield


@contextmanager
def wait_for_lock(path: Path) -> Iterator[None]:
    """Hold a lock file, waiting for as long as another process does; it goes with the process, as `exclusive_lock`'s.

    When the block ends well the file is removed: whoever waited for it takes a new one.
    """
    lock = _lock(path)
    with _telling_what_failed(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    with _given_back(lock):
        yield
        with suppress(PermissionError):  # Windows removes no open file; there the lock's own release does
            path.unlink(missing_ok=True)


def is_held(path: Path) -> bool:
    """Would `wait_for_lock` have to wait?"""
    if not path.exists():
        return False
    lock = _lock(path)
    if not _taken(lock):
        return True
    lock.release()
    return False


def _lock(path: Path) -> FileLock:
    """A lock of the operating system's; where a disk has none, an error rather than a file that a killed run leaves."""
    return FileLock(path, fallback_to_soft=False)


def _taken(lock: FileLock) -> bool:
    """Take the lock if nobody holds it."""
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return False
    return True


@contextmanager
def _given_back(lock: FileLock) -> Iterator[None]:
    try:
        yield
    finally:
        lock.release()


def remove_leftovers(directory: Path, older_than: float = 0.0) -> None:
    """Delete the temporary neighbours that a killed process left behind; call it with the lock held.

    Where others may be writing too, only those of an age in seconds at which nobody writes them any more.
    """
    for part in directory.glob(".*.part"):
        if time.time() - part.stat().st_mtime >= older_than:
            shutil.rmtree(part) if part.is_dir() else part.unlink()


def _write_through(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _flush(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


@contextmanager
def _telling_what_failed(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise NanoscopeError(f"could not write {path}: {reason}; nothing was changed there") from error
