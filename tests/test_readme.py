"""README's commands: each can be typed, says how long it takes, and works in README's order, twice."""

import importlib.util
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from nanoscope import cli

ROOT = Path(__file__).parent.parent
SPEC = importlib.util.spec_from_file_location("run_readme", ROOT / "scripts" / "run_readme.py")
assert SPEC
assert SPEC.loader
readme = importlib.util.module_from_spec(SPEC)
sys.modules["run_readme"] = readme
SPEC.loader.exec_module(readme)

PAGE = (ROOT / "README.md").read_text()
COMMANDS = readme.commands(PAGE)
LONGEST = 120
KEEPING = ("look", "heads", "run", "report")
"""Commands that keep results, so that an earlier one may stand in their way: these are run again, in the opposite order."""
OTHERS = ("make test", "make check", "make bench", "pip ", "bash scripts/train")
"""Commands whose time depends on more than the program, or on what they are asked to train."""
EXAMPLE = """
```bash
make findings    # install and train: about 5 min
nanoscope check a.pt   # ten identities, 4 s
nanoscope patch a.pt "no # comment" \\
    "b"  # 2.5 min.
# only a comment, 3 s

nanoscope run induction a.pt   # it took 7 min once, and no more
```
```python
nanoscope = 1  # 5 s
```
"""


def test_commands_and_durations_are_read_as_printed() -> None:
    assert [(command.text, command.seconds) for command in readme.commands(EXAMPLE)] == [
        ("make findings", 300),
        ("nanoscope check a.pt", 4),
        ('nanoscope patch a.pt "no # comment"      "b"', 150),
        ("nanoscope run induction a.pt", None),
    ]


def test_long_runs_become_small_and_other_long_commands_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    run = [command.text for command in readme.chosen(readme.commands(EXAMPLE), 10)]
    assert run[0] == "nanoscope check a.pt"
    assert run[1].startswith("nanoscope run induction a.pt --sequences 2 ")
    assert capsys.readouterr().out.count("left out: ") == 2


def test_most_commands_say_how_long_they_take() -> None:
    """All but those whose time is not the program's."""
    assert [c.text for c in COMMANDS if c.seconds is None and not c.text.startswith(OTHERS)] == []
    assert len(COMMANDS) >= 5


@pytest.mark.parametrize("command", [c.text for c in COMMANDS if c.text.startswith("nanoscope ")])
def test_a_command_can_be_typed_as_printed(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its options exist and its values are of the right kind; nothing is run."""
    asked = []
    known = {name: replace(command, run=asked.append) for name, command in cli.COMMANDS.items()}
    monkeypatch.setattr(cli, "COMMANDS", known)
    monkeypatch.setattr(cli, "_run_on", lambda experiment, *options: asked.append(experiment))
    cli.main(shlex.split(command)[1:])
    assert len(asked) == 1


@pytest.mark.parametrize("name", readme.SMALLEST)
def test_the_smallest_amounts_can_be_typed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(cli, "_run_on", lambda *given: asked.append(given[2]))
    small = readme.Command(f"nanoscope run {name} a.pt", None).smallest()
    cli.main(shlex.split(small.text)[1:])
    assert asked


@pytest.mark.slow
def test_what_readme_says_works_in_its_order_and_again_in_the_opposite_one(tmp_path: Path, shakespeare: object) -> None:
    """On a smaller quick model as it is after some iterations, for the reader's own checkpoint and the shipped one alike."""
    model, reader = tmp_path / "model", tmp_path / "reader"
    few = ["--n-layer", "2", "--n-head", "2", "--n-embd", "32", "--iterations", "20"]
    few += ["--threads", "1", "--device", "cpu", "--out", str(model)]
    nanoscope = str(Path(sys.executable).with_name("nanoscope"))
    subprocess.run([nanoscope, "train", "quick", *few], check=True, capture_output=True)
    reader.mkdir()
    readme.prepare(reader, model / "final", shipped=model / "final")
    printed = list(readme.chosen(COMMANDS, LONGEST))
    again = [command for command in reversed(printed) if command.text.split()[1] in KEEPING]
    assert len(again) >= 4
    for command in (*printed, *again):
        readme.run(command.text, reader)
    assert (reader / "runs" / "mine" / "FINDINGS.md").exists()
