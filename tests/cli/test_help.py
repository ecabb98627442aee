"""What a user is told who asks for help."""

import re
from contextlib import suppress
from dataclasses import fields

import pytest

from nanoscope import cli
from nanoscope.experiments import EXPERIMENTS, open_experiment

POSITIONAL = {
    **{name: name.upper() for name in ("experiment", "folder", "clean", "corrupt")},
    **{"checkpoint": "CKPT", "to": "(FILE|FOLDER)", "preset": r"\[\{[^}]*\}\]"},
}


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with suppress(SystemExit):
        cli.main(arguments)
    printed, complaint = capsys.readouterr()
    assert complaint == ""
    return printed


def test_nanoscope_alone_says_what_there_is(capsys: pytest.CaptureFixture[str]):
    alone = shown(capsys)
    assert alone == shown(capsys, "--help") == shown(capsys, "-h")
    assert all(re.search(rf"^ +{name} ", alone, re.MULTILINE) for name in cli.COMMANDS)
    for example in cli.EXAMPLES:
        assert example.split()[1] in cli.COMMANDS


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_option_of_a_command_has_words_and_a_name_for_what_it_takes(
    capsys: pytest.CaptureFixture[str], name: str
):
    words = " ".join(re.sub(r"[│|]", " ", shown(capsys, name, "--help")).split())
    assert "{None}" not in words
    assert not re.search(r"\b(PATH|STR) (PATH|STR)\b", words)
    takes = r"( FILE NAME| [A-Z]+\b| \{[^}]*\}| \[[A-Z]+ \[.*?\]\])?+"
    for one in fields(cli.COMMANDS[name].options):
        flag = rf"--{one.name.replace('_', '-')}"
        where = rf"{flag}{takes}" if re.search(rf"{flag}\b", words) else POSITIONAL[one.name]
        assert re.search(rf"{where} [A-Za-z0-9]", words), f"{where} has no words"


def test_run_lists_the_experiments_that_it_takes(capsys: pytest.CaptureFixture[str]):
    listed = re.findall(r"^([a-z]+): .*\?", shown(capsys, "run", "--help"), re.MULTILINE)
    taken = [name for name in EXPERIMENTS if not (one := open_experiment(name)).reads or one.of_training]
    assert sorted(listed) == sorted(set(taken) - {"snapshot"})
