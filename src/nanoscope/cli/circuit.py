"""`nanoscope circuit`: which edges between the parts of a model carry a behaviour, as a table and a picture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro
from rich.table import Column

from nanoscope.cli.bars import clock, progress
from nanoscope.cli.console import (
    CONSOLE,
    GivenNumber,
    GivenReal,
    GivenText,
    ModelOptions,
    chosen_device,
    narrow_table,
    open_model,
    read_pair,
    save_figure,
    say,
    tell,
    text_for,
)
from nanoscope.cli.figure_files import FigureFile, figure_file, require_figure_file
from nanoscope.errors import NanoscopeError

if TYPE_CHECKING:
    from nanoscope.checkpoints.checkpoint import Checkpoint
    from nanoscope.tasks.task import Task
    from nanoscope.views.circuit import FoundCircuit, Wanted

Method = Literal["exact", "eap", "eap-ig", "mask-ig", "eap-qk", "held-qk", "relp", "gim", "acdc", "learned"]
SHOWN = 12
EXAMPLES = 16
OutFile = Annotated[Path | None, tyro.conf.arg(metavar="FILE", help_behavior_hint="(default: none)")]
TaskName = Annotated[str | None, tyro.conf.arg(metavar="NAME", help_behavior_hint="")]


@dataclass(frozen=True)
class CircuitCommand(ModelOptions):
    """Which edges between the parts of a model carry a behaviour? A table and a picture in which every arrow is measured.

    `nanoscope circuit CKPT "ROMEO: what" "ROMEO: shal"` asks what makes the difference between two texts: an edge is what
    one head or MLP contributes to what another reads. `nanoscope circuit CKPT --task after-name` asks it of many texts.
    """

    clean: Annotated[tyro.conf.Positional[str | None], tyro.conf.arg(metavar="CLEAN", help_behavior_hint="")] = None
    """The clean text; or give --task."""
    corrupt: Annotated[tyro.conf.Positional[str | None], tyro.conf.arg(metavar="CORRUPT", help_behavior_hint="")] = None
    """The corrupt text, with as many tokens as the clean one."""
    answer: GivenText = None
    """The symbol that should follow the clean text; needs --wrong. Default: the texts' last symbols are compared."""
    wrong: GivenText = None
    """The symbol that should follow the corrupt text; needs --answer."""
    task: TaskName = None
    """A behaviour by name instead of two texts: induction, distance-1 to distance-5, after-name, after-blank-line, word-end."""
    examples: GivenNumber = None
    """Examples of the task; 16 unless given. The circuit is found on the training text, and judged on the validation text."""
    method: Method = "exact"
    """exact: every edge's own effect; eap to gim: estimates of it from gradients; acdc: edges removed one by one;
    learned: by gradient descent."""
    edges: GivenNumber = None
    """Edges of the circuit; default: the smallest of 1, 2, 4, ... that keeps 90 % of the behaviour."""
    ranking: Literal["signed", "absolute"] = "signed"
    """Edges are chosen by what they do for the behaviour, or by the size of their effect alone."""
    ablation: Literal["resample", "mean", "zero"] = "resample"
    """What other edges carry while a circuit is judged: the corrupt text's values, their mean over texts, or nothing."""
    threshold: GivenReal = None
    """Of --method acdc, in nats: an edge that costs less is removed; 0.01 unless given."""
    circuit: OutFile = None
    """Judge a circuit that --save has written, on these texts or this task, instead of looking for one."""
    save: OutFile = None
    """Write the circuit as JSON, for --circuit."""
    device: str = "auto"
    """cpu, cuda or auto."""
    csv: OutFile = None
    """Write every edge of the model as CSV."""
    json: OutFile = None
    """Write every edge of the model, and how the circuit was found, as JSON."""
    out: FigureFile = None
    """File of the picture: .png, .svg or .pdf; an SVG (or PNG) and a Mermaid file .mmd are written beside it."""


def run_circuit(command: CircuitCommand) -> None:
    """Find the circuit, or read it; print it, and draw it."""
    from nanoscope.analysis.circuits.circuit import Circuit
    from nanoscope.interventions.edges.graph import graph_of
    from nanoscope.views.circuit import find, judge, require_findable

    wanted = _wanted(command)
    _require_meant(command)
    checkpoint = open_model(
        command.checkpoint, command.threads, chosen_device(command.device), vocabulary=command.vocabulary
    )
    graph = graph_of(checkpoint.model.config)  # a model without edges is told so before any text is read
    given = None if command.circuit is None else Circuit.from_json(_read(command.circuit), graph)
    task, judged = _tasks(command, checkpoint)
    require_findable(checkpoint.model, task, wanted)
    with progress("circuit") as show:
        if given is None:
            found = find(checkpoint.model, task, judged, wanted, show)
        else:
            found = judge(checkpoint.model, task, judged, given, command.ablation, show)
    _print(command, checkpoint, task, found)
    _write(command, found)
    _draw(command, checkpoint, found)


