"""`nanoscope neurons`: which hidden units tell what, what one of them looks like, and which fire on a text of one's own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tyro
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from nanoscope.cli.console import CONSOLE, open_text, say, thread_count
from nanoscope.errors import NanoscopeError

if TYPE_CHECKING:
    import numpy as np

    from nanoscope.analysis.neurons.statistics import OverText
    from nanoscope.evidence.sweep import Sweep
    from nanoscope.experiments.neurons.measure import Setting

Neuron = tuple[int, int]
LISTED, DRAWN, FIRING = 16, 4, 8
FIRES = 0.3
"""A neuron fires where it is above this share of its largest activation."""


@dataclass(frozen=True)
class NeuronsCommand:
    """Which hidden units tell which concepts, with examples; or the card of one; or which fire on your own text.

    `nanoscope neurons CKPT`, `nanoscope neurons CKPT --layer 2 --neuron 17`, `nanoscope neurons CKPT --text "To be"`.
    """

    checkpoint: tyro.conf.Positional[Path]
    text: str | None = None
    """A text of your own, at most as long as the model's context: which neurons fire where on it?"""
    layer: int | None = None
    """With --neuron: the card of this one."""
    neuron: int | None = None
    data: str | None = None
    """Text to look at: any file, or shakespeare, code or wiki; without it, shakespeare."""
    threads: int = 0
    """CPU threads; 0 takes all cores."""
    out: Path = Path("runs/mine/neurons.png")
    """The figure of cards; that of your own text lies beside it."""


def run_neurons(command: NeuronsCommand) -> None:
    """Look at every neuron, print what is found, draw it."""
    import torch

    from nanoscope.checkpoints.checkpoint import load
    from nanoscope.experiments.experiment import Subject
    from nanoscope.experiments.neurons.measure import QUICK, logit_weights, over_text, setting_of

    torch.set_num_threads(thread_count(command.threads))
    checkpoint = load(command.checkpoint)
    with CONSOLE.status("neurons over the text"):
        subject = Subject(checkpoint, open_text(command.data), f"the model {command.checkpoint}")
        setting = setting_of(subject, QUICK)
        one = _chosen(command, setting)
        if command.text is not None:
            _tokens_of(command.text, setting)
        over, weights = over_text(setting), logit_weights(setting)
    told = _print_all(setting, over, weights) if one is None else _print_one(setting, over, weights, one)
    _draw_cards(command, setting, over, weights, told)
    if command.text is not None:
        _print_text(command, setting, over, told)


def _chosen(command: NeuronsCommand, setting: Setting) -> Neuron | None:
    """The neuron that was asked for."""
    if command.layer is None and command.neuron is None:
        return None
    if command.layer is None or command.neuron is None:
        raise NanoscopeError("one neuron is named by --layer and --neuron together")
    config = setting.model.config
    if not (0 <= command.layer < config.n_layer and 0 <= command.neuron < config.d_mlp):
        raise NanoscopeError(
            f"there is no neuron {command.neuron} in layer {command.layer}; the model has layers 0..{config.n_layer - 1} "
            f"of neurons 0..{config.d_mlp - 1}"
        )
    return command.layer, command.neuron


# ---- all of them ---------------------------------------------------------------------------------------------------


def _print_all(setting: Setting, over: OverText, weights: Sweep) -> dict[Neuron, str]:
    """The most selective neurons in a table; which they are, each with the concept that it tells best."""
    from nanoscope.experiments.neurons.judge import best_neurons, corrected_p, neuron_of
    from nanoscope.experiments.neurons.labels import CONTEXT, KIND
    from nanoscope.experiments.neurons.measure import search_in
    from nanoscope.experiments.neurons.search import described, report

    with CONSOLE.status("the best neuron for every concept, and under shifted labels"):
        found = search_in(setting)
        seed, labels = setting.params.seed, setting.select.labels
        sweeps = report(setting.model, setting.untrained, setting.report, found, seed)
        sweeps |= described(found, labels)
    value, p = best_neurons(sweeps)[0], corrected_p(sweeps)
    kept = [c for c, family in enumerate(labels.families) if family in (CONTEXT, KIND)]
    order = sorted(kept, key=lambda c: (labels.families[c] != CONTEXT, -value[c]))[:LISTED]
    table = Table("concept", "neuron", "AUROC", "p", "untrained", "raises", "strongest example")
    untrained = best_neurons(sweeps, "untrained")[0]
    told: dict[Neuron, str] = {}
    for c in order:
        neuron = (int(found.layer[c]), int(found.neuron[c]))
        told.setdefault(neuron, f"best for {labels.names[c]} {value[c]:.2f}")
        table.add_row(
            labels.names[c], neuron_of(sweeps, c), f"{value[c]:.3f}", f"{p[c]:.3f}", f"{untrained[c]:.3f}",
            _raised(weights, neuron), _example(setting, int(over.top.places[neuron][0]), 12),
        )  # fmt: skip
    CONSOLE.print(table)
    say(
        f"best neurons chosen on {setting.select.windows.places.size:,} characters, AUROC on "
        f"{setting.report.windows.places.size:,} others; p over all neurons and the concepts of a family, of "
        f"{found.chance.shape[1]:,} shifts of the labels; untrained: the best neuron of a model of random weights"
    )
    return told


# ---- one of them ---------------------------------------------------------------------------------------------------


