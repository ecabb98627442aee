"""`nanoscope neurons`: which hidden units tell what, what one of them looks like, and which fire on a text of one's own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table
from rich.text import Text

from nanoscope.cli.console import CONSOLE, ModelOptions, open_model, open_text, save_figure, say
from nanoscope.errors import NanoscopeError

if TYPE_CHECKING:
    from nanoscope.views.neurons import Neuron, NeuronsOverText

LISTED, DRAWN, FIRING = 16, 4, 8
FIRES = 0.3
"""A neuron fires where it is above this share of its largest activation."""


@dataclass(frozen=True)
class NeuronsCommand(ModelOptions):
    """Which hidden units tell which concepts, with examples; or the card of one; or which fire on your own text.

    `nanoscope neurons CKPT`, `nanoscope neurons CKPT --layer 2 --neuron 17`, `nanoscope neurons CKPT --text "To be"`.
    """

    text: str | None = None
    """A text of your own, at most as long as the model's context: which neurons fire where on it?"""
    layer: int | None = None
    """With --neuron: the card of this one."""
    neuron: int | None = None
    out: Path = Path("runs/mine/neurons.png")
    """The figure of cards; that of your own text lies beside it."""


def run_neurons(command: NeuronsCommand) -> None:
    """Look at every neuron, print what is found, draw it."""
    from nanoscope.experiments.neurons.figures import cards
    from nanoscope.model.names import neuron_name
    from nanoscope.views.neurons import NeuronsOverText

    checkpoint = open_model(command.checkpoint, command.threads)
    with CONSOLE.status("neurons over the text"):
        view = NeuronsOverText.of(checkpoint, open_text(command.data), f"the model {command.checkpoint}")
        one = _chosen(command, view)
        if command.text is not None:
            view.tokens(command.text)  # refuses what does not fit before anything is measured
        _ = view.over, view.weights
    titles = _print_best(view) if one is None else _print_one(view, one)
    shown = list(titles)[:DRAWN]
    named = {neuron_name(*neuron): titles[neuron] for neuron in shown}
    save_figure(cards(view.cards(shown), str(command.checkpoint), named), command.out)
    if command.text is not None:
        _print_text(command.text, view, titles, command.out.with_stem(f"{command.out.stem}-text"))


def _chosen(command: NeuronsCommand, view: NeuronsOverText) -> Neuron | None:
    """The neuron that was asked for."""
    if command.layer is None and command.neuron is None:
        return None
    if command.layer is None or command.neuron is None:
        raise NanoscopeError("one neuron is named by --layer and --neuron together")
    return view.neuron(command.layer, command.neuron)


def _print_best(view: NeuronsOverText) -> dict[Neuron, str]:
    """The most selective neurons in a table; which they are, each with the concept that it tells best."""
    with CONSOLE.status("the best neuron for every concept, and under shifted labels"):
        best, shifts = view.best(LISTED)
    table = Table("concept", "neuron", "AUROC", "p", "untrained", "raises", "strongest example")
    titles: dict[Neuron, str] = {}
    for row in best:
        titles.setdefault(row.neuron, f"best for {row.concept} {row.auroc:.2f}")
        values = [f"{value:.3f}" for value in (row.auroc, row.p, row.untrained)]
        example = _example(view, int(view.over.top.places[row.neuron][0]), 12)
        table.add_row(row.concept, row.name, *values, escape(_raised(view, row.neuron)), example)
    CONSOLE.print(table)
    chosen, measured = (part.windows.places.size for part in (view.setting.select, view.setting.report))
    say(
        f"best neurons chosen on {chosen:,} characters, AUROC on {measured:,} others; p over all neurons and the concepts "
        f"of a family, of {shifts:,} shifts of the labels; untrained: the best neuron of a model of random weights"
    )
    return titles


def _print_one(view: NeuronsOverText, neuron: Neuron) -> dict[Neuron, str]:
    """What one neuron does, and the concepts that it tells best."""
    from nanoscope.model.names import neuron_name

    concepts = ", ".join(f"{name} {value:.2f}" for name, value in view.concepts_of(neuron))
    statistics = view.over.statistics
    say(f"{neuron_name(*neuron)}: AUROC {concepts}; raises {_raised(view, neuron)}")
    values = zip(statistics.labels("statistic"), statistics.values[:, *neuron], strict=True)
    say(", ".join(f"{name} {value:.3g}" for name, value in values))
    table = Table("", "activation", "text")
    for kind, examples in (("top", view.over.top), ("decile", view.over.deciles), ("bottom", view.over.bottom)):
        for place, value in zip(examples.places[neuron][:8], examples.activations[neuron][:8], strict=True):
            if place >= 0:
                table.add_row(kind, f"{value:.2f}", _example(view, int(place), 36))
    CONSOLE.print(table)
    return {neuron: f"AUROC {concepts}"}


def _print_text(text: str, view: NeuronsOverText, titles: dict[Neuron, str], figure: Path) -> None:
    """Which neurons fire where: those that tell something, then those that come nearest to their maximum here."""
    from nanoscope.experiments.neurons.figures import on_text
    from nanoscope.model.names import neuron_name

    active = view.active(text, list(titles), FIRING)
    table, names = Table("neuron", f"fires (marked: above {FIRES:.0%} of its maximum)"), []
    for neuron, shares in zip(active.neurons, active.shares, strict=True):
        names.append(f"{neuron_name(*neuron)} {titles.get(neuron) or f'{shares.max():.0%} of its maximum'}")
        table.add_row(escape(names[-1]), _marked(text, (shares > FIRES).tolist()))
    CONSOLE.print(table)
    save_figure(on_text(active.shares, text, names, "which neurons fire where"), figure)


def _raised(view: NeuronsOverText, neuron: Neuron) -> str:
    from nanoscope.plots.style import visible_character

    return " ".join(map(visible_character, view.raised_by(neuron)))


def _visible(text: str) -> str:
    """A line of text: spaces stay what they are."""
    from nanoscope.plots.style import visible_character

    return "".join(symbol if symbol == " " else visible_character(symbol) for symbol in text)


def _example(view: NeuronsOverText, place: int, radius: int) -> Text:
    """The text around a place, with the character there marked."""
    text = view.setting.subject.corpus.text
    if place < 0:
        return Text()
    before, after = text[max(0, place - radius) : place], text[place + 1 : place + 1 + radius // 2]
    return Text.assemble(_visible(before).rjust(radius), (_visible(text[place]), "reverse"), _visible(after))


def _marked(text: str, fires: list[bool]) -> Text:
    """The text with what the neuron fires on marked: in a terminal by colour, in a log by brackets."""
    marked, before = Text(), False
    for symbol, now in zip(text, fires, strict=True):
        marked.append(_bracket(before, now))
        marked.append(_visible(symbol), "reverse" if now else None)
        before = now
    return marked.append(_bracket(before, False))


def _bracket(before: bool, now: bool) -> str:
    return "" if CONSOLE.is_terminal or before == now else "‹" if now else "›"
