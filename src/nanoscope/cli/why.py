"""`nanoscope why`: why a head looks from one token of your text to another."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from rich.table import Column
from rich.text import Text

from nanoscope.cli.bars import progress
from nanoscope.cli.console import (
    CONSOLE,
    CheckpointPath,
    GivenNumber,
    VocabularyFile,
    narrow_table,
    open_model,
    save_figure,
    say,
    tell,
)
from nanoscope.cli.figure_files import FigureFile, figure_file, require_figure_file
from nanoscope.errors import NanoscopeError

if TYPE_CHECKING:
    from nanoscope.checkpoints.checkpoint import Checkpoint
    from nanoscope.views.why import Why

KEYS, PAIRS = 5, 8
"""Rows of the two tables."""
EXCERPT = 60
"""Characters of the text in the figure's title."""
TableFile = Annotated[Path | None, tyro.conf.arg(metavar="FILE", help_behavior_hint="(default: none)")]


@dataclass(frozen=True)
class WhyCommand:
    """Why does a head look there? `nanoscope why CKPT L4H2 --text "ROMEO: what light"`.

    A head's score of a key is a sum over pairs: what one part of the model wrote at the query, with what another wrote at the
    key. The table has the pairs that raise this key most above the mean of all keys that the query sees.

    Positions count tokens from 0; the tables show the token of each. A start symbol, if the model has one, is 0.
    """

    checkpoint: CheckpointPath
    """nanoGPT's ckpt.pt or its folder, or a checkpoint of nanoscope."""
    head: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="HEAD")]
    """The head, such as L4H2: layer and head, both counted from 0."""
    text: Annotated[str, tyro.conf.arg(metavar="TEXT")]
    """The text to read, no longer than the model's context."""
    query: GivenNumber = None
    """Position from which the head looks, counted in tokens from 0; default: the last token."""
    key: GivenNumber = None
    """Position to which it looks, at the query or before it; default: the one that gets most attention."""
    threads: int = 0
    """CPU threads; 0 uses all cores."""
    vocabulary: VocabularyFile = None
    """meta.pkl, a .json table, or the training text; default: as nanoGPT finds it."""
    csv: TableFile = None
    """Write every pair, not only the largest, as CSV."""
    json: TableFile = None
    """Write every pair, and the attention to every key, as JSON."""
    out: FigureFile = None
    """File of the figure: .png, .svg or .pdf."""


def run_why(command: WhyCommand) -> None:
    """Share out the score, print the largest pairs, and draw them."""
    from nanoscope.plots.score_parts import score_parts_grid
    from nanoscope.views.why import reason, why

    require_figure_file(command.out)
    if command.csv is not None and command.csv == command.json:
        raise NanoscopeError("--csv and --json name the same file; give two")
    checkpoint = open_model(command.checkpoint, command.threads, vocabulary=command.vocabulary)
    text = _text(checkpoint, command.text)
    with progress("why") as show:
        show("sharing out the score", 0, 1)
        found = why(checkpoint, text, command.head, command.query, command.key)
    tell(reason(found), style="bold")
    _print_keys(found)
    _print_pairs(found)
    _write(command, found)
    places = (_place(found, found.parts.query), _place(found, found.parts.key))
    figure = score_parts_grid(found.above.names, found.above.parts, places, _title(found, places))
    what = (checkpoint.sha256, found.parts.head, found.parts.query, found.parts.key)
    save_figure(figure, figure_file(command.out, "why", f"{found.parts.head} {text}", *what))


def _text(checkpoint: Checkpoint, text: str) -> str:
    """The user's text with plain line ends, of any length: one that does not fit is refused, as cutting moves positions."""
    from nanoscope.views.given_text import doubt, prompt

    read = prompt(checkpoint, text, more=len(text.encode()))
    for note in (read.note, doubt(checkpoint, read.text, "this text")):
        if note:
            tell(f"note: {note}", style="dim")
    return read.text


def _print_keys(found: Why) -> None:
    """The keys with most attention, and the one that is explained."""
    table = narrow_table("key", *(Column(name, justify="right") for name in ("attention", "nats above the mean")))
    explained, shown = found.parts.key, found.attended[:KEYS]
    for key in (*shown, *[explained] * (explained not in shown)):
        table.add_row(
            Text(_place(found, key)),
            f"{100 * found.attention[key]:.1f} %",
            f"{found.scores[key]:+.2f}",
            style="bold" if key == explained else None,
        )
    CONSOLE.print(table)
    size = len(found.attention)
    tell(
        f"of {size} keys that the query sees; a key with 1 nat more than another gets 2.7 times its attention",
        style="dim",
    )


def _print_pairs(found: Why) -> None:
    """The largest pairs, all others together, and their sum. Pairs of what the model lacks, such as biases, are left out."""
    from nanoscope.views.why import rows

    named = [
        f"into the query at {_place(found, found.parts.query)}",
        f"into the key at {_place(found, found.parts.key)}",
    ]
    titles = ["nats", "share"] if found.shares else ["nats"]
    table = narrow_table(*named, *(Column(name, justify="right") for name in titles))
    largest = [pair for pair in found.above.largest(PAIRS) if pair[2]]
    for into_query, into_key, part in largest:
        table.add_row(into_query, into_key, *_numbers(found, part))
    others = sum(bool(row["above_mean"]) for row in rows(found)) - len(largest)
    if others:
        rest = found.total - sum(part for *_, part in largest)
        table.add_row(f"{others:,} other pairs", "", *_numbers(found, rest))
    table.add_row("all pairs", "", *_numbers(found, found.total), style="bold")
    CONSOLE.print(table)
    tell("nats: what a pair adds to the score of this key, less its mean over all keys", style="dim")
    if not found.shares:
        tell("no shares: the score lies too near the mean of all keys; choose another --key", style="yellow")
    if others:
        tell("--csv FILE or --json FILE keeps all pairs")


def _numbers(found: Why, part: float) -> list[str]:
    """In nats, and as a share where shares say something; what rounds to zero has no minus."""
    nats = f"{round(part, 2) + 0.0:+.2f}"
    return [nats, f"{round(100 * part / found.total) + 0:.0f} %"] if found.shares else [nats]


def _write(command: WhyCommand, found: Why) -> None:
    """The files that were asked for."""
    from nanoscope import files
    from nanoscope.views.why import as_csv, as_json

    if command.csv is not None:
        files.write_bytes(command.csv, as_csv(found).encode())
        say(f"pairs: {command.csv}")
    if command.json is not None:
        files.write_json(command.json, as_json(found))
        say(f"pairs: {command.json}")


def _place(found: Why, at: int) -> str:
    from nanoscope.plots.style import visible_character

    return f"{at} {visible_character(found.symbols[at])}"


def _title(found: Why, places: tuple[str, str]) -> str:
    """Head and places, and the text up to the query."""
    from nanoscope.plots.style import visible_character

    read = "".join(visible_character(symbol) for symbol in found.symbols[: found.parts.query + 1])
    begins = f"…{read[-EXCERPT:]}" if len(read) > EXCERPT else read
    attention = f"{100 * found.attention[found.parts.key]:.0f} %"
    return (
        f"Why {found.parts.head} looks from {places[0]} to {places[1]} ({attention}): {found.total:+.2f} nats\n{begins}"
    )
