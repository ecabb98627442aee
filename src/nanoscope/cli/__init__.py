"""The command line. Commands import what they need when they run, so `nanoscope --help` does not load torch."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, make_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro
from rich.markup import escape
from rich.table import Table

from nanoscope import __version__
from nanoscope.cli.console import (
    CONSOLE,
    ModelOptions,
    bars,
    called,
    open_model,
    open_text,
    print_findings,
    save_figure,
    say,
)
from nanoscope.cli.heads import HeadsCommand, run_heads
from nanoscope.cli.lens import LensCommand, run_lens
from nanoscope.cli.look import LookCommand, run_look
from nanoscope.cli.neurons import NeuronsCommand, run_neurons
from nanoscope.cli.patch import PatchCommand, run_patch
from nanoscope.cli.release import ReleaseCommand, run_release
from nanoscope.cli.sample import SampleCommand, run_sample
from nanoscope.cli.study import StudyCommand, run_study_command
from nanoscope.cli.training import TrainCommand, run_train
from nanoscope.errors import NanoscopeError
from nanoscope.experiments import EXPERIMENTS

if TYPE_CHECKING:
    from nanoscope.evidence.result import Result
    from nanoscope.experiments.experiment import Experiment, Subject


@dataclass(frozen=True)
class RunCommand:
    """Run an experiment on a checkpoint: `nanoscope run induction CKPT`; `nanoscope run NAME --help` lists its settings."""

    experiment: tyro.conf.Positional[str]
    checkpoint: tyro.conf.Positional[Path]


@dataclass(frozen=True)
class RunOptions(ModelOptions):
    """Options of every `nanoscope run NAME`; the experiment's own settings are added from its declaration."""

    out: Path = Path("runs/mine")
    """Folder for results and figures."""
    label: str | None = None
    """Name of the model in the report."""
    twins: tuple[Path, ...] = ()
    """Checkpoints of other training runs, for experiments that compare them (universality)."""


@dataclass(frozen=True)
class ReportCommand:
    """Render FINDINGS.md, its figures and findings.json again from the stored results."""

    folder: tyro.conf.Positional[Path]
    publish: Path | None = None
    """Copy what the report needs into this folder (without models, at most 30 MB) and render the report there instead."""


@dataclass(frozen=True)
class CheckCommand:
    """Run the self-checks, identities that must hold for any model, and print their errors."""

    checkpoint: tyro.conf.Positional[Path]


@dataclass(frozen=True)
class ExportCommand:
    """Write a checkpoint in nanoGPT's format (ckpt.pt, and meta.pkl in the same folder)."""

    checkpoint: tyro.conf.Positional[Path]
    to: tyro.conf.Positional[Path]


