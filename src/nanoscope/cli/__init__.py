"""The command line. Commands import what they need when they run, so `nanoscope --help` does not load torch."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, make_dataclass, replace
from inspect import getdoc
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro
from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from nanoscope import __version__
from nanoscope.cli.bars import progress
from nanoscope.cli.check import CheckCommand, run_check
from nanoscope.cli.circuit import CircuitCommand, run_circuit
from nanoscope.cli.console import (
    CONSOLE,
    CheckpointPath,
    GivenPath,
    GivenPaths,
    GivenText,
    ModelOptions,
    called,
    open_subject,
    print_findings,
    save_figure,
    say,
    subject_at,
    tell,
)
from nanoscope.cli.convert import ConvertCommand, run_convert
from nanoscope.cli.dashboard import OpenCommand, run_open
from nanoscope.cli.dictionary import (
    DictionaryShowCommand,
    DictionaryTrainCommand,
    run_dictionary_show,
    run_dictionary_train,
)
from nanoscope.cli.export import ExportCommand, run_export
from nanoscope.cli.graph import GraphCommand, run_graph
from nanoscope.cli.heads import HeadsCommand, run_heads
from nanoscope.cli.lens import LensCommand, run_lens
from nanoscope.cli.look import LookCommand, run_look
from nanoscope.cli.neurons import NeuronsCommand, run_neurons
from nanoscope.cli.patch import PatchCommand, run_patch
from nanoscope.cli.release import ReleaseCommand, run_release
from nanoscope.cli.sample import SampleCommand, run_sample
from nanoscope.cli.study import StudyCommand, run_study_command
from nanoscope.cli.terminal import spell_missing_characters
from nanoscope.cli.training import TrainCommand, run_train
from nanoscope.cli.why import WhyCommand, run_why
from nanoscope.errors import NanoscopeError

if TYPE_CHECKING:
    from nanoscope.evidence.result import Result
    from nanoscope.experiments.experiment import Experiment, Subject


STYLE = (tyro.conf.FlagCreatePairsOff,)


@dataclass(frozen=True)
class RunCommand:
    """One question about a checkpoint, answered in full with findings; `nanoscope report runs/mine` then writes the page.

    EXPERIMENT is one of:

    profile: what does the model do?

    induction: is there an induction circuit, and does copying depend on it?

    heads: what does each attention head do?

    lenses: how do predictions form through the layers?

    neurons: what does each neuron detect?

    failures: which circuits' failures can be predicted?

    circuits: which connections carry what the model does?

    features: of which features is its state made? (trains dictionaries: forty minutes)

    universality: which neurons do several trainings share? (with --twins CKPT ...)

    emergence: when in training did each of these appear? (of a nanoscope training with its checkpoints)

    `nanoscope run induction CKPT`; `nanoscope run induction --help` lists the settings of an experiment.
    """

    experiment: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="EXPERIMENT")]
    """One of the names above."""
    checkpoint: CheckpointPath
    """nanoGPT's ckpt.pt or its folder, or a checkpoint of nanoscope."""


@dataclass(frozen=True)
class RunOptions(ModelOptions):
    """Options of every `nanoscope run NAME`; the experiment's own settings are added from its declaration."""

    out: Path = Path("runs/mine")
    """Folder for results and figures."""
    label: GivenText = None
    """Name of the model in the report; default: its path."""
    twins: GivenPaths = ()
    """Checkpoints of other training runs, for the experiment that compares them (universality); default: none."""


@dataclass(frozen=True)
class ReportCommand:
    """Render FINDINGS.md, its figures and findings.json again from the stored results."""

    folder: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="FOLDER")]
    """Folder of a study or of single results, such as runs/mine."""
    publish: GivenPath = None
    """Copy what the report needs into this folder (without models, at most 30 MB) and render the report there instead."""


@dataclass(frozen=True)
class Command:
    """A command as it is listed: its arguments in words, and what it is for."""

    options: type
    run: Callable[[Any], None]
    arguments: str
    summary: str


