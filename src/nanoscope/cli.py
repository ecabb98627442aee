"""The command line. Each command imports what it needs when it runs, so `nanoscope --help` loads no torch."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from nanoscope import __version__
from nanoscope.errors import NanoscopeError
from nanoscope.experiments import EXPERIMENTS

if TYPE_CHECKING:
    from nanoscope.corpora import Corpus
    from nanoscope.recipe import Machine, Recipe
    from nanoscope.results import Result

CONSOLE = Console(highlight=False)
LONG_HOURS = 2.0
Preset = Literal["quick", "control", "shakespeare", "shakespeare-cpu"]


@dataclass(frozen=True)
class Train:
    """Train a GPT by a preset's recipe, or go on where an earlier run in the same folder stopped."""

    preset: tyro.conf.Positional[Preset] = "quick"
    out: Path | None = None
    """Folder of the run [runs/PRESET-SEED]."""
    data: Path | None = None
    """Any text file; without it, tiny Shakespeare."""
    seed: int = 1
    iterations: int | None = None
    batch_size: int | None = None
    accumulation: int | None = None
    n_layer: int | None = None
    n_head: int | None = None
    n_embd: int | None = None
    block_size: int | None = None
    dropout: float | None = None
    learning_rate: float | None = None
    device: str = "auto"
    """cpu, cuda, or auto."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """auto: bfloat16 on a GPU, float32 elsewhere."""
    threads: int = 0
    """CPU threads; 0 takes all cores. The count changes the rounding, so keep it to reproduce a run."""
    compile: bool = False
    estimate: bool = False
    """Only time 20 iterations and say how long the training would take here."""


@dataclass(frozen=True)
class Run:
    """Run an experiment on a checkpoint: `nanoscope run induction CKPT`; `nanoscope run NAME --help` lists its settings."""

    experiment: tyro.conf.Positional[str]
    checkpoint: tyro.conf.Positional[Path]


@dataclass(frozen=True)
class StudyCommand:
    """Train and analyse all models of a preset, and write FINDINGS.md. A study that was stopped goes on."""

    preset: tyro.conf.Positional[Preset] = "quick"
    out: Path | None = None
    """Folder of the study [runs/PRESET]."""
    data: Path | None = None
    """Any text file; without it, tiny Shakespeare."""
    workers: int = 0
    """Processes, one thread each; 0 takes two, or one on a single core."""


@dataclass(frozen=True)
class Report:
    """Render FINDINGS.md, its figures and findings.json again, from stored results alone."""

    folder: tyro.conf.Positional[Path]


@dataclass(frozen=True)
class Check:
    """Try the identities that must hold on any model, and print the table."""

    checkpoint: tyro.conf.Positional[Path]


@dataclass(frozen=True)
class Export:
    """Write a checkpoint in nanoGPT's format (ckpt.pt, with meta.pkl beside it)."""

    checkpoint: tyro.conf.Positional[Path]
    to: tyro.conf.Positional[Path]


