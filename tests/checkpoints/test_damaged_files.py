"""Whatever a file holds: it opens, or is refused in one line; nothing runs, nothing is written, memory stays bounded.

500 cases here, 10,000 by `make fuzz`, in 20 runs with seeds of their own: half of checkpoints, half of vocabularies.
"""

import json
import os
import resource
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import jaxtyping
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from toys import damaged_files

from nanoscope.checkpoints.checkpoint import load
from nanoscope.checkpoints.formats.source import Source
from nanoscope.errors import NanoscopeError
from nanoscope.text.vocabulary_files import read_vocabulary

CASES = int(os.environ.get("NANOSCOPE_FUZZ", "500"))
LARGEST_GROWTH = 600 * 2**20
"""Bytes that opening files of some kilobytes may add to the process."""
ACTING = ("os.", "shutil.", "subprocess.", "socket.", "ctypes.", "pickle.find_class", "urllib.")
READING = ("os.listdir", "os.scandir", "os.walk")

FUZZED = settings(
    max_examples=CASES // 2,
    phases=[Phase.generate],
    print_blob=True,
    deadline=None,
    database=None,
    derandomize="NANOSCOPE_FUZZ" not in os.environ,
    suppress_health_check=list(HealthCheck),
)


class Case(dict[str, bytes]):
    """File name -> content. A failing test prints their sizes, and hypothesis prints how to make them again."""

    def __repr__(self) -> str:
        return f"<{', '.join(f'{name}: {len(data)} bytes' for name, data in self.items())}>"


watched: list[list[str]] = []


def _listen(event: str, arguments: tuple[Any, ...]) -> None:
    if watched:
        writes = event == "open" and isinstance(arguments[1], str) and bool(set(arguments[1]) & set("wax+"))
        if writes or (event.startswith(ACTING) and event not in READING):
            watched[-1].append(f"{event} {str(arguments)[:200]}")


@contextmanager
def nothing_acts() -> Iterator[None]:
    """Python's own audit: no process, no file written or removed, nothing imported by a pickle."""
    watched.append([])
    try:
        yield
    finally:
        done = watched.pop()
    assert not done


@pytest.fixture(scope="module", autouse=True)
def listening() -> Iterator[None]:
    """The audit, and no checks of shapes: they take nine tenths of the time, and would refuse what readers must refuse."""
    sys.addaudithook(_listen)
    before = jaxtyping.config.jaxtyping_disable
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", before)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("fuzzed")
    for files in damaged_files.good():  # imports whatever is imported at the first use
        for opened in (open_file, read_tables):
            with suppress(NanoscopeError):
                opened(written(path, files))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield path
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert grown < LARGEST_GROWTH, f"{grown / 2**20:.0f} MB"


def written(folder: Path, files: damaged_files.Files) -> Path:
    """The path to open, after its files are written and older ones removed."""
    for old in folder.iterdir():
        old.unlink()
    for name, data in files.items():
        if name:
            (folder / name).write_bytes(data)
    return folder / next(iter(files))


def opens(opened: Callable[[Path], Any], path: Path) -> bool:
    """False where it is refused, in one line. Any other exception is a fault."""
    try:
        with nothing_acts():
            opened(path)
    except NanoscopeError as error:
        said = str(error)
    else:
        return True
    assert len(said.splitlines()) == 1, said
    return False


def open_file(path: Path) -> None:
    """Load it, and use what it says."""
    checkpoint = load(path)
    json.dumps(checkpoint.training)
    assert "\n" not in repr(checkpoint)


def read_tables(path: Path) -> None:
    source = Source(path)
    json.dumps([source.tables, list(source.weights)])


def test_the_good_files_open(folder: Path):
    """Else the damaged ones would be refused for another reason than their damage."""
    opened = [opens(open_file, written(folder, files)) for files in damaged_files.good()]
    assert opened.count(True) >= 4
    assert all(opens(read_tables, written(folder, files)) for files in damaged_files.good())


@FUZZED
@given(files=(damaged_files.damaged() | damaged_files.senseless() | damaged_files.malicious()).map(Case))
def test_any_file_opens_or_is_refused_in_one_line(folder: Path, files: Case):
    path = written(folder, files)
    opens(open_file, path)
    opens(read_tables, path)


@pytest.mark.parametrize("number", range(len(damaged_files.bombs())))
def test_a_file_that_asks_for_far_more_than_it_holds_is_refused(folder: Path, number: int):
    assert not opens(open_file, written(folder, damaged_files.bombs()[number]))
    opens(read_tables, written(folder, damaged_files.bombs()[number]))


@FUZZED
@given(files=damaged_files.vocabularies().map(Case))
def test_any_vocabulary_opens_or_is_refused_in_one_line(folder: Path, files: Case):
    opens(read_vocabulary, written(folder, files))