KEPT = {
    "train": "the training is kept as it was last saved, and the same command goes on from there",
    "study": "finished stages are kept, a training as it was last saved (every 30 s), and the same command goes on from there",
    "run": "results that were stored are kept, and the same command reads them",
    "heads": "a result that was stored is kept, and the same command reads it",
    "dictionary train": "nothing was saved yet, and the same command begins anew",
    "report": "the results are untouched; the same command writes the report anew",
}
"""By command, what is kept after Ctrl-C."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point. Invalid input prints one line on standard error and exits with code 2."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    spell_missing_characters(sys.stdout, sys.stderr)
    try:
        _dispatch(arguments)
    except NanoscopeError as error:
        print("nanoscope:", " ".join(str(error).splitlines()), file=sys.stderr)  # noqa: T201
        sys.exit(2)
    except KeyboardInterrupt as stopped:
        print("nanoscope: interrupted;", str(stopped) or _kept(arguments), file=sys.stderr)  # noqa: T201
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python complains as it flushes
        sys.exit(1)  # as rich does: who reads no further (`nanoscope run --help | head`) needs no message


def _kept(arguments: list[str]) -> str:
    """What an interrupted command keeps, where nothing is known of how far it was."""
    return KEPT.get(_named(arguments)[0] if arguments else "", "nothing was written")


def _named(arguments: list[str]) -> tuple[str, list[str]]:
    """A command's name, of one or two words, and its own arguments."""
    two = " ".join(arguments[:2])
    return (two, arguments[2:]) if two in COMMANDS else (ALIASES.get(arguments[0], arguments[0]), arguments[1:])


def _dispatch(arguments: list[str]) -> None:
    if not arguments or arguments[0] in ("-h", "--help"):
        return CONSOLE.print(_overview())
    if arguments == ["--version"]:
        return CONSOLE.print(f"nanoscope {__version__}")
    name, rest = _named(arguments)
    if name == "run" and rest and not rest[0].startswith("-"):
        return _run(rest[0], rest[1:])
    group = {full: command for full, command in COMMANDS.items() if full.startswith(f"{name} ")}
    if group and (not rest or rest[0] in ("-h", "--help")):
        return CONSOLE.print(_listed(group))
    if group:
        raise NanoscopeError(f"there is no command '{name} {rest[0]}'; there are {', '.join(group)}")
    if name not in COMMANDS:
        raise NanoscopeError(f"there is no command {name!r}; there are {', '.join(COMMANDS)}")
    command = COMMANDS[name]
    return command.run(_parsed(name, command.options, rest))


def _parsed(name: str, options: type, arguments: list[str], description: str | None = None) -> Any:
    """A command's options. Who asks for help is first told what it does, wrapped at words, which tyro would not do."""
    if {"-h", "--help"} & set(arguments):
        for paragraph in (description or getdoc(options) or "").split("\n\n"):
            tell(" ".join(paragraph.split()) + "\n")
    return tyro.cli(options, prog=f"nanoscope {name}", args=arguments, config=STYLE, description="")


def _overview() -> Group:
    """What `nanoscope` alone and `nanoscope --help` print."""
    examples = (Group(Padding(line, (0, 0, 0, 2)), Padding(words, (0, 0, 0, 6))) for line, words in EXAMPLES.items())
    return Group(
        "A microscope for nanoGPT: look into a small GPT that you have trained, or train one.\n\nCommands:",
        _listed(COMMANDS),
        "\nExamples:",
        *examples,
        "\nCKPT is nanoGPT's ckpt.pt or its folder, or a checkpoint of nanoscope. `nanoscope COMMAND --help` says more.",
    )


def _listed(commands: Mapping[str, Command]) -> Table:
    """A line for each command."""
    table = Table(box=None, show_header=False, padding=(0, 0, 0, 2))
    for name, command in commands.items():
        table.add_row(Text(f"{name} {command.arguments}", style="bold"), command.summary)
    return table


def _run(name: str, arguments: list[str]) -> None:
    """Parse in two steps, since an experiment's settings are known only after it has been imported."""
    from nanoscope.experiments import open_experiment
    from nanoscope.experiments.following import SNAPSHOT

    experiment = open_experiment(name)
    if experiment.reads and not experiment.of_training:
        raise NanoscopeError(f"{name} compares several training runs; use `nanoscope study` to run it")
    measured = open_experiment(SNAPSHOT) if experiment.of_training else experiment

    options = _parsed(f"run {name}", _run_options(measured.params), arguments, experiment.question)
    _run_on(experiment, options, options.settings)


def _run_named(command: RunCommand) -> None:
    """For a call whose options precede the experiment's name."""
    _run(command.experiment, [str(command.checkpoint)])


def _run_options(params: type) -> type[RunOptions]:
    """The options of every run together with the experiment's own `settings`."""
    settings = ("settings", Annotated[params, tyro.conf.arg(name="")], field(default_factory=params))
    return make_dataclass("Options", [settings], bases=(RunOptions,), frozen=True)


