"""`nanoscope look`: what a model is, how good it is, what its parts do, and whether it copies; in one minute, on one screen."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.box import SIMPLE
from rich.table import Table
from rich.text import Text

from nanoscope.cli.bars import progress
from nanoscope.cli.console import (
    CONSOLE,
    REPLIES,
    GivenPath,
    GivenText,
    ModelOptions,
    open_subject,
    save_figure,
    say,
    tell,
)

if TYPE_CHECKING:
    from nanoscope.checkpoints.checkpoint import Checkpoint
    from nanoscope.views.look import Look
    from nanoscope.views.look_answers import LookAnswer
    from nanoscope.views.look_text import TextReading

UNCLASSED = 3
"""How many heads without a class are listed, the costliest first."""
SURPRISES = 8


@dataclass(frozen=True)
class LookCommand(ModelOptions):
    """What does this model do? `nanoscope look CKPT`: about a minute for six layers of width 384; start here.

    How good it is beside n-gram tables, how far back it reads, where it decides, what its heads are for, whether it copies.
    --text "ROMEO: what light" also reads a text of yours. Figures, JSON and tables are kept in one folder.
    """

    text: GivenText = None
    """A text to read: how surprising each character is, and after which layer it is decided."""
    out: GivenPath = None
    """Folder for figures and numbers; default: runs/look/NAME-CHECKSUM."""


def run_look(command: LookCommand) -> None:
    """Measure, answer, print, and keep everything."""
    from nanoscope import files
    from nanoscope.views.look import look
    from nanoscope.views.look_answers import answers
    from nanoscope.views.look_files import folder_name, store

    checkpoint, corpus = open_subject(command)
    text = None if command.text is None else _own_text(checkpoint, command.text)
    folder = command.out or Path("runs/look") / folder_name(checkpoint, command.checkpoint)
    with progress("look") as show:
        found = look(checkpoint, corpus, text, show)
    answered = answers(found)
    _print_answers(command.checkpoint, found, answered)
    _print_heads(found)
    _print_layers(found)
    _print_text(found)
    with files.exclusive_lock(folder):
        store(found, answered, folder, text)
        _draw(command, found, folder, text)
    _print_next(command, folder, found.checkpoint.model.config.attention_only)


def _own_text(checkpoint: Checkpoint, text: str) -> str:
    """The user's text as the model reads it, of any length; a text that it cannot read is refused before all measuring."""
    from nanoscope.views.given_text import prompt

    read = prompt(checkpoint, text, more=len(text.encode()))
    if read.note:
        tell(f"note: {read.note}", style="dim")
    checkpoint.encode(read.text)
    return read.text


def _print_answers(path: Path, found: Look, answered: tuple[LookAnswer, ...]) -> None:
    from nanoscope.views.look_files import facts

    of = facts(found)
    steps = "" if of["steps"] is None else f"; {of['steps']:,} training steps"
    trained = "" if of["trained_on"] is None else f" on {of['trained_on']}"
    unusual = "".join(f", {what}" for what in of["variations"])
    say(f"\n{path}", style="bold")
    tell(
        f"{of['layers']} layers of {of['heads']} heads{unusual}, width {of['width']}, context {of['context']}, "
        f"{of['symbols']} symbols; {of['parameters']:,} parameters{steps}{trained}"
    )
    tell(
        f"measured on {of['measured_on']}: {of['windows']} windows of {of['window_size']} tokens, validation part; "
        "[..]: 95 % intervals",
        style="dim",
    )
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(style="bold", max_width=20)
    for one in answered:
        table.add_row(one.question, Text(one.text, style=REPLIES.get(one.verdict or "", "")))
    CONSOLE.print(table)


def _print_heads(found: Look) -> None:
    """One row per class of heads: its heads, what each costs alone, and what they cost together."""
    from nanoscope.model.names import head_name
    from nanoscope.views.look import Unmeasured
    from nanoscope.views.look_answers import ranked, three

    table = Table(
        "heads that attend to",
        "without each alone",
        "without all",
        title="What it costs to mean-ablate heads, nats",
        box=SIMPLE,
        title_justify="left",
    )
    classed = {} if isinstance(found.heads, Unmeasured) else found.heads.members()
    for name, heads in classed.items():
        members = [head_name(*head) for head in heads]
        alone = ", ".join(f"{one} {three(found.cost(one))}" for one in members)
        covers = _cover(found, name, heads)
        table.add_row(name, alone, Text(three(found.cost(f"class {name}")), style="bold green" if covers else ""))
    known = {head_name(*head) for heads in classed.values() for head in heads}
    rest = [(name, cost) for name, cost, _ in ranked(found.ablation) if name[0] == "L" and name not in known]
    if rest:
        alone = ", ".join(f"{name} {three(cost)}" for name, cost in rest[:UNCLASSED])
        others = f" and {len(rest) - UNCLASSED} that cost less" if len(rest) > UNCLASSED else ""
        table.add_row(Text("no class", style="dim"), Text(alone + others, style="dim"), "")
    CONSOLE.print(table)
    covering = [name for name, heads in classed.items() if _cover(found, name, heads)]
    if covering:
        tell(f"{', '.join(covering)}: more together than the sum of each, so these heads cover for one another.")