def _wanted(command: CircuitCommand) -> Wanted:
    from nanoscope.views.circuit import THRESHOLD, Wanted

    threshold = THRESHOLD if command.threshold is None else command.threshold
    return Wanted(command.method, command.edges, command.ranking, command.ablation, threshold)


def _require_meant(command: CircuitCommand) -> None:
    """NanoscopeError for options that cannot be meant together; before anything is opened."""
    from nanoscope.views.circuit_tasks import described

    require_figure_file(command.out)
    if command.task is not None:
        described(command.task)
    files = [path for path in (command.csv, command.json, command.save) if path is not None]
    by_itself, read = command.method in ("acdc", "learned"), command.circuit is not None
    refused = {
        "give two texts, CLEAN and CORRUPT, or --task NAME": command.task is None and command.corrupt is None,
        "give two texts or --task, not both": command.task is not None and command.clean is not None,
        "--answer and --wrong go together; give both, or neither to compare the texts' last symbols": (
            (command.answer is None) != (command.wrong is None)
        ),
        "--answer and --wrong are for two texts; a task has its own": command.task is not None
        and command.answer is not None,
        "--examples and --data are for --task; two texts are one example": command.task is None
        and (command.examples is not None or command.data is not None),
        f"--examples must be at least 1, not {command.examples}": command.examples is not None and command.examples < 1,
        "--circuit judges the circuit of a file; leave out --method, --edges, --ranking and --threshold": read
        and (command.method, command.edges, command.ranking, command.threshold) != ("exact", None, "signed", None),
        "acdc finds the number of edges itself; leave out --edges and --ranking, and choose --threshold": (
            command.method == "acdc" and (command.edges is not None or command.ranking != "signed")
        ),
        "--threshold is for --method acdc alone; add that, or leave out --threshold": command.threshold is not None
        and command.method != "acdc",
        f"--method {command.method} looks for the circuit with resample ablation, so it is judged with that; leave out "
        "--ablation": by_itself and command.ablation != "resample",
        "the mean of one text is that text; leave out --ablation mean, or give --task": command.task is None
        and command.ablation == "mean",
        "--csv, --json and --save name the same file; give several": len(set(files)) < len(files),
    }
    for reason, holds in refused.items():
        if holds:
            raise NanoscopeError(reason)


def _tasks(command: CircuitCommand, checkpoint: Checkpoint) -> tuple[Task, Task]:
    """What the circuit is found on, and what it is judged on."""
    from nanoscope.tasks.task import pair
    from nanoscope.views.circuit_tasks import named_tasks

    if command.task is not None:
        corpus = text_for(checkpoint, command)
        return named_tasks(checkpoint, corpus, command.task, EXAMPLES if command.examples is None else command.examples)
    assert command.clean is not None
    assert command.corrupt is not None
    clean, corrupt = read_pair(checkpoint, command.clean, command.corrupt, command.answer is not None)
    one = pair(checkpoint.known_vocabulary, clean, corrupt, command.answer, command.wrong)
    return one, one


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode()
    except OSError as error:
        raise NanoscopeError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise NanoscopeError(f"{path} is no circuit; give a file that --save has written") from error


def _print(command: CircuitCommand, checkpoint: Checkpoint, task: Task, found: FoundCircuit) -> None:
    """What was compared, how faithful the circuit is, its strongest edges, and what it cost."""
    from nanoscope.views.circuit import doubt

    _print_compared(command, checkpoint, task, found)
    if (reason := doubt(found)) is not None:
        tell(reason, style="yellow")
    _print_sizes(command, found)
    _print_edges(found)
    forwards = found.seconds / found.forward
    tell(f"cost: {clock(found.seconds)}, the time of {forwards:,.0f} plain forwards of these texts")
    if command.task is None:
        tell("One example shows what this text does, not what the model does in general; --task NAME measures many.")


def _print_compared(command: CircuitCommand, checkpoint: Checkpoint, task: Task, found: FoundCircuit) -> None:
    from nanoscope.views.circuit_tasks import described
    from nanoscope.views.patch import compared

    means = f"clean {found.clean:.3f}, corrupt {found.corrupt:.3f}"
    if command.task is not None:
        tell(f"{command.task}: {described(command.task)}; {len(task)} examples of the training text")
        return tell(f"logit of the answer minus logit of the wrong answer, mean: {means}")
    between = compared(checkpoint.known_vocabulary, checkpoint.model.config.vocab_size, task)
    tell(f"{between.answer!r} against {between.wrong!r}, predicted from position {between.position}, the last one read")
    tell(f"logit of {between.answer!r} minus logit of {between.wrong!r}: {means}")


