"""What is printed where the terminal's encoding lacks characters, and where there is no terminal."""

import io
import os
import subprocess
import sys

import pytest

from nanoscope.cli.terminal import SPELLED, spell_missing_characters


def printed(text: str, encoding: str) -> str:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, newline="")
    spell_missing_characters(stream)
    stream.write(text)
    stream.flush()
    return raw.getvalue().decode(encoding)


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("ascii", "_/-> \\xe9 \\u4e16 \\U0001f600 x*"),
        ("latin-1", "_/-> é \\u4e16 \\U0001f600 ×*"),
        ("utf-8", "␣↵→ é 世 😀 ×\u280b"),
    ],
)
def test_characters_that_an_encoding_lacks_are_spelled(encoding: str, shown: str):
    assert printed("␣↵→ é 世 😀 ×\u280b", encoding) == shown


def test_what_an_encoding_has_is_left_alone():
    assert printed("… – ’ •", "cp1252") == "… – ’ •"
    assert printed("".join(SPELLED), "utf-8") == "".join(SPELLED)
    assert printed("\udcff", "utf-8") == "\\udcff"


@pytest.mark.parametrize("arguments", [["run", "--help"], ["--help"], ["patch", "--help"]])
def test_a_reader_that_stops_reading_gets_no_traceback(arguments: list[str]):
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-c", "from nanoscope.cli import main; main()", *arguments]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")
