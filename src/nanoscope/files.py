"""Atomic writing of files and directories, and file locks.

Everything nanoscope writes goes to a temporary file in the same folder, which is then renamed. A killed run or a full disk
therefore leaves either the old content or the new, never a part of it.
"""

import hashlib
import json
import math
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from nanoscope.errors import NanoscopeError

OLD = "old"
"""The kind of leftover that holds what was about to be replaced."""


def sha256(data: bytes) -> str:
    """SHA-256 of some bytes, as a hex digest."""
    return hashlib.sha256(data).hexdigest()


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces, the input of content hashes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def write_bytes(path: Path, data: bytes) -> None:
    """Replace `path` by `data` atomically."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    with _readable_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            _write_to_disk(temporary, data)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Replace `path` by readable JSON atomically. What is no number, or infinite, becomes null: JSON knows neither."""
    write_bytes(path, (json.dumps(_finite(value), indent=1, allow_nan=False) + "\n").encode())


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


@contextmanager
def new_directory(path: Path) -> Iterator[Path]:
    """Yield an empty temporary directory; it becomes `path` if the block succeeds, and is removed otherwise.

    An existing `path` is kept: the same content has been written before.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    with _readable_errors(path):
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
    """Yield an empty temporary directory, which replaces `path` as a whole if the block succeeds.

    A directory cannot be exchanged in one step: if a run is killed between the two, the next one puts the old one back.
    """
    path = Path(path)
    for part in path.parent.glob(f".{path.name}.*.{OLD}.part"):
        _put_back(part)
    temporary, old = (path.with_name(f".{path.name}.{os.getpid()}.{kind}.part") for kind in ("new", OLD))
    with _readable_errors(path):
        try:
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir(parents=True)
            yield temporary
            for file in temporary.rglob("*"):
                _flush(file)
            _exchange(temporary, path, old)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def _exchange(new: Path, path: Path, old: Path) -> None:
    """Put `new` in the place of `path`, which waits as `old` until that is done."""
    if path.exists():
        os.rename(path, old)
    try:
        os.rename(new, path)
    except OSError:
        if old.exists():
            os.rename(old, path)
        raise
    shutil.rmtree(old, ignore_errors=True)


def remove_directory(path: Path) -> None:
    """Remove a directory as a whole: a killed run leaves all of it, or a leftover that `remove_leftovers` finds."""
    going = path.with_name(f".{path.name}.{os.getpid()}.part")
    with _readable_errors(path):
        os.rename(path, going)
        shutil.rmtree(going)


@contextmanager
def exclusive_lock(directory: Path) -> Iterator[None]:
    """Hold the lock of a run directory. It is released when the process ends, so a killed run leaves no lock."""
    lock = _lock(directory / ".lock")
    with _readable_errors(directory):
        directory.mkdir(parents=True, exist_ok=True)
        free = _try_acquire(lock)
    if not free:
        raise NanoscopeError(f"another run is writing {directory}; wait until it ends or choose another folder")
    with _released_after(lock):
        yield


@contextmanager
def wait_for_lock(path: Path) -> Iterator[None]:
    """Hold a lock file, after waiting for other processes to release it; it is released when the process ends.

    If the block succeeds, the file is removed.
    """
    lock = _lock(path)
    with _readable_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    with _released_after(lock):
        yield
        with suppress(PermissionError):  # Windows cannot remove an open file; releasing the lock does
            path.unlink(missing_ok=True)


def is_held(path: Path) -> bool:
    """Does another process hold this lock file?"""
    if not path.exists():
        return False
    lock = _lock(path)
    if not _try_acquire(lock):
        return True
    lock.release()
    return False


def _lock(path: Path) -> FileLock:
    """A lock of the operating system. Where a disk has none it fails: a plain lock file would survive a killed run."""
    return FileLock(path, fallback_to_soft=False)


def _try_acquire(lock: FileLock) -> bool:
    """Acquire the lock without waiting; False if another process holds it."""
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return False
    return True


@contextmanager
def _released_after(lock: FileLock) -> Iterator[None]:
    try:
        yield
    finally:
        lock.release()


def remove_leftovers(directory: Path, older_than: float = 0.0) -> None:
    """Delete temporary files that killed processes left in a directory; call it with the lock held. A directory that was
    about to be replaced is put back.

    Where other processes may be writing, give the age in seconds from which a file is no longer in use.
    """
    for part in directory.glob(".*.part"):
        if time.time() - part.stat().st_mtime >= older_than and not _put_back(part):
            shutil.rmtree(part) if part.is_dir() else part.unlink()


def _put_back(part: Path) -> bool:
    """Whether this was the only copy of a directory that was about to be replaced; it has its name again."""
    name, *rest = part.name.removeprefix(".").rsplit(".", 3)
    if rest[1:] != [OLD, "part"] or part.with_name(name).exists():
        return False
    os.rename(part, part.with_name(name))
    return True


def _write_to_disk(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _flush(path: Path) -> None:
    if path.is_file():
        with path.open("rb") as file:
            os.fsync(file.fileno())


@contextmanager
def _readable_errors(path: Path) -> Iterator[None]:
    """Turn an OSError into a NanoscopeError with the path and the reason."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise NanoscopeError(f"could not write {path}: {reason}; nothing was changed there") from error
