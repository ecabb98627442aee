import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from nanoscope import files
from nanoscope.errors import NanoscopeError

OLD, NEW = b"old content", b"new content, too long for the disk" * 100
ON_A_FULL_DISK = """
import resource, sys
from pathlib import Path
from nanoscope import files as store
from nanoscope.errors import NanoscopeError
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
path = Path(sys.argv[1])
try:
    {action}
except NanoscopeError as error:
    print(error)
"""
HOLDER = """
import sys, time
from pathlib import Path
from nanoscope.files import exclusive_lock
with exclusive_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def python(code: str, *arguments: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, check=False
    )


def on_a_full_disk(action: str, path: Path) -> list[str]:
    """The lines that an action prints, in a process that may write no file beyond 1,000 bytes."""
    done = python(ON_A_FULL_DISK.format(action=action), path)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_a_write_replaces_the_whole_file_and_makes_its_folder(tmp_path: Path):
    path = tmp_path / "new folder" / "file"
    for content in (NEW, OLD, b""):
        files.write_bytes(path, content)
        assert path.read_bytes() == content
        assert list(path.parent.iterdir()) == [path]


def test_a_write_onto_a_full_disk_leaves_the_old_file(tmp_path: Path):
    path = tmp_path / "file"
    path.write_bytes(OLD)
    [line] = on_a_full_disk(f"store.write_bytes(path, {NEW!r})", path)
    assert line == f"could not write {path}: File too large; nothing was changed there"
    assert path.read_bytes() == OLD
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_killed_before_its_rename_leaves_the_old_file_and_a_leftover_that_is_swept(tmp_path: Path):
    path = tmp_path / "file"
    path.write_bytes(OLD)
    code = "import os, sys; from pathlib import Path; from nanoscope import files as store\n"
    code += "os.replace = lambda *paths: os.kill(os.getpid(), 9)\nstore.write_bytes(Path(sys.argv[1]), b'new')"
    assert python(code, path).returncode == -signal.SIGKILL
    assert path.read_bytes() == OLD
    assert len(list(tmp_path.iterdir())) == 2
    files.remove_leftovers(tmp_path)
    assert list(tmp_path.iterdir()) == [path]


def test_writing_below_a_file_or_onto_a_folder_is_one_line(tmp_path: Path):
    (tmp_path / "file").write_bytes(OLD)
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "file" / "below", tmp_path / "folder"):
        with pytest.raises(NanoscopeError, match=r"^could not write .*; nothing was changed there$"):
            files.write_bytes(path, b"new")
    assert (tmp_path / "file").read_bytes() == OLD
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_a_new_directory_appears_when_it_is_complete(tmp_path: Path):
    path = tmp_path / "deep" / "result"
    with files.new_directory(path) as folder:
        (folder / "first").write_bytes(OLD)
        assert not path.exists()
    assert {file.name: file.read_bytes() for file in path.iterdir()} == {"first": OLD}
    assert list(path.parent.iterdir()) == [path]


def test_a_new_directory_whose_block_fails_never_appears(tmp_path: Path):
    with pytest.raises(ZeroDivisionError), files.new_directory(tmp_path / "result") as folder:  # noqa: PT012
        (folder / "first").write_bytes(OLD)
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_a_new_directory_on_a_full_disk_never_appears(tmp_path: Path):
    action = f"""
    with store.new_directory(path) as folder:
        (folder / "first").write_bytes(b"short")
        (folder / "second").write_bytes({NEW!r})"""
    [line] = on_a_full_disk(action, tmp_path / "result")
    assert line == f"could not write {tmp_path / 'result'}: File too large; nothing was changed there"
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_is_there_is_kept(tmp_path: Path):
    for content in (OLD, NEW):
        with files.new_directory(tmp_path / "result") as folder:
            (folder / "file").write_bytes(content)
    assert (tmp_path / "result" / "file").read_bytes() == OLD
    assert len(list(tmp_path.iterdir())) == 1


def _folder(path: Path, content: bytes) -> None:
    with files.replaced_directory(path) as temporary:
        (temporary / "below").mkdir()
        (temporary / "below" / "file").write_bytes(content)


def _content(tmp_path: Path) -> list[tuple[str, bytes]]:
    return [(str(one.relative_to(tmp_path)), one.read_bytes()) for one in tmp_path.rglob("*") if one.is_file()]


def test_a_directory_is_replaced_as_a_whole(tmp_path: Path):
    for content in (OLD, NEW):
        _folder(tmp_path / "results", content)
        assert _content(tmp_path) == [("results/below/file", content)]


def test_a_directory_whose_replacement_fails_is_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    _folder(tmp_path / "results", OLD)
    rename = os.rename

    def refused(source: Path, target: Path) -> None:
        if ".new." in source.name:
            raise OSError(13, "Permission denied")
        rename(source, target)

    monkeypatch.setattr(os, "rename", refused)
    with pytest.raises(NanoscopeError, match=r"Permission denied; nothing was changed there"):
        _folder(tmp_path / "results", NEW)
    assert _content(tmp_path) == [("results/below/file", OLD)]


def test_a_run_killed_while_it_replaces_a_directory_leaves_the_old_one_to_be_put_back(tmp_path: Path):
    _folder(tmp_path / "results.old", OLD)
    code = "import os, sys; from pathlib import Path; from nanoscope import files as store; rename = os.rename\n"
    code += "os.rename = lambda one, to: os.kill(os.getpid(), 9) if '.new.' in one.name else rename(one, to)\n"
    code += "with store.replaced_directory(Path(sys.argv[1])) as new: (new / 'file').write_bytes(b'new')"
    assert python(code, tmp_path / "results.old").returncode == -signal.SIGKILL
    assert not (tmp_path / "results.old").exists()
    with pytest.raises(ZeroDivisionError), files.replaced_directory(tmp_path / "results.old"):
        raise ZeroDivisionError
    files.remove_leftovers(tmp_path)
    assert _content(tmp_path) == [("results.old/below/file", OLD)]
    assert len(list(tmp_path.iterdir())) == 1


def test_json_has_no_numbers_that_it_does_not_know(tmp_path: Path):
    files.write_json(tmp_path / "file", {"a": [1.5, math.nan], "b": (math.inf, {"c": -math.inf}), "d": "NaN"})
    read = json.loads((tmp_path / "file").read_text(), parse_constant=pytest.fail)
    assert read == {"a": [1.5, None], "b": [None, {"c": None}], "d": "NaN"}


def test_a_second_writer_is_refused_until_the_first_is_killed(tmp_path: Path):
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        try:
            assert holder.stdout.readline() == "held\n"
            with (
                pytest.raises(NanoscopeError, match=r"^another run is writing [^\n]*$"),
                files.exclusive_lock(tmp_path),
            ):
                pytest.fail("two writers at once")
        finally:
            os.kill(holder.pid, signal.SIGKILL)
    with files.exclusive_lock(tmp_path), pytest.raises(NanoscopeError), files.exclusive_lock(tmp_path):
        pytest.fail("two writers at once")


def test_the_lock_is_freed_when_its_block_fails(tmp_path: Path):
    with pytest.raises(ZeroDivisionError), files.exclusive_lock(tmp_path):
        raise ZeroDivisionError
    with files.exclusive_lock(tmp_path):
        pass


def test_content_hashes_do_not_depend_on_the_order_of_keys():
    assert files.canonical_json({"b": [1, {"d": 0.1, "c": None}], "a": "é"}) == (
        '{"a":"\\u00e9","b":[1,{"c":null,"d":0.1}]}'
    )
    assert files.sha256(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_lock_that_was_waited_for_leaves_no_file(tmp_path: Path):
    lock = tmp_path / "stages" / "one.lock"
    with files.wait_for_lock(lock):
        assert files.is_held(lock)
    assert not files.is_held(lock)
    assert list(lock.parent.iterdir()) == []


def test_a_turn_whose_block_fails_is_given_to_the_next(tmp_path: Path):
    with pytest.raises(ZeroDivisionError), files.wait_for_lock(tmp_path / "lock"):
        raise ZeroDivisionError
    assert not files.is_held(tmp_path / "lock")
    with files.wait_for_lock(tmp_path / "lock"):
        pass


def test_a_lock_where_nothing_can_be_written_is_one_line(tmp_path: Path):
    (tmp_path / "file").write_bytes(OLD)
    for lock in (files.wait_for_lock, files.exclusive_lock):
        with pytest.raises(NanoscopeError, match=r"^could not write [^\n]*$"), lock(tmp_path / "file" / "below"):
            pytest.fail("a lock below a file")


def test_the_package_imports_where_there_is_no_fcntl():
    """As on Windows."""
    code = "import sys; sys.modules['fcntl'] = None\n"
    code += "import nanoscope.files, nanoscope.studies.run, nanoscope.training.loop, nanoscope.training.release, nanoscope.cli"
    done = python(code)
    assert done.returncode == 0, done.stderr