def _run_on(experiment: Experiment, options: RunOptions, settings: Any) -> None:
    from nanoscope import files
    from nanoscope.checkpoints.checkpoint import load
    from nanoscope.training.loop import checkpoints

    if experiment.of_training and not checkpoints(options.checkpoint.parent):
        raise NanoscopeError(
            f"{experiment.name} reads the checkpoints of a training, and none lie beside {options.checkpoint}; "
            "`nanoscope train` keeps them: give FOLDER/final of such a training"
        )
    if options.twins and not experiment.twinned:
        raise NanoscopeError(f"{experiment.name} analyses a single model; remove --twins")
    checkpoint, corpus = open_subject(options)
    subject = subject_at(options.checkpoint, checkpoint, corpus)
    twins = tuple(load(twin) for twin in options.twins)
    subject = replace(subject, twins=twins, label=options.label or subject.label)
    with files.exclusive_lock(options.out):
        result = _answer(experiment, subject, settings, options.out / "results")
        print_findings(result)
        say(f"result: {options.out / 'results' / result.key}")
        for name, draw in experiment.drawable(result).items():
            save_figure(draw(result), options.out / "figures" / f"{name}-{result.key[-12:]}.png")
    say(f"report: nanoscope report {options.out}")


def _answer(experiment: Experiment, subject: Subject, settings: Any, folder: Path) -> Result:
    """Run the experiment, and show its progress; one that follows training runs on every checkpoint."""
    from nanoscope.experiments.following import follow
    from nanoscope.experiments.runner import run_experiment

    with progress(experiment.name) as show:
        if experiment.of_training:
            return follow(experiment, subject, settings, folder, show, called())
        return run_experiment(experiment, subject, settings, folder, called(), show)


def _report(command: ReportCommand) -> None:
    from nanoscope import report

    if not command.folder.is_dir():
        raise NanoscopeError(f"there is no folder {command.folder}; give the folder of a study, such as runs/quick")
    with progress("report") as show:
        if command.publish:
            page = report.publish(command.folder, command.publish, progress=show)
        else:
            page = report.write(command.folder, show)
    say(f"report: {page}")
    if aside := report.read_study(command.folder).left_aside:
        tell(f"left aside: {aside}")


COMMANDS = {
    "look": Command(LookCommand, run_look, "CKPT", "start here: the first answers about a model, in a minute"),
    "open": Command(OpenCommand, run_open, "[CKPT ...]", "the same and more, live in the browser"),
    "lens": Command(LensCommand, run_lens, "CKPT", "what it would predict after each layer, along a text"),
    "heads": Command(HeadsCommand, run_heads, "CKPT", "what each attention head attends to"),
    "neurons": Command(NeuronsCommand, run_neurons, "CKPT", "what each neuron detects, and which fire on a text"),
    "patch": Command(PatchCommand, run_patch, "CKPT CLEAN CORRUPT", "which activations tell two prompts apart"),
    "circuit": Command(CircuitCommand, run_circuit, "CKPT CLEAN CORRUPT", "which edges carry a behaviour, drawn"),
    "why": Command(WhyCommand, run_why, "CKPT HEAD --text TEXT", "why a head looks from one token to another"),
    "dictionary train": Command(
        DictionaryTrainCommand,
        run_dictionary_train,
        "CKPT",
        "a sparse dictionary of an activation: an SAE, a transcoder",
    ),
    "dictionary show": Command(
        DictionaryShowCommand,
        run_dictionary_show,
        "DIR CKPT",
        "what it explains and costs, beside PCA; what its features mean",
    ),
    "graph": Command(GraphCommand, run_graph, "CKPT --text TEXT", "how features and heads make one prediction, drawn"),
    "sample": Command(SampleCommand, run_sample, "CKPT", "text from the model, with and without a part of it"),
    "run": Command(
        RunCommand, _run_named, "EXPERIMENT CKPT", "one question in full, with findings; `run --help` lists them"
    ),
    "report": Command(ReportCommand, _report, "FOLDER", "FINDINGS.md from stored results"),
    "study": Command(StudyCommand, run_study_command, "PRESET", "train and analyse models, and write FINDINGS.md"),
    "train": Command(TrainCommand, run_train, "PRESET", "train a model, or go on with a training"),
    "check": Command(CheckCommand, run_check, "CKPT", "identities that must hold for any GPT"),
    "convert": Command(ConvertCommand, run_convert, "CKPT --out DIR", "another program's GPT, in nanoscope's format"),
    "export": Command(ExportCommand, run_export, "CKPT FILE", "write it for nanoGPT, transformers or TransformerLens"),
    "release": Command(ReleaseCommand, run_release, "CKPT FOLDER", "write a model for publication"),
}
ALIASES = {"dashboard": "open"}
EXAMPLES = {
    "nanoscope look out-shakespeare-char/ckpt.pt": "a minute; what it does, how good it is, whether it copies",
    'nanoscope lens out-shakespeare-char/ckpt.pt --text "ROMEO: what light"': "a table and a figure in seconds",
    "nanoscope run induction out-shakespeare-char/ckpt.pt": "minutes; then nanoscope report runs/mine",
    "nanoscope study quick": "minutes; trains its own small models",
}
