"""Run README's commands, in its order, twice, in an empty folder: `python scripts/run_readme.py [--longest MINUTES]`.

README's blocks of `bash` are read as they are. A comment that ends with a duration (`# ..., 20 s`, `# 2 min`) says how long its
command takes. Commands without one, and those that take longer than `--longest`, are listed and left out. A long
`nanoscope run` is run with the smallest amounts instead, so that the commands after it find its result.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MODEL = Path("out-shakespeare-char/ckpt.pt")
"""The checkpoint that README takes for the reader's own."""
SHIPPED = Path("trained_models/shakespeare_char_model")
BLOCK = re.compile(r"^```bash\n(.*?)^```", re.MULTILINE | re.DOTALL)
DURATION = re.compile(r"(\d+(?:\.\d+)?) (s|min|h)\b\.?$")
LINE = re.compile(r"""((?:[^"'#]|"[^"]*"|'[^']*')*)(#.*)?""")
SECONDS = {"s": 1, "min": 60, "h": 3600}
SMALLEST = {
    "profile": "--windows 8 --ablated-windows 2 --search-windows 1 --kept-windows 2 --random-sets 1",
    "induction": "--sequences 2 --patch-examples 2 --natural-examples 2 --windows 8 --permutations 9 --random-models 1 "
    "--random-sets 2 --null-draws 5",
    "heads": "--windows 4 --sequences 2 --permutations 9 --random-models 1 --random-sets 1 --planted-heads 1 "
    "--planted-windows 4 --repeats 1",
    "lenses": "--windows 6 --tuned-tokens 400 --held-out-tokens 200 --tuned-steps 4 --tuned-batch 32 --damage-windows 4 "
    "--checkpoints 2 --checkpoint-windows 2 --repeats 1",
    "neurons": "--characters 2000 --select 2000 --report 2000 --shifts 20 --least 10 --examples 2 --sample 200 --ablated 1 "
    "--random-neurons 1 --ablation-windows 4 --cards 1",
    "failures": "--select-windows 8 --fit-windows 40 --test-windows 40 --random-sets 1 --shuffles 2 --control-examples 8",
    "circuits": "--examples 4 --random-circuits 3 --acdc-examples 0 --learned-steps 2 --pair-examples 4 --scrubbing-draws 2",
}


@dataclass(frozen=True)
class Command:
    """A command as README prints it, and how long README says it takes: None if it does not say."""

    text: str
    seconds: float | None

    @property
    def experiment(self) -> str | None:
        """The experiment that it runs, if it is `nanoscope run NAME`."""
        words = shlex.split(self.text)
        return words[2] if words[:2] == ["nanoscope", "run"] else None

    def smallest(self) -> Command | None:
        """The same run with the smallest amounts; None for another command."""
        amounts = SMALLEST.get(self.experiment or "")
        return Command(f"{self.text} {amounts}", None) if amounts else None


def commands(page: str) -> list[Command]:
    """All commands of a page's `bash` blocks; a backslash at the end of a line goes on with the next."""
    lines = [line for block in BLOCK.findall(page) for line in block.replace("\\\n", " ").splitlines()]
    return [Command(_without_comment(line), _duration(line)) for line in lines if _without_comment(line)]


def chosen(every: list[Command], longest: float) -> Iterator[Command]:
    """The commands to run, where none may take longer than `longest` seconds."""
    for command in every:
        if command.seconds is not None and command.seconds <= longest:
            yield command
        elif small := command.smallest():
            yield small
        else:
            print(f"left out: {command.text}")


def _without_comment(line: str) -> str:
    return _parts(line)[0].strip()


def _parts(line: str) -> tuple[str, str]:
    """A line before and after the first # that is not in quotes."""
    found = LINE.fullmatch(line)
    return (found[1], found[2] or "") if found else (line, "")


def _duration(line: str) -> float | None:
    found = DURATION.search(_parts(line)[1].strip())
    return float(found[1]) * SECONDS[found[2]] if found else None


def prepare(folder: Path, model: Path, shipped: Path = ROOT / SHIPPED) -> None:
    """A reader's folder: this repository's files without its runs, and a checkpoint of the reader's own.

    `shipped` may be a smaller model that stands where the shipped one is.
    """
    for path in ROOT.iterdir():
        if path.name not in ("runs", MODEL.parts[0], SHIPPED.parts[0]):
            (folder / path.name).symlink_to(path)
    (folder / SHIPPED.parent).mkdir()
    (folder / SHIPPED).symlink_to(shipped)
    run(f"nanoscope export {shlex.quote(str(model))} {MODEL}", folder)


def run(command: str, folder: Path) -> float:
    """Run one command as printed; returns its seconds. SystemExit with its output if it fails."""
    began = time.monotonic()
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{command}\nended with code {done.returncode}:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    return time.monotonic() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--longest", type=float, default=60, metavar="MINUTES", help="leave out longer commands [60]")
    parser.add_argument("--model", type=Path, default=ROOT / SHIPPED)
    parser.add_argument("--page", type=Path, default=ROOT / "README.md")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="readme-") as name:
        prepare(Path(name), given.model.resolve())
        for which in ("first", "again"):
            for command in chosen(commands(given.page.read_text()), 60 * given.longest):
                said = "" if command.seconds is None else f" (README: {command.seconds:.0f} s)"
                print(f"{which}: {run(command.text, Path(name)):.0f} s{said}: {command.text}", flush=True)


if __name__ == "__main__":
    main()