def _print_sizes(command: CircuitCommand, found: FoundCircuit) -> None:
    """Faithfulness by size, and why this size was chosen."""
    from nanoscope.views.circuit import FAITHFUL

    table = narrow_table(*(Column(name, justify="right") for name in ("edges", "without dead ends", "faithfulness")))
    sizes = zip(found.sizes.edges, found.sizes.connected, found.sizes.share, strict=True)
    for number, (edges, left, share) in enumerate(sizes):
        table.add_row(
            f"{edges:,}", f"{left:,}", f"{round(share, 3) + 0.0:.3f}", style="bold" if number == found.at else None
        )
    CONSOLE.print(table)
    judged = "" if command.task is None else ", on as many examples of the validation text"
    tell(
        f"faithfulness: the share of the logit difference that is left when all other edges are ablated "
        f"({found.sizes.ablation}){judged}; all {len(found.circuit.graph):,} edges: 1",
        style="dim",
    )
    if command.circuit is None and command.edges is None and command.method != "acdc":
        enough = found.faithful >= FAITHFUL
        size, least = f"{len(found.circuit):,}", f"{100 * FAITHFUL:.0f} %"
        none = f"no size up to half of the model keeps {least}; here are the best {size} edges"
        tell(f"{size} edges: the smallest size that keeps {least}" if enough else none)


def _print_edges(found: FoundCircuit) -> None:
    """The strongest edges, and how many lead nowhere."""
    from nanoscope.views.circuit_edges import strongest

    shown = strongest(found, SHOWN)
    estimated = any(row.estimate is not None for row in shown)
    table = narrow_table(
        Column("edge", no_wrap=True), *(Column(name, justify="right") for name in ("effect", "share")),
        *[Column("estimate", justify="right")] * estimated, "",
    )  # fmt: skip
    for row in shown:
        estimate = [f"{row.estimate:+.3f}"] if row.estimate is not None else []
        table.add_row(
            str(row.edge),
            f"{row.effect:+.3f}",
            f"{100 * row.share:.1f} %",
            *estimate,
            "" if row.connected else "dead end",
        )
    CONSOLE.print(table)
    tell(
        "effect: change of the logit difference when this edge alone comes from the corrupt text; share: of the change when "
        "everything does",
        style="dim",
    )
    asked, left = len(found.circuit), len(found.circuit.connected)
    if len(shown) < asked:
        tell(f"the strongest {len(shown)} of {asked:,} edges; --csv FILE or --json FILE keeps those of the whole model")
    if left < asked:
        tell(
            f"{asked - left:,} of them are dead ends: nothing in the circuit feeds their source, or reads their reader"
        )


def _write(command: CircuitCommand, found: FoundCircuit) -> None:
    """The files that were asked for."""
    from nanoscope import files
    from nanoscope.views.circuit_edges import as_csv, as_json

    if command.csv is not None:
        files.write_bytes(command.csv, as_csv(found).encode())
        say(f"edges: {command.csv}")
    if command.json is not None:
        asked = {name: getattr(command, name) for name in ("task", "clean", "corrupt", "answer", "wrong")}
        files.write_json(command.json, asked | {"examples": len(found.sizes.model)} | as_json(found))
        say(f"edges: {command.json}")
    if command.save is not None:
        files.write_bytes(command.save, (found.circuit.to_json() + "\n").encode())
        say(f"circuit: {command.save}")


def _draw(command: CircuitCommand, checkpoint: Checkpoint, found: FoundCircuit) -> None:
    """The picture, the same in another format, and as Mermaid."""
    from nanoscope import files
    from nanoscope.plots.circuit import circuit_diagram
    from nanoscope.plots.mermaid import mermaid
    from nanoscope.plots.saving import save

    words = command.task or command.corrupt or ""
    what = (
        checkpoint.sha256, command.clean, command.answer, command.wrong, command.examples, command.data, command.method,
        command.edges, command.ranking, command.ablation, command.threshold, found.circuit.to_json(),
    )  # fmt: skip
    file, drawn = figure_file(command.out, "circuit", words, *what), found.drawn
    figure = circuit_diagram(found.circuit.graph, drawn, found.change, _title(command, found))
    save_figure(figure, file)
    other = file.with_suffix(".png" if file.suffix.lower() == ".svg" else ".svg")
    save(figure, other)
    files.write_bytes(file.with_suffix(".mmd"), mermaid(drawn, found.change).encode())
    say(f"the same: {other}")
    say(f"as Mermaid: {file.with_suffix('.mmd')}")
    left = len(found.circuit.connected)
    if len(drawn) < left:
        tell(f"drawn are the strongest {len(drawn)} of its {left:,} edges without dead ends")


def _title(command: CircuitCommand, found: FoundCircuit) -> str:
    of = (
        f"{command.task}"
        if command.task is not None
        else f"{command.clean!r} (clean) and {command.corrupt!r} (corrupt)"
    )
    size = f"{len(found.circuit):,} of {len(found.circuit.graph):,} edges"
    drawn = len(found.drawn)
    only = f"; the strongest {drawn} are drawn" if drawn < len(found.circuit.connected) else ""
    return f"{size}, faithfulness {found.faithful:.2f} ({found.method}, {found.sizes.ablation}){only}\n{of}"