def _print_one(setting: Setting, over: OverText, weights: Sweep, neuron: Neuron) -> dict[Neuron, str]:
    """What one neuron does, and the concepts that it tells best."""
    from nanoscope.experiments.neurons.search import told_by
    from nanoscope.model.names import neuron_name

    best = told_by(setting.model, setting.report, neuron)[:3]
    said = ", ".join(f"{name} {value:.2f}" for name, value in best)
    values = dict(
        zip(over.statistics.labels("statistic"), over.statistics.values[:, neuron[0], neuron[1]], strict=True)
    )
    say(f"{neuron_name(*neuron)}: AUROC {said}; raises {_raised(weights, neuron)}")
    say(", ".join(f"{name} {value:.3g}" for name, value in values.items()))
    table = Table("", "activation", "text")
    for kind, examples in (("top", over.top), ("decile", over.deciles), ("bottom", over.bottom)):
        for place, value in zip(examples.places[neuron][:8], examples.activations[neuron][:8], strict=True):
            if place >= 0:
                table.add_row(kind, f"{value:.2f}", _example(setting, int(place), 36))
    CONSOLE.print(table)
    return {neuron: f"AUROC {said}"}


def _example(setting: Setting, place: int, radius: int) -> Text:
    """The text around a place, with the character there marked."""
    from nanoscope.plots.style import visible_character

    text = setting.subject.corpus.text

    def shown(part: str) -> str:
        return "".join(symbol if symbol == " " else visible_character(symbol) for symbol in part)

    if place < 0:
        return Text()
    before, after = text[max(0, place - radius) : place], text[place + 1 : place + 1 + radius // 2]
    return Text.assemble(shown(before).rjust(radius), (shown(text[place]), "reverse"), shown(after))


def _raised(weights: Sweep, neuron: Neuron) -> str:
    from nanoscope.plots.style import visible_character

    row, symbols = weights.values[neuron], weights.labels("token")
    return escape(" ".join(visible_character(str(symbols[i])) for i in (-row).argsort(kind="stable")[:4]))


def _draw_cards(
    command: NeuronsCommand, setting: Setting, over: OverText, weights: Sweep, told: dict[Neuron, str]
) -> None:
    from nanoscope.experiments.neurons import figures
    from nanoscope.experiments.neurons.cards import cards
    from nanoscope.model.names import neuron_name
    from nanoscope.plots.style import save_png

    shown = list(told)[:DRAWN]
    sweeps = cards(setting.model, over, setting.whole, setting.text, weights, shown)
    titles = {neuron_name(*neuron): told[neuron] for neuron in shown}
    save_png(figures.cards(sweeps, f"{command.checkpoint}", titles), command.out)
    say(f"figure: {command.out}")


# ---- a text of one's own -------------------------------------------------------------------------------------------


def _print_text(command: NeuronsCommand, setting: Setting, over: OverText, told: dict[Neuron, str]) -> None:
    """Which neurons fire where: those that tell something, then those that come nearest to their maximum here."""
    from nanoscope.experiments.neurons.figures import on_text
    from nanoscope.model.names import neuron_name
    from nanoscope.plots.style import save_png

    text = command.text or ""
    shares = _shares(setting, over, text)
    rows: list[tuple[Neuron, str]] = [(n, f"{neuron_name(*n)} {of}") for n, of in told.items()]
    peaks = shares.max(axis=2)
    for place in (-peaks).ravel().argsort(kind="stable")[: FIRING + len(rows)]:
        neuron = (int(place) // peaks.shape[1], int(place) % peaks.shape[1])
        if neuron not in told and len(rows) < len(told) + FIRING:
            rows.append((neuron, f"{neuron_name(*neuron)} {peaks[neuron]:.0%} of its maximum"))
    table = Table("neuron", f"fires (marked: above {FIRES:.0%} of its maximum)")
    for neuron, name in rows:
        table.add_row(escape(name), _marked(text, shares[neuron] > FIRES))
    CONSOLE.print(table)
    path = command.out.with_stem(f"{command.out.stem}-text")
    values = shares[tuple(zip(*(neuron for neuron, _ in rows), strict=True))]
    save_png(on_text(values, text, [name for _, name in rows], "which neurons fire where"), path)
    say(f"figure: {path}")


def _tokens_of(text: str, setting: Setting) -> Any:
    """The text as the model reads it, `[1, pos]`; NanoscopeError where it does not fit."""
    from nanoscope.text.windows import started

    size = setting.whole.size
    if not 0 < len(text) <= size:
        raise NanoscopeError(
            f"the text has {len(text)} characters; give 1 to {size}, as many as the model reads at once"
        )
    return started(setting.checkpoint.encode(text), setting.subject.start)[None]


def _shares(setting: Setting, over: OverText, text: str) -> np.ndarray:
    """Activations on the text as shares of each neuron's largest over the corpus, `[layer, neuron, char]`."""
    import numpy as np

    from nanoscope.interventions.run import run

    post = run(setting.model, _tokens_of(text, setting), keep=["post"]).cache.layers("post")[:, 0, setting.whole.lead :]
    largest = over.statistics.sel(statistic="max").values
    return post.mT.cpu().numpy() / np.where(largest > 0, largest, np.inf)[..., None]


def _marked(text: str, fires: np.ndarray) -> Text:
    """The text with what the neuron fires on marked: in a terminal by colour, in a log by brackets."""
    from nanoscope.plots.style import visible_character

    marked, before = Text(), False
    for symbol, now in zip(text, fires.tolist(), strict=True):
        marked.append(_bracket(before, now))
        marked.append(symbol if symbol == " " else visible_character(symbol), "reverse" if now else None)
        before = now
    return marked.append(_bracket(before, False))


def _bracket(before: bool, now: bool) -> str:
    return "" if CONSOLE.is_terminal or before == now else "‹" if now else "›"
