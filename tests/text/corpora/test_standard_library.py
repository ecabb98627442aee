"""The corpus `code`: which of the library's files it takes, in which order, and that nothing else decides it."""

import hashlib
import os
import platform
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from nanoscope.errors import NanoscopeError
from nanoscope.text import corpora
from nanoscope.text.corpora.standard_library import library_files, library_text

TAKEN = ("abc.py", "json/__init__.py", "json/tool.py", "unittest/case.py", "re/_parser.py")
LEFT = (
    "test/test_abc.py",
    "json/tests/test_it.py",
    "lib2to3/main.py",
    "idlelib/run.py",
    "turtledemo/clock.py",
    "encodings/cp037.py",
    "pydoc_data/topics.py",
    "site-packages/torch/nn.py",
    "site-packages/abc.py",
    "sitecustomize.py",
    "mine.py",
    "_sysconfigdata__linux_x86_64-linux-gnu.py",
    "abc.txt",
    "abc.pyc",
)


def tree(root: Path, names: tuple[str, ...]) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"# {name}\n")
    return root


def by_hash(names: tuple[str, ...]) -> list[str]:
    return sorted(names, key=lambda name: hashlib.sha256(name.encode()).hexdigest())


def test_only_the_librarys_own_files_are_taken_in_the_order_of_their_hashes(tmp_path: Path):
    root = tree(tmp_path, TAKEN + LEFT)
    assert library_files(root) == by_hash(TAKEN)
    assert library_text(root) == "".join(f"# {name}\n\n" for name in by_hash(TAKEN))


def test_nothing_but_the_files_that_are_taken_decides_the_text(tmp_path: Path):
    """Other files, and another order of writing them, change nothing; a character of a file that is taken does."""
    plain, more = tree(tmp_path / "plain", TAKEN), tree(tmp_path / "more", LEFT + TAKEN[::-1])
    assert library_text(plain) == library_text(more)
    (more / "abc.py").write_bytes(b"# abc.py\r\n\r\n\r\n")
    assert library_text(plain) == library_text(more)
    (more / "abc.py").write_text("# ABC.py\n")
    assert library_text(plain) != library_text(more)


def test_files_that_are_not_utf8_or_empty_are_passed_over(tmp_path: Path):
    root = tree(tmp_path, TAKEN)
    (root / "re" / "_parser.py").write_bytes(b"# -*- coding: latin-1 -*-\n# \xe9\n")
    (root / "json" / "__init__.py").write_text("\n")
    taken = tuple(name for name in TAKEN if name not in ("re/_parser.py", "json/__init__.py"))
    assert library_text(root) == "".join(f"# {name}\n\n" for name in by_hash(taken))


def test_the_cap_takes_whole_files_and_the_last_one_exactly(tmp_path: Path):
    root = tree(tmp_path, TAKEN)
    whole = library_text(root)
    assert library_text(root, len(whole)) == whole
    last = f"# {by_hash(TAKEN)[-1]}\n\n"
    assert library_text(root, len(whole) - 1) == whole.removesuffix(last)
    with pytest.raises(NanoscopeError, match="this Python has no source of its standard library"):
        library_text(root, 5)


def test_a_python_without_source_is_told(tmp_path: Path):
    with pytest.raises(NanoscopeError, match="pass --data FILE"):
        library_text(tmp_path / "python311.zip")


def test_this_pythons_library_is_long_enough_and_equals_a_slow_twin():
    """The twin walks all paths, sorts them, and reads until the cap."""
    corpus, root = corpora.open_corpus("code"), Path(sysconfig.get_path("stdlib"))
    assert corpus.name == f"python-{platform.python_version()}-stdlib"
    assert 1_700_000 < len(corpus.text) <= 2_000_000
    assert 90 <= len(corpus.vocabulary) <= 200
    slow = ""
    for name in library_files(root):
        text = (root / name).read_bytes().decode("utf-8", "ignore").replace("\r\n", "\n").rstrip("\n")
        if len(slow) + len(text) + 2 > 2_000_000:
            break
        slow += text + "\n\n" if text.strip() else ""
    assert corpus.text == slow


def test_another_process_gets_the_same_bytes(tmp_path: Path):
    """With another hash seed, another locale and another working directory."""
    code = "from nanoscope.text.corpora import open_corpus; print(open_corpus('code').sha256)"
    environment = os.environ | {"PYTHONHASHSEED": "77", "LC_ALL": "C", "PYTHONUTF8": "0"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == corpora.open_corpus("code").sha256
