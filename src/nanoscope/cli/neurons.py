"""`nanoscope neurons`: neurons that encode concepts, the card of one neuron, or the neurons active on a text of your own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Column
from rich.text import Text

from nanoscope.cli.bars import progress
from nanoscope.cli.console import (
    CONSOLE,
    GivenNumber,
    GivenText,
    ModelOptions,
    narrow_table,
    open_subject,
    read_prompt,
    save_figure,
    tell,
)
from nanoscope.cli.figure_files import FigureFile, figure_file, require_figure_file
from nanoscope.cli.marked_text import marked, visible
from nanoscope.errors import NanoscopeError

if TYPE_CHECKING:
    from nanoscope.views.neurons import ConceptNeurons, Neuron, NeuronsOverText, TellingNeuron

LISTED, SILENT, DRAWN, FIRING = 16, 4, 4, 8
FIRES = 0.3
"""A neuron fires where its activation exceeds this share of its maximum."""
WITH_EXAMPLES, BESIDE_TEXT = 86, 25
"""Width of a table that has room for examples, and what a table takes beside a text."""


@dataclass(frozen=True)
class NeuronsCommand(ModelOptions):
    """Which neurons encode which concepts, with examples; or the card of one neuron; or which fire on your own text.

    `nanoscope neurons CKPT`, `nanoscope neurons CKPT --layer 2 --neuron 17`, `nanoscope neurons CKPT --text "To be"`.
    """

    text: GivenText = None
    """A text of your own: show which neurons fire where."""
    layer: GivenNumber = None
    """Layer of --neuron; shows that neuron's card."""
    neuron: GivenNumber = None
    """The neuron of --layer whose card is shown."""
    out: FigureFile = None
    """File of the figure of cards: .png, .svg or .pdf; the figure of your own text is written next to it."""


def run_neurons(command: NeuronsCommand) -> None:
    """Measure every neuron, print the table, and draw the cards."""
    from nanoscope.model.names import neuron_name
    from nanoscope.plots.neuron_cards import cards
    from nanoscope.views.neurons import NeuronsOverText

    require_figure_file(command.out)
    checkpoint, corpus = open_subject(command)
    text = None if command.text is None else read_prompt(checkpoint, command.text)
    with progress("neurons") as show:
        view = NeuronsOverText.of(checkpoint, corpus, f"the model {command.checkpoint}", show)
        one = _chosen(command, view)
        if text is not None:
            view.tokens(text)  # rejects an empty text before anything is measured
        _ = view.over
    titles = _print_best(view) if one is None else _print_one(view, one)
    shown = list(titles)[:DRAWN]
    named = {neuron_name(*neuron): titles[neuron] for neuron in shown}
    of = (checkpoint.sha256, command.data, command.layer, command.neuron)
    file = figure_file(command.out, "neurons", text or "", *of)
    if shown:
        save_figure(cards(view.cards(shown), str(command.checkpoint), named), file)
    if text is not None:
        _print_text(text, view, titles, file.with_stem(f"{file.stem}-text"))


def _chosen(command: NeuronsCommand, view: NeuronsOverText) -> Neuron | None:
    """The neuron that --layer and --neuron name, if any."""
    if command.layer is None and command.neuron is None:
        return None
    if command.layer is None or command.neuron is None:
        raise NanoscopeError("give --layer and --neuron together")
    return view.neuron(command.layer, command.neuron)


def _print_best(view: NeuronsOverText) -> dict[Neuron, str]:
    """Print the neurons that are on for each concept, then the most silent ones; returns neuron -> title naming its best
    concept."""
    with progress("neurons") as show:
        best, shifts = view.best(LISTED, show)
    if not best:
        tell(
            "no concept occurs often enough in the text to search for its neuron; give a longer text, or one with more "
            "variety, with --data, or one neuron with --layer and --neuron"
        )
        return {}
    wide = CONSOLE.width >= WITH_EXAMPLES
    fixed = ("on", "AUROC", "active", "p", "chance", "raises", *["strongest example"] * wide)
    table = narrow_table("concept", *(Column(name, no_wrap=True) for name in fixed))
    titles: dict[Neuron, str] = {}
    for row in best:
        titles.setdefault(row.on.neuron, f"best for {row.concept} {row.on.auroc:.2f}")
        values = [f"{row.on.auroc:.3f}", _active(row.on), f"{row.p:.3f}", f"{max(row.directions, row.untrained):.3f}"]
        example = _example(view, int(view.over.top.places[row.on.neuron][0]), 12)
        table.add_row(row.concept, row.on.name, *values, escape(_raised(view, row.on.neuron)), *[example] * wide)
    CONSOLE.print(table)
    _print_silent(best)
    chosen, measured = (part.windows.places.size for part in (view.setting.select, view.setting.report))
    if not wide:
        tell("a wider terminal also shows each neuron's strongest example, as the figure does")
    tell(
        f"neurons chosen on {chosen:,} characters, AUROC of their input (before the activation function) on {measured:,} "
        "others; active: share of the characters with the concept, and of those without, on which the neuron is above 0; "
        f"p from {shifts:,} circular shifts of the labels, corrected for all neurons and the concepts of a family; chance: the "
        "better of as many random directions and of an untrained model's neurons"
    )
    return titles