Command = (
    Annotated[LookCommand, tyro.conf.subcommand("look")]
    | Annotated[TrainCommand, tyro.conf.subcommand("train")]
    | Annotated[RunCommand, tyro.conf.subcommand("run")]
    | Annotated[PatchCommand, tyro.conf.subcommand("patch")]
    | Annotated[HeadsCommand, tyro.conf.subcommand("heads")]
    | Annotated[LensCommand, tyro.conf.subcommand("lens")]
    | Annotated[NeuronsCommand, tyro.conf.subcommand("neurons")]
    | Annotated[SampleCommand, tyro.conf.subcommand("sample")]
    | Annotated[StudyCommand, tyro.conf.subcommand("study")]
    | Annotated[ReportCommand, tyro.conf.subcommand("report")]
    | Annotated[CheckCommand, tyro.conf.subcommand("check")]
    | Annotated[ExportCommand, tyro.conf.subcommand("export")]
    | Annotated[ReleaseCommand, tyro.conf.subcommand("release")]
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point. Invalid input prints one line on standard error and exits with code 2."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    try:
        _dispatch(arguments)
    except NanoscopeError as error:
        print("nanoscope:", " ".join(str(error).splitlines()), file=sys.stderr)  # noqa: T201
        sys.exit(2)
    except KeyboardInterrupt:
        print("nanoscope: interrupted; run the same command again to resume", file=sys.stderr)  # noqa: T201
        sys.exit(130)


def _dispatch(arguments: list[str]) -> None:
    if arguments == ["--version"]:
        return CONSOLE.print(f"nanoscope {__version__}")
    if len(arguments) > 1 and arguments[0] == "run" and not arguments[1].startswith("-"):
        return _run(arguments[1], arguments[2:])
    description = "A microscope for nanoGPT. Experiments: " + ", ".join(EXPERIMENTS)
    command: Any = tyro.cli(Command, prog="nanoscope", description=description, args=arguments)
    return _COMMANDS[type(command)](command)


def _run(name: str, arguments: list[str]) -> None:
    """Parse in two steps, since an experiment's settings are known only after it has been imported."""
    from nanoscope.experiments import open_experiment
    from nanoscope.experiments.following import SNAPSHOT

    experiment = open_experiment(name)
    if experiment.reads and not experiment.of_training:
        raise NanoscopeError(f"{name} compares several training runs; use `nanoscope study` to run it")
    measured = open_experiment(SNAPSHOT) if experiment.of_training else experiment

    options: Any = tyro.cli(
        _run_options(measured.params), prog=f"nanoscope run {name}", description=experiment.question, args=arguments
    )
    _run_on(experiment, options, options.settings)


def _run_options(params: type) -> type[RunOptions]:
    """The options of every run together with the experiment's own `settings`."""
    settings = ("settings", Annotated[params, tyro.conf.arg(name="")], field(default_factory=params))
    return make_dataclass("Options", [settings], bases=(RunOptions,), frozen=True)


def _run_on(experiment: Experiment, options: RunOptions, settings: Any) -> None:
    from nanoscope import files
    from nanoscope.checkpoints.checkpoint import load
    from nanoscope.experiments.experiment import Subject
    from nanoscope.training.loop import checkpoints

    if options.twins and not experiment.twinned:
        raise NanoscopeError(f"{experiment.name} analyses a single model; remove --twins")
    checkpoint, corpus = open_model(options.checkpoint, options.threads), open_text(options.data)
    for note in checkpoint.notes:
        say(f"note: {note}")
    role = "control" if checkpoint.training.get("data") == "echo" else "model"
    others = tuple(load(twin) for twin in options.twins)
    label, history = options.label or f"the model {options.checkpoint}", checkpoints(options.checkpoint.parent)
    subject = Subject(checkpoint, corpus, label, role, history, others)
    with files.exclusive_lock(options.out):
        result = _answer(experiment, subject, settings, options.out / "results")
        print_findings(result)
        say(f"result: {options.out / 'results' / result.key}")
        for name, draw in experiment.figures.items():
            save_figure(draw(result), options.out / "figures" / f"{name}-{result.key[-12:]}.png")
    say(f"report: nanoscope report {options.out}")


def _answer(experiment: Experiment, subject: Subject, settings: Any, folder: Path) -> Result:
    """Run the experiment; one that follows training runs on every checkpoint, with a progress bar."""
    from nanoscope.experiments.following import follow
    from nanoscope.experiments.runner import run_experiment

    if not experiment.of_training:
        with CONSOLE.status(f"{experiment.name}: {experiment.question}"):
            return run_experiment(experiment, subject, settings, folder, called())
    with bars() as shown:
        task = shown.add_task("checkpoints", total=max(1, len(subject.history)))

        def show(done: int, total: int) -> None:
            shown.update(task, completed=done)

        return follow(experiment, subject, settings, folder, show, called())


def _report(command: ReportCommand) -> None:
    from nanoscope import report

    if not command.folder.is_dir():
        raise NanoscopeError(f"there is no folder {command.folder}; give the folder of a study, such as runs/quick")
    page = report.publish(command.folder, command.publish) if command.publish else report.write(command.folder)
    say(f"report: {page}")


def _check(command: CheckCommand) -> None:
    from nanoscope.checkpoints.checkpoint import load
    from nanoscope.experiments.self_checks import self_checks

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
        say(f"note: {note}")
    broken = [check.name for check in checks if not check.passed]
    if broken:
        raise NanoscopeError(
            f"{len(broken)} of {len(checks)} self-checks fail, so no experiment will run on this model"
        )


def _export(command: ExportCommand) -> None:
    from nanoscope.checkpoints.checkpoint import export, load

    export(load(command.checkpoint), command.to)
    say(f"wrote {command.to}")


_COMMANDS: dict[type, Callable[[Any], None]] = {
    LookCommand: run_look,
    TrainCommand: run_train,
    PatchCommand: run_patch,
    HeadsCommand: run_heads,
    LensCommand: run_lens,
    NeuronsCommand: run_neurons,
    SampleCommand: run_sample,
    StudyCommand: run_study_command,
    ReportCommand: _report,
    CheckCommand: _check,
    ExportCommand: _export,
    ReleaseCommand: run_release,
}