Command = (
    Annotated[Train, tyro.conf.subcommand("train")]
    | Annotated[Run, tyro.conf.subcommand("run")]
    | Annotated[StudyCommand, tyro.conf.subcommand("study")]
    | Annotated[Report, tyro.conf.subcommand("report")]
    | Annotated[Check, tyro.conf.subcommand("check")]
    | Annotated[Export, tyro.conf.subcommand("export")]
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point. Bad input ends in one line on standard error and exit code 2."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    try:
        _dispatch(arguments)
    except NanoscopeError as error:
        print("nanoscope:", " ".join(str(error).splitlines()), file=sys.stderr)  # noqa: T201
        sys.exit(2)
    except KeyboardInterrupt:
        print("nanoscope: stopped; the same command goes on from here", file=sys.stderr)  # noqa: T201
        sys.exit(130)


def _dispatch(arguments: list[str]) -> None:
    if arguments == ["--version"]:
        return CONSOLE.print(f"nanoscope {__version__}")
    if len(arguments) > 1 and arguments[0] == "run" and not arguments[1].startswith("-"):
        return _run(arguments[1], arguments[2:])
    description = "A microscope for nanoGPT. Experiments: " + ", ".join(EXPERIMENTS)
    command: Any = tyro.cli(Command, prog="nanoscope", description=description, args=arguments)
    return _COMMANDS[type(command)](command)


def _train(command: Train) -> None:
    from nanoscope.train import train

    recipe, machine, corpus = _recipe(command), _machine(command), _corpus(command.data)
    if command.estimate:
        return _estimate(command, recipe, machine, corpus)
    folder = command.out or Path("runs") / f"{command.preset}-{command.seed}"
    with _bars() as bars:
        task = bars.add_task(f"training {command.preset}, seed {command.seed}", total=recipe.iterations)

        def show(moment: Any) -> None:
            bars.update(task, completed=moment.step, total=moment.total, note=f"loss {moment.loss:.3f}")

        trained = train(recipe, corpus, folder, machine, show)
    loss = trained.training["val_loss"]
    _say(f"validation loss {loss:.4f} nats per character; checkpoint: {folder / 'final'}")
    _say(f"next: nanoscope run induction {folder / 'final'}")


def _estimate(command: Train, recipe: Recipe, machine: Machine, corpus: Corpus) -> None:
    from nanoscope.train import seconds_per_iteration

    seconds = seconds_per_iteration(recipe, corpus, machine)
    hours = seconds * recipe.iterations / 3600
    where = "the GPU" if machine.device != "cpu" else f"{machine.threads} CPU thread{'s' * (machine.threads > 1)}"
    CONSOLE.print(
        f"{command.preset}: {recipe.iterations:,} iterations at {seconds:.2f} s on {where}: about {_duration(hours)}"
    )
    if hours > LONG_HOURS and command.preset == "shakespeare":
        smaller = replace(command, preset="shakespeare-cpu")
        light = _recipe(smaller)
        part = seconds * light.batch_size / recipe.batch_size * light.iterations / 3600
        CONSOLE.print(
            f"That is long. `shakespeare-cpu` (same model, batch {light.batch_size}, {light.iterations:,} iterations) takes "
            f"about {_duration(part)}: bash scripts/train_for_interpretability.sh shakespeare-cpu"
        )


def _run(name: str, arguments: list[str]) -> None:
    """Two steps, because an experiment's settings are known only once it is opened."""
    from nanoscope.experiments import open_experiment

    experiment = open_experiment(name)

    def run(
        checkpoint: tyro.conf.Positional[Path],
        settings: Any,
        data: Path | None = None,
        out: Path = Path("runs/mine"),
        label: str | None = None,
        threads: int = 0,
    ) -> None:
        """Run the experiment on a checkpoint, and draw its figures.

        Args:
            checkpoint: ours or nanoGPT's.
            settings: how much is measured.
            data: text to measure on; without it, tiny Shakespeare.
            out: folder for results and figures.
            label: what the report calls the model.
            threads: CPU threads; 0 takes all cores.
        """
        _run_on(experiment, checkpoint, settings, data, out, label, threads)

    run.__annotations__["settings"] = Annotated[experiment.params, tyro.conf.arg(name="")]
    run.__annotations__ |= {"data": Path | None, "label": str | None}
    run.__annotations__ |= {"checkpoint": tyro.conf.Positional[Path], "out": Path, "threads": int}
    run.__defaults__ = (experiment.params(), None, Path("runs/mine"), None, 0)
    tyro.cli(run, prog=f"nanoscope run {name}", description=experiment.question, args=arguments)


def _run_on(
    experiment: Any, path: Path, settings: Any, data: Path | None, out: Path, label: str | None, threads: int
) -> None:
    import torch

    from nanoscope import store
    from nanoscope.checkpoint import load
    from nanoscope.experiments.experiment import Subject, run_experiment
    from nanoscope.plots.style import save_png
    from nanoscope.train import checkpoints

    torch.set_num_threads(_threads(threads))
    checkpoint, corpus = load(path), _corpus(data)
    for note in checkpoint.notes:
        _say(f"note: {note}")
    role = "control" if checkpoint.training.get("data") == "echo" else "model"
    subject = Subject(checkpoint, corpus, label or f"the model {path}", role, checkpoints(path.parent))
    with store.only_writer(out), CONSOLE.status(f"{experiment.name}: {experiment.question}"):
        result = run_experiment(experiment, subject, settings, out / "results")
        drawn = {name: out / "figures" / f"{name}-{result.key[-12:]}.png" for name in experiment.figures}
        for name, figure in drawn.items():
            save_png(experiment.figures[name](result), figure)
    _print_findings(result)
    _say(f"result: {out / 'results' / result.key}")
    for figure in drawn.values():
        _say(f"figure: {figure}")
    _say(f"report: nanoscope report {out}")


def _study(command: StudyCommand) -> None:
    from nanoscope import report
    from nanoscope.study import STUDIES, run_study

    if command.workers < 0:
        raise NanoscopeError(f"workers must be 0 (automatic) or more, not {command.workers}")
    folder = command.out or Path("runs") / command.preset
    corpus = _corpus(command.data)
    with _bars() as bars:
        tasks: dict[str, Any] = {}

        def show(progress: Any) -> None:
            if progress.stage not in tasks:
                tasks[progress.stage] = bars.add_task(progress.stage, total=progress.total)
                if not CONSOLE.is_terminal:  # a log shows no bars, so it gets a line per stage
                    CONSOLE.print(progress.stage)
            bars.update(tasks[progress.stage], completed=progress.done, note=progress.note)

        results = run_study(STUDIES[command.preset], corpus, folder, command.workers or None, show)
        writing = bars.add_task("drawing and writing", total=1)
        page = report.write(folder)
        bars.update(writing, completed=1)
    for result in results:
        _print_findings(result, headlines=True)
    _say(f"\nread   {page}\nfigures {folder / 'figures'}\nnumbers {folder / 'findings.json'}")


def _report(command: Report) -> None:
    from nanoscope import report

    if not command.folder.is_dir():
        raise NanoscopeError(f"there is no folder {command.folder}; give the folder of a study, such as runs/quick")
    _say(f"read {report.write(command.folder)}")


def _check(command: Check) -> None:
    from nanoscope.checkpoint import load
    from nanoscope.checks import self_checks

    checkpoint = load(command.checkpoint)
    checks = self_checks(checkpoint.model)
    table = Table(
        title=f"{escape(str(command.checkpoint))}: {checkpoint.model.parameter_count:,} parameters",
        title_justify="left",
    )
    for column in ("identity", "error", "limit", ""):
        table.add_column(column)
    for check in checks:
        table.add_row(
            check.name, f"{check.error:.1e}", f"{check.limit:.0e}", "holds" if check.passed else "[red]BROKEN"
        )
    CONSOLE.print(table)
    for note in checkpoint.notes:
        _say(f"note: {note}")
    broken = [check.name for check in checks if not check.passed]
    if broken:
        raise NanoscopeError(f"{len(broken)} of {len(checks)} self-checks fail, so no analysis will run on this model")


def _export(command: Export) -> None:
    from nanoscope.checkpoint import export, load

    export(load(command.checkpoint), command.to)
    _say(f"wrote {command.to}")


_COMMANDS: dict[type, Callable[[Any], None]] = {
    Train: _train,
    StudyCommand: _study,
    Report: _report,
    Check: _check,
    Export: _export,
}


# ---- shared by the commands ----------------------------------------------------------------------------------------


def _recipe(command: Train) -> Recipe:
    """The preset's recipe with what the command line changes."""
    from nanoscope.study import RECIPES

    def given(*names: str) -> dict[str, Any]:
        return {name: value for name in names if (value := getattr(command, name)) is not None}

    recipe = RECIPES[command.preset]
    model = replace(recipe.model, **given("n_layer", "n_head", "n_embd", "block_size", "dropout"))
    changed = given("iterations", "batch_size", "accumulation", "learning_rate")
    if command.learning_rate is not None:
        changed["min_learning_rate"] = min(recipe.min_learning_rate, command.learning_rate)
    precision = command.precision
    if precision == "auto":
        precision = "bfloat16" if _device(command.device) != "cpu" else "float32"
    return replace(recipe, model=model, seed=command.seed, precision=precision, **changed)


def _machine(command: Train) -> Machine:
    from nanoscope.recipe import Machine

    return Machine(_device(command.device), _threads(command.threads), command.compile)


def _threads(wanted: int) -> int:
    if wanted < 0:
        raise NanoscopeError(f"threads must be 0 (all cores) or more, not {wanted}")
    return wanted or os.cpu_count() or 1


def _device(wanted: str) -> str:
    import torch

    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if wanted != "cpu" and not torch.cuda.is_available():
        raise NanoscopeError(f"there is no device {wanted} on this machine; use --device cpu")
    return wanted


def _corpus(path: Path | None) -> Corpus:
    from nanoscope.corpora import open_corpus

    return open_corpus(path, lambda line: _say(line, style="dim"))


def _say(line: str, style: str | None = None) -> None:
    """Print a line as it is: a path is neither wrapped nor read as markup."""
    CONSOLE.print(line, style=style, markup=False, soft_wrap=True)


def _print_findings(result: Result, headlines: bool = False) -> None:
    """Verdicts and sentences; as headlines, only the claims that a figure shows."""
    colours = {"supported": "green", "not supported": "yellow", "undecided": "dim"}
    CONSOLE.print(f"\n[bold]{result.experiment}: {escape(str(result.subject['label']))}[/]")
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for finding in result.findings:
        if finding.figure or not headlines:
            text = finding.text.replace("**", "").replace("[", "\\[")
            word, colour = (
                (finding.kind, "dim") if finding.kind == "timing" else (finding.verdict, colours[finding.verdict])
            )
            table.add_row(f"[{colour}]{word}[/]", text)
    CONSOLE.print(table)


@contextmanager
def _bars() -> Iterator[Progress]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.completed:.0f}/{task.total:.0f}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with _Noted(*columns, console=CONSOLE) as bars:
        yield bars


class _Noted(Progress):
    """A progress display whose tasks always have a note."""

    def add_task(self, description: str, *args: Any, **fields: Any) -> Any:
        return super().add_task(description, *args, **({"note": ""} | fields))


def _duration(hours: float) -> str:
    return f"{hours:.1f} hours" if hours >= 1 else f"{60 * hours:.0f} minutes"
