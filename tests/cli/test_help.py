"""What a user is told who asks for help."""

import re
from contextlib import suppress
from dataclasses import fields

import pytest

from nanoscope import cli
from nanoscope.cli.console import CONSOLE
from nanoscope.experiments import EXPERIMENTS, open_experiment
from nanoscope.experiments.following import SNAPSHOT

POSITIONAL = {
    "checkpoints": "CKPT",
    **{name: name.upper() for name in ("experiment", "folder", "clean", "corrupt", "head")},
    **{"checkpoint": "CKPT", "to": "(FILE|FOLDER)", "preset": "PRESET", "dictionary": "DIR"},
}

RUNNABLE = [name for name in EXPERIMENTS if not (one := open_experiment(name)).reads or one.of_training]
"""The experiments that `nanoscope run` takes."""


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


def unexplained(printed: str, names: list[str]) -> list[str]:
    """The options after which a help has no sentence."""
    words = " ".join(re.sub(r"[│|]", " ", printed).split())
    return [name for name in names if not re.search(rf"--{name.replace('_', '-')} [A-Z]+ [A-Z][a-z]*\b [^-]", words)]


@pytest.mark.parametrize("name", RUNNABLE)
def test_every_setting_of_an_experiment_has_a_sentence(capsys: pytest.CaptureFixture[str], name: str):
    experiment = open_experiment(name)
    settings = (open_experiment(SNAPSHOT) if experiment.of_training else experiment).params
    assert unexplained(shown(capsys, "run", name, "--help"), [one.name for one in fields(settings)]) == []


def test_a_setting_without_a_sentence_is_noticed():
    printed = (
        "│ --told INT  A number. (default: 1) │\n│ --untold INT │\n│   (default: 2) │\n│ --last INT (default: 3) │"
    )
    assert unexplained(printed, ["told", "untold", "last"]) == ["untold", "last"]


@pytest.mark.parametrize("width", [60, 80])
def test_help_fits_the_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int):
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr(CONSOLE, "_width", width)
    for arguments in ((), *((name, "--help") for name in cli.COMMANDS), ("run", "induction", "--help")):
        lines = shown(capsys, *arguments).splitlines()
        assert [line for line in lines if len(line) > (80 if line.startswith("usage: ") else width)] == []


def test_run_lists_the_experiments_that_answer_a_question(capsys: pytest.CaptureFixture[str]):
    """What is measured only for comparisons is not listed."""
    listed = re.findall(r"^([a-z]+): .*\?", shown(capsys, "run", "--help"), re.MULTILINE)
    assert sorted(listed) == sorted(name for name in RUNNABLE if open_experiment(name).questions)