def _print_silent(best: Sequence[ConceptNeurons]) -> None:
    """Print the neurons that are off on a concept more clearly than others are on."""
    table = narrow_table("concept", "silent on it", "AUROC", "active")
    for row in sorted(best, key=lambda row: row.silent.auroc)[:SILENT]:
        table.add_row(row.concept, row.silent.name, f"{row.silent.auroc:.3f}", _active(row.silent))
    CONSOLE.print(table)


def _active(neuron: TellingNeuron) -> str:
    """Where a neuron is active: `98/3 %`, of the concept's characters and of all others."""
    return f"{100 * neuron.inside:.0f}/{100 * neuron.outside:.0f} %"


def _print_one(view: NeuronsOverText, neuron: Neuron) -> dict[Neuron, str]:
    """Print one neuron's statistics, examples and concepts; returns neuron -> title."""
    from nanoscope.model.names import neuron_name

    on, silent = (", ".join(f"{name} {value:.2f}" for name, value in some) for some in view.concepts_of(neuron))
    statistics = view.over.statistics
    tell(f"{neuron_name(*neuron)}: AUROC {on}; silent on {silent}; raises {_raised(view, neuron)}")
    values = zip(statistics.labels("statistic"), statistics.values[:, *neuron], strict=True)
    tell(", ".join(f"{name} {value:.3g}" for name, value in values))
    radius = min(36, 2 * (CONSOLE.width - BESIDE_TEXT) // 3)
    table = narrow_table("", "activation", Column("text", no_wrap=True))
    for kind, examples in (("top", view.over.top), ("decile", view.over.deciles), ("bottom", view.over.bottom)):
        for position, value in zip(examples.places[neuron][:8], examples.activations[neuron][:8], strict=True):
            if position >= 0:
                table.add_row(kind, f"{value:.2f}", _example(view, int(position), radius))
    CONSOLE.print(table)
    return {neuron: f"AUROC {on}; silent on {silent}"}


def _print_text(text: str, view: NeuronsOverText, titles: dict[Neuron, str], figure: Path) -> None:
    """Which neurons fire where: first those of the table, then those closest to their maximum on this text."""
    from nanoscope.model.names import neuron_name
    from nanoscope.plots.neuron_cards import on_text

    active, pieces = view.active(text, list(titles), FIRING), view.setting.checkpoint.pieces(text)
    table, names = narrow_table("neuron", f"fires (marked: above {FIRES:.0%} of its maximum)"), []
    for neuron, shares in zip(active.neurons, active.shares, strict=True):
        names.append(f"{neuron_name(*neuron)} {titles.get(neuron) or f'{shares.max():.0%} of its maximum'}")
        table.add_row(escape(names[-1]), marked(pieces, (shares > FIRES).tolist()))
    CONSOLE.print(table)
    save_figure(on_text(active.shares, pieces, names, "which neurons fire where"), figure)


def _raised(view: NeuronsOverText, neuron: Neuron) -> str:
    from nanoscope.plots.style import visible_character

    return " ".join(map(visible_character, view.raised_by(neuron)))


def _example(view: NeuronsOverText, position: int, radius: int) -> Text:
    """The text around a position, with its character marked; empty for a negative position."""
    text = view.setting.subject.corpus.text
    if position < 0:
        return Text()
    before, after = text[max(0, position - radius) : position], text[position + 1 : position + 1 + radius // 2]
    return Text.assemble(visible(before).rjust(radius), (visible(text[position]), "reverse"), visible(after))
