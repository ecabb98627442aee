"""`nanoscope sample`: text that a model writes, and how it changes without a head or along a direction."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import tyro
from rich.live import Live
from rich.table import Table
from rich.text import Text

from nanoscope.cli.console import CONSOLE, GivenNumber, GivenText, ModelOptions, open_model, say, tell, text_for
from nanoscope.errors import NanoscopeError

if TYPE_CHECKING:
    from nanoscope.checkpoints.checkpoint import Checkpoint
    from nanoscope.views.sample import Change

SIDE_BY_SIDE = 80
"""Columns of a terminal from which on two texts stand side by side."""


@dataclass(frozen=True)
class SampleCommand(ModelOptions):
    """Let a model write: `nanoscope sample CKPT --start "ROMEO:"`.

    --without and --steer write it twice, with the same random numbers.
    """

    start: GivenText = None
    """The beginning of the text; default: a line break."""
    length: int = 200
    """Tokens to write."""
    temperature: float = 0.8
    """0 takes the most probable symbol each time; 1 draws from the model's own probabilities; more is wilder."""
    top_k: GivenNumber = None
    """Draw among the N most probable symbols only; default: among all."""
    seed: int = 1
    """Of the random numbers; the same seed writes the same text."""
    samples: int = 1
    """Texts to write, with the seeds SEED, SEED+1, ..."""
    without: Annotated[tuple[str, ...], tyro.conf.arg(metavar="PART ...", help_behavior_hint="")] = ()
    """Parts to replace by their mean over --data's validation text, else by zero: L0H4, L1.attn, L1.mlp, L2N17 (a neuron)."""
    steer: Annotated[tuple[str, str] | None, tyro.conf.arg(metavar="FROM TO", help_behavior_hint="")] = None
    """Add the mean residual stream over TO minus that over FROM: "the king is dead" "THE KING IS DEAD" brings capitals."""
    layer: GivenNumber = None
    """Layer at whose input --steer acts; default: the middle one."""
    strength: float = 1.0
    """Multiple of the difference that --steer adds."""
    threads: int = 1
    """CPU threads; 0 uses all cores, which helps little where a text is written one token at a time."""


def run_sample(command: SampleCommand) -> None:
    """Write the texts, each as it comes."""
    from nanoscope.interventions.generate import Sampling
    from nanoscope.views.sample import opening, writing

    if command.samples < 1:
        raise NanoscopeError(f"the number of samples must be at least 1, not {command.samples}")
    checkpoint = open_model(command.checkpoint, command.threads, vocabulary=command.vocabulary)
    given = command.start
    text = opening(checkpoint) if given is None else given
    changes = _changes(command, checkpoint)
    edits = [edit for change in changes for edit in change.edits]
    for change in changes:
        tell(change.described, style="dim")
    for seed in range(command.seed, command.seed + command.samples):
        if command.samples > 1:
            say(f"--- seed {seed}", style="dim")
        sampling = Sampling(command.temperature, command.top_k, seed)
        plain = writing(checkpoint, text, command.length, sampling)
        if changes:
            _compare(text, plain, writing(checkpoint, text, command.length, sampling, edits))
        else:
            _stream(text, plain)


def _changes(command: SampleCommand, checkpoint: Checkpoint) -> list[Change]:
    from nanoscope.views.sample import steered, without

    if command.steer is None and (command.layer is not None or command.strength != 1.0):
        raise NanoscopeError("--layer and --strength belong to --steer FROM TO; give it, or leave them out")
    changes = [without(checkpoint, command.without, *_validation_text(command, checkpoint))] if command.without else []
    if command.steer is not None:
        layer = checkpoint.model.config.n_layer // 2 if command.layer is None else command.layer
        changes.append(steered(checkpoint, *command.steer, layer, command.strength))
    return changes


def _validation_text(command: SampleCommand, checkpoint: Checkpoint) -> tuple[str | None, str]:
    """The text over which ablated parts are averaged, and its name; or None, and why there is none."""
    try:
        corpus = text_for(checkpoint, command)
    except NanoscopeError as error:
        if command.data is not None:
            raise
        return None, f"no text to average over: {error}"
    return corpus.val, f"the validation text of {corpus.name}"


def _stream(start: str, pieces: Iterator[str]) -> list[str]:
    """Print a text as it comes; returns its pieces."""
    CONSOLE.print(Text(start, style="bold"), end="", soft_wrap=True)
    said = []
    for piece in pieces:
        CONSOLE.out(piece, end="", highlight=False)
        CONSOLE.file.flush()
        said.append(piece)
    CONSOLE.out("")
    return said


def _compare(start: str, plain: Iterator[str], changed: Iterator[str]) -> None:
    """Two texts with the same random numbers: side by side if the terminal is wide, else one below the other."""
    if CONSOLE.is_terminal and CONSOLE.width >= SIDE_BY_SIDE:
        texts = _side_by_side(start, plain, changed)
    else:
        texts = []
        for title, pieces in (("as it is", plain), ("changed", changed)):
            say(f"[{title}]", style="cyan")
            texts.append("".join(_stream(start, pieces)))
    same = next((n for n, (one, other) in enumerate(zip(*texts, strict=False)) if one != other), None)
    told = "the two texts are the same" if same is None else f"the two texts part after {same} characters"
    tell(f"{told} (same random numbers)", style="dim")


def _side_by_side(start: str, plain: Iterator[str], changed: Iterator[str]) -> list[str]:
    """Both texts in two columns that grow together."""

    def table() -> Table:
        grid = Table("as it is", "changed", box=None, padding=(0, 2, 0, 0))
        for column in grid.columns:
            column.ratio, column.header_style = 1, "cyan"
        grid.expand = True
        grid.add_row(*(Text(start, style="bold").append(text, style="not bold") for text in texts))
        return grid

    texts = ["", ""]
    with Live(console=CONSOLE, transient=True, vertical_overflow="crop") as live:
        for pieces in zip(plain, changed, strict=False):
            texts = [text + piece for text, piece in zip(texts, pieces, strict=True)]
            live.update(table())
    CONSOLE.print(table())
    return texts
