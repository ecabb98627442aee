"""`nanoscope lens`: what the model would say after each layer, along a text of one's own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rich.table import Table
from rich.text import Text

from nanoscope.cli.console import CONSOLE, ModelOptions, open_model, open_text, save_figure, say

if TYPE_CHECKING:
    from nanoscope.checkpoints.checkpoint import Checkpoint
    from nanoscope.views.lens import Lens, LensReading

ROWS = 40


@dataclass(frozen=True)
class LensCommand(ModelOptions):
    """What would the model say if it stopped after each layer? `nanoscope lens CKPT --text "ROMEO: the cat"`.

    One row per character: the most probable next one after each layer, with its probability in percent, and after how many
    layers the prediction has settled (KL to the output stays below 0.1 nats).
    """

    text: str | None = None
    """The text to read; without it, the beginning of a speech."""
    lens: Literal["logit", "tuned"] = "logit"
    """tuned: fitted first, on the text that --data names."""
    out: Path = Path("runs/mine/lens.png")
    """The figure."""


def run_lens(command: LensCommand) -> None:
    """Read along, print the table, and draw it."""
    from nanoscope.experiments.lenses.figures import sentence
    from nanoscope.views import lens as view

    checkpoint = open_model(command.checkpoint, command.threads)
    text = command.text
    if text is None:
        text = view.opening(open_text(command.data), checkpoint.model.config.block_size)
    reading = view.read(checkpoint, text, _lens(command, checkpoint))
    _print(reading)
    figure = sentence(reading.values, reading.symbols, f"{command.lens} lens", str(command.checkpoint))
    save_figure(figure, command.out)


def _lens(command: LensCommand, checkpoint: Checkpoint) -> Lens:
    from nanoscope.views.lens import fitted

    if command.lens == "logit":
        return checkpoint.model.unembed
    with CONSOLE.status("fitting the tuned lens"):
        fit = fitted(checkpoint, open_text(command.data))
    kl = f"{fit.course.values[0].mean():.3f} -> {fit.course.values.min(0).mean():.3f} nats"
    say(f"tuned lens: KL to the output {kl}, mean over layers, on text it was not fitted on")
    return fit.translation.lens(checkpoint.model)


def _print(reading: LensReading) -> None:
    """One row per character, the last `ROWS` of them."""
    from nanoscope.plots.style import visible_character

    text, symbols = reading.text, reading.symbols
    names = ["embedding", *(f"L{layer}" for layer in range(len(reading.values.labels("layer")) - 1))]
    table = Table("read", *names, "follows", "settled after")
    top, chance = (reading.values.sel(measure=measure).values for measure in ("top", "chance"))
    for place in range(max(0, len(text) - ROWS), len(text)):
        follows = text[place + 1] if place + 1 < len(text) else ""
        said = [(symbols[int(token)], p) for token, p in zip(top[:, place], chance[:, place], strict=True)]
        cells = [Text(f"{visible_character(one)} {100 * p:3.0f}", style=_style(one, follows, p)) for one, p in said]
        read = Text(visible_character(text[place]), style="bold")
        table.add_row(read, *cells, visible_character(follows), names[reading.settled[place]])
    CONSOLE.print(table)
    if len(text) > ROWS:
        say(f"the last {ROWS} of {len(text)} characters; the figure has them all")


def _style(symbol: str, follows: str, chance: float) -> str:
    """Green where the lens is right; dim where it is not sure of anything."""
    return "green" if symbol == follows else "dim" if chance < 0.2 else ""