def _cover(found: Look, name: str, heads: tuple[tuple[int, int], ...]) -> bool:
    from nanoscope.model.names import named
    from nanoscope.views.look_answers import covers_up

    return covers_up(found.ablation, f"class {name}", named(heads))


def _print_layers(found: Look) -> None:
    """One row per layer: its heads, its MLP, all heads above it, and the lens after it."""
    from nanoscope.views.look_answers import three

    config = found.checkpoint.model.config
    names = set(map(str, found.ablation.labels("set")))
    columns = ("layer", "no heads", "no MLP", "no heads above", "final", "lens")
    title = "By layer: what it costs to do without; the prediction after it"
    table = Table(*columns, title=title, title_justify="left", box=SIMPLE)
    final, loss = found.lens.final.values.mean(1), found.lens.loss.values.mean(1)
    for layer in range(config.n_layer):
        above = f"heads of L{layer + 1}" if layer == config.n_layer - 2 else f"heads above L{layer}"
        costs = (f"heads of L{layer}", f"MLP{layer}", above)
        shown = [three(found.cost(name)) if name in names else "" for name in costs]
        table.add_row(f"L{layer}", *shown, f"{100 * final[layer + 1]:.0f} %", f"{loss[layer + 1]:.3f}")
    CONSOLE.print(table)
    tell(
        "final: the share of places where the lens's first choice is the model's from here on; lens: its loss.",
        style="dim",
    )


def _print_text(found: Look) -> None:
    """The user's own text, with its most surprising characters."""
    from nanoscope.plots.style import visible_character
    from nanoscope.views.look import Unmeasured
    from nanoscope.views.look_answers import unit_of

    if found.text is None:
        return
    if isinstance(found.text, Unmeasured):
        return tell(f"Your text was not read: {found.text.reason}")
    read: TextReading = found.text
    names = ["embedding", *(f"L{layer}" for layer in range(found.checkpoint.model.config.n_layer))]
    strip, limit = Text(), sorted(read.loss)[-SURPRISES] if len(read.loss) >= SURPRISES else 0.0
    for piece, loss in zip(read.pieces, [0.0, *read.loss], strict=True):
        strip.append(piece, style="bold red" if loss >= limit > 0 else "")
    tell(f"\nYour text: {read.loss.mean():.3f} nats per {unit_of(found)}. Most surprising:")
    CONSOLE.print(strip)
    table = Table("at", "character", "nats", "expected", "settled after", box=SIMPLE)
    for at in read.hardest(SURPRISES):
        guess = f"{visible_character(read.guess[at - 1])} {100 * read.chance[at - 1]:.0f} %"
        before = "".join(map(visible_character, read.pieces[max(0, at - 8) : at]))
        table.add_row(
            str(at),
            Text(before, style="dim").append(visible_character(read.pieces[at]), style="bold red"),
            f"{read.loss[at - 1]:.2f}",
            Text(guess),
            names[read.decided[at - 1]],
        )
    CONSOLE.print(table)


def _draw(command: LookCommand, found: Look, folder: Path, text: str | None) -> None:
    from nanoscope.plots.look import overview, text_reading
    from nanoscope.views.look import Unmeasured
    from nanoscope.views.look_files import text_name

    config, title = found.checkpoint.model.config, str(command.checkpoint)
    context = None if isinstance(found.context, Unmeasured) else (found.context.cost, found.context.whole)
    heads = found.heads
    classes = [
        ["" if isinstance(heads, Unmeasured) else heads.named(layer, head) for head in range(config.n_head)]
        for layer in range(config.n_layer)
    ]
    lens = {"loss": found.lens.loss, "final": found.lens.final}
    save_figure(overview(found.loss, context, found.ablation, classes, lens, title), folder / "look.png")
    if text is not None and found.text is not None and not isinstance(found.text, Unmeasured):
        read = found.text
        figure = text_reading(read.pieces, read.loss, read.decided, config.n_layer, title)
        save_figure(figure, folder / f"{text_name(text)}.png")


def _print_next(command: LookCommand, folder: Path, attention_only: bool) -> None:
    """Where everything is, and the commands that go deeper."""
    path = shlex.quote(str(command.checkpoint))
    data = "" if command.data is None else f" --data {shlex.quote(command.data)}"
    say(f"numbers: {folder}/look.json")
    tell("and, beside it, a CSV file for each table")
    commands = {
        f'heads {path}{data} --text "..."': "where each head looks, on your text",
        f'lens {path}{data} --text "..."': "what it would predict after each layer",
        f'patch {path} "..." "..."': "which heads make the difference between two texts",
        f"run induction {path}{data}": "induction, with every control; minutes",
    }
    if not attention_only:
        commands[f"neurons {path}{data}"] = "what its hidden units detect"
    say("\nDeeper:", style="bold")
    for line, what in commands.items():
        say(f"nanoscope {line}\n    {what}")
