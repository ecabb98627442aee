"""`nanoscope lens`: what the model would say after each layer, along a text of one's own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import tyro
from rich.table import Table
from rich.text import Text

from nanoscope.cli.console import CONSOLE, open_text, say, thread_count
from nanoscope.errors import NanoscopeError

if TYPE_CHECKING:
    from nanoscope.analysis.prediction.logit_lens import Lens
    from nanoscope.checkpoints.checkpoint import Checkpoint
    from nanoscope.evidence.sweep import Sweep

ROWS = 40
FIT_WINDOWS, HELD_OUT_WINDOWS = 256, 32
"""Windows of text that the tuned lens is fitted on and stopped by."""


@dataclass(frozen=True)
class LensCommand:
    """What would the model say if it stopped after each layer? `nanoscope lens CKPT --text "ROMEO: the cat"`.

    One row per character: the most probable next one after each layer, with its probability in percent, and after how many
    layers the prediction has settled (KL to the output stays below 0.1 nats).
    """

    checkpoint: tyro.conf.Positional[Path]
    text: str | None = None
    """The text to read; without it, the beginning of a speech."""
    lens: Literal["logit", "tuned"] = "logit"
    """tuned: fitted first, on the text that --data names."""
    data: str | None = None
    """Any text file, or shakespeare, code or wiki (then a file of that name is ./code); without it, shakespeare."""
    threads: int = 0
    """CPU threads; 0 takes all cores."""
    out: Path = Path("runs/mine/lens.png")
    """The figure."""


def run_lens(command: LensCommand) -> None:
    """Read along, print the table, and draw it."""
    import torch

    from nanoscope.analysis.prediction import logit_lens as lens
    from nanoscope.checkpoints.checkpoint import load
    from nanoscope.experiments.lenses.figures import sentence
    from nanoscope.plots.style import save_png

    torch.set_num_threads(thread_count(command.threads))
    checkpoint = load(command.checkpoint)
    vocabulary = checkpoint.vocabulary
    if vocabulary is None:
        raise NanoscopeError(f"{command.checkpoint} has no vocabulary, so no text can be read into it")
    text = command.text if command.text is not None else _speech(command.data, checkpoint)
    if not text:
        raise NanoscopeError("the text is empty; give some with --text")
    tokens = vocabulary.encode(text)
    read = lens.on_sentence(checkpoint.model, tokens, _chosen(command, checkpoint), vocabulary.start)
    read = replace(read, coords={**read.coords, "place": tuple(text)})
    symbols = vocabulary.names(checkpoint.model.config.vocab_size)
    _print(read, symbols)
    save_png(sentence(read, symbols, f"{command.lens} lens", str(command.checkpoint)), command.out)
    say(f"figure: {command.out}")


def _speech(data: str | None, checkpoint: Checkpoint) -> str:
    """The beginning of the first speech of the validation text, as long as one row of the figure."""
    from nanoscope.text.windows import first_speech

    text = open_text(data).val
    begins = first_speech(text)
    return text[begins : begins + min(30, checkpoint.model.config.block_size - 1)]


def _chosen(command: LensCommand, checkpoint: Checkpoint) -> Lens:
    from nanoscope.analysis.prediction import tuned_lens
    from nanoscope.text.passages import windows_to_fit

    model, vocabulary = checkpoint.model, checkpoint.vocabulary
    if command.lens == "logit":
        return model.unembed
    tokens, start = checkpoint.encode(open_text(command.data).train), vocabulary.start if vocabulary else None
    windows = windows_to_fit(tokens, model.config.block_size, FIT_WINDOWS, HELD_OUT_WINDOWS, start)
    with CONSOLE.status("fitting the tuned lens"):
        train, held_out = (tuned_lens.collect(model, some) for some in windows)
        fit = tuned_lens.fit(model, train, held_out, tuned_lens.Settings(steps=150, batch=2048), "command line")
    before, after = fit.course.values[0].mean(), fit.course.values.min(0).mean()
    say(
        f"tuned lens: KL to the output {before:.3f} -> {after:.3f} nats, mean over layers, on text it was not fitted on"
    )
    return fit.translation.lens(model)


def _print(read: Sweep, symbols: tuple[str, ...]) -> None:
    """One row per character, the last `ROWS` of them."""
    from nanoscope.analysis.prediction.logit_lens import NEAR, settled

    readings = len(read.labels("layer"))
    names = ["embedding", *(f"L{layer}" for layer in range(readings - 1))]
    table = Table("read", *names, "follows", "settled after")
    text = [str(symbol) for symbol in read.labels("place")]
    top, chance, kl = (read.sel(measure=measure).values for measure in ("top", "chance", "kl"))
    depths = settled(kl < NEAR)
    for place in range(max(0, len(text) - ROWS), len(text)):
        follows = text[place + 1] if place + 1 < len(text) else ""
        said = [(symbols[int(top[layer, place])], chance[layer, place]) for layer in range(readings)]
        cells = [Text(f"{_shown(symbol)} {100 * p:3.0f}", style=_style(symbol, follows, p)) for symbol, p in said]
        depth = "embedding" if depths[place] == 0 else f"L{depths[place] - 1}"
        table.add_row(Text(_shown(text[place]), style="bold"), *cells, _shown(follows), depth)
    CONSOLE.print(table)
    if len(text) > ROWS:
        say(f"the last {ROWS} of {len(text)} characters; the figure has them all")


def _style(symbol: str, follows: str, chance: float) -> str:
    """Green where the lens is right; dim where it is not sure of anything."""
    return "green" if symbol == follows else "dim" if chance < 0.2 else ""


def _shown(symbol: str) -> str:
    return {"\n": "↵", " ": "␣"}.get(symbol, symbol)
