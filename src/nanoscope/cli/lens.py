"""`nanoscope lens`: the model's prediction after each layer, for every character of a text of your own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from rich.table import Column
from rich.text import Text

from nanoscope.cli.bars import progress
from nanoscope.cli.console import (
    CONSOLE,
    GivenText,
    ModelOptions,
    narrow_table,
    open_model,
    read_prompt,
    save_figure,
    tell,
    text_for,
)
from nanoscope.cli.figure_files import FigureFile, figure_file, require_figure_file

if TYPE_CHECKING:
    from nanoscope.checkpoints.checkpoint import Checkpoint
    from nanoscope.views.lens import Lens, LensReading

ROWS = 40
CELL, NARROW_CELL, REST = 7, 5, 25
"""Width of a cell with a probability, without one, and of all else in a row of the table."""


@dataclass(frozen=True)
class LensCommand(ModelOptions):
    """What would the model predict if it stopped after each layer? `nanoscope lens CKPT --text "ROMEO: the cat"`.

    One row per character: the most probable next character after the embedding (emb.) and each layer, its probability in
    percent, and the layer after which the prediction has settled (KL to the output stays below 0.1 nats).
    """

    text: GivenText = None
    """The text to read; default: the beginning of a speech."""
    lens: Literal["logit", "tuned"] = "logit"
    """tuned: first fits a tuned lens on the text given by --data."""
    out: FigureFile = None
    """File of the figure: .png, .svg or .pdf."""


def run_lens(command: LensCommand) -> None:
    """Apply the lens, print the table, and draw it."""
    from nanoscope.experiments.lenses.figures import sentence
    from nanoscope.views import lens as view

    require_figure_file(command.out)
    checkpoint = open_model(command.checkpoint, command.threads, vocabulary=command.vocabulary)
    if command.text is None:
        text = view.opening(checkpoint, text_for(checkpoint, command))
    else:
        text = read_prompt(checkpoint, command.text)
    reading = view.read(checkpoint, text, _lens(command, checkpoint))
    _print(reading)
    figure = sentence(reading.values, reading.symbols, f"{command.lens} lens", str(command.checkpoint))
    save_figure(figure, figure_file(command.out, "lens", text, checkpoint.sha256, command.lens))


def _lens(command: LensCommand, checkpoint: Checkpoint) -> Lens:
    from nanoscope.views.lens import fitted

    if command.lens == "logit":
        return checkpoint.model.unembed
    with progress("lens") as show:
        fit = fitted(checkpoint, text_for(checkpoint, command), show)
    kl = f"{fit.course.values[0].mean():.3f} -> {fit.course.values.min(0).mean():.3f} nats"
    ended = "had stopped falling" if fit.stopped else "was still falling (run lenses fits longer)"
    tell(f"tuned lens, {fit.steps} steps: KL to the output {kl}, mean over layers, on held-out text; it {ended}")
    return fit.translation.lens(checkpoint.model)


def _print(reading: LensReading) -> None:
    """One row per position, the last `ROWS` of them."""
    from nanoscope.plots.style import visible_character

    text, symbols = reading.pieces, reading.symbols
    names = ["emb.", *(f"L{layer}" for layer in range(len(reading.values.labels("layer")) - 1))]
    wide = CONSOLE.width >= CELL * len(names) + REST
    shown = range(len(names)) if wide else _shown(len(names), CONSOLE.width)
    table = narrow_table(
        *(Column(name, no_wrap=True) for name in ("read", *[names[at] for at in shown], "follows", "settled"))
    )
    top, chance = (reading.values.sel(measure=measure).values for measure in ("top", "chance"))
    for position in range(max(0, len(text) - ROWS), len(text)):
        follows = text[position + 1] if position + 1 < len(text) else ""
        predicted = [(symbols[int(token)], p) for token, p in zip(top[:, position], chance[:, position], strict=True)]
        cells = [Text(_cell(*predicted[at], wide), style=_style(follows, *predicted[at])) for at in shown]
        read = Text(visible_character(text[position]), style="bold")
        table.add_row(read, *cells, visible_character(follows), names[reading.settled[position]])
    CONSOLE.print(table)
    if not wide:
        more = "the probabilities" if len(shown) == len(names) else "the other layers and the probabilities"
        tell(f"a wider terminal also shows {more}, as the figure does")
    if len(text) > ROWS:
        tell(f"the last {ROWS} of {len(text)} positions; the figure shows all")


def _shown(layers: int, width: int) -> range:
    """Indices of as many layers as have room, evenly spaced, up to the last."""
    room = max(1, (width - REST) // NARROW_CELL)
    return range((layers - 1) % -(-layers // room), layers, -(-layers // room))


def _cell(symbol: str, chance: float, wide: bool) -> str:
    """A predicted symbol, with its probability in percent where there is room."""
    from nanoscope.plots.style import visible_character

    return f"{visible_character(symbol)} {100 * chance:3.0f}" if wide else visible_character(symbol)


def _style(follows: str, symbol: str, chance: float) -> str:
    """Green where the lens is right; dim where its top probability is below 20 %."""
    return "green" if symbol == follows else "dim" if chance < 0.2 else ""
