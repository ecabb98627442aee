"""What `nanoscope dictionary show` prints of features: concepts, one feature's card, features on a text, a steered text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Column
from rich.text import Text

from nanoscope.cli.bars import progress
from nanoscope.cli.console import CONSOLE, narrow_table, read_prompt, save_figure, say, tell
from nanoscope.cli.marked_text import marked, visible
from nanoscope.errors import NanoscopeError

if TYPE_CHECKING:
    from nanoscope.checkpoints.checkpoint import Checkpoint
    from nanoscope.dictionaries.store import Dictionary
    from nanoscope.text.corpora.corpus import Corpus
    from nanoscope.views.features import ConceptFeature, FeatureCard, FeatureView

LISTED, ACTIVE, WRITTEN, STANDING_IN = 16, 10, 160, 3
"""Concepts of a table, features of a text, tokens of a continued text, and features that stand in for a concept's own."""
MARKED = 0.3
"""A feature is marked on a text where it exceeds this share of its largest value."""


def features_of(dictionary: Dictionary, checkpoint: Checkpoint, corpus: Corpus) -> FeatureView:
    """The features of a dictionary over a text."""
    from nanoscope.views.features import FeatureView

    with progress("features") as show:
        view = FeatureView.of(dictionary, checkpoint, corpus, show)
        _ = view.whole
    return view


def print_concepts(view: FeatureView) -> None:
    """The feature that tells each concept best, and how much of the concept others stand in for."""
    with progress("features") as show:
        show("the features of every concept, and their null distribution", 0, 1)
        found = view.concepts(LISTED)
    if not found:
        return tell("no concept occurs often enough in the text to search for its feature; give more text with --data")
    fixed = ("feature", "AUROC", "active", "p", "missed", "absorbed")
    table = narrow_table("concept", *(Column(name, justify="right", no_wrap=True) for name in fixed))
    for row in found:
        shares = (f"{100 * share:.0f} %" for share in (row.absorption.missed, row.absorption.absorbed))
        active = f"{100 * row.inside:.0f}/{100 * row.outside:.0f} %"
        table.add_row(row.concept, str(row.feature), f"{row.auroc:.3f}", active, f"{row.p:.3f}", *shares)
    CONSOLE.print(table)
    for line in (*_stand_ins(found), *_nested(found)):
        tell(line)
    tell(
        "features chosen on training text, measured on other text; active: percent of the concept's characters, and of all "
        "others, on which the feature is active; p from shifted labels, corrected for all features; missed: characters of the "
        "concept on which the feature is silent; absorbed: those of these, of all its characters, that another feature carries"
    )
    return None


def _stand_ins(found: Sequence[ConceptFeature]) -> list[str]:
    """For the concepts that are absorbed most, which features stand in."""
    most = sorted(found, key=lambda row: -row.absorption.absorbed)[:STANDING_IN]
    return [
        f"{row.concept}: where {row.feature} is silent, "
        + ", ".join(f"{feature} carries it ({100 * share:.0f} %)" for feature, share in row.absorption.by[:STANDING_IN])
        for row in most
        if row.absorption.by
    ]


def _nested(found: Sequence[ConceptFeature]) -> list[str]:
    """AUROCs among characters that agree in another concept."""
    named = [
        f"{row.concept}, given {other} {value:.2f}"
        for row in found
        for other, value in row.given
        if not math.isnan(value)
    ]
    return [f"AUROC given another concept: {'; '.join(named)}"] if named else []


def print_card(card: FeatureCard) -> None:
    """One feature: where it is active, what it writes, which concepts it tells."""
    tell(f"feature {card.feature}: active on {100 * card.density:.2f} % of the text, at most {card.largest:.3g}")
    if not card.examples:
        return tell("it is never active on this text, so there is nothing to show")
    tell(f"raises {_symbols(card.raises)}; lowers {_symbols(card.lowers)} (logits by its direct path, at its largest)")
    named = (
        f"{one.concept} {one.auroc:.2f} ({100 * one.inside:.0f}/{100 * one.outside:.0f} %)" for one in card.concepts
    )
    tell(f"tells, beyond shifted labels: {', '.join(named) or 'no concept'}")
    table = narrow_table(
        *(Column(name, justify="right") for name in ("tenth", "value")), Column("text", no_wrap=True), ""
    )
    for one in card.examples:
        room = max(8, CONSOLE.width - 20 - len(one.after))
        text = Text.assemble(visible(one.before)[-room:].rjust(min(room, 24)), (visible(one.here), "reverse"))
        times = "" if one.times == 1 else f"x{one.times}"
        table.add_row(str(one.tenth), f"{one.value:.2f}", text.append(visible(one.after)), times)
    CONSOLE.print(table)
    tell("tenth: 1 holds its strongest tenth of active characters, 10 the weakest; x: how often that text occurs")
    return None


def print_text(view: FeatureView, checkpoint: Checkpoint, text: str, feature: int | None, out: Path) -> None:
    """Which features are active on a text, and what the model's predictions lose without each."""
    from nanoscope.plots.neuron_cards import on_text

    read = read_prompt(checkpoint, text)
    first = [] if feature is None else [view.feature(feature)]
    found, pieces = view.on_text(read, first, ACTIVE), checkpoint.pieces(read)
    table = narrow_table(
        *(Column(name, justify="right", no_wrap=True) for name in ("feature", "at most", "loses most")),
        f"active (marked: above {MARKED:.0%} of its largest)",
    )
    for number, shares, lost in zip(found.features, found.shares, found.lost, strict=True):
        table.add_row(
            str(number),
            f"{100 * shares.max():.0f} %",
            _worst(lost.tolist(), pieces),
            marked(pieces, (shares > MARKED).tolist()),
        )
    CONSOLE.print(table)
    tell("loses most: the next token whose log-probability falls most without the feature, and by how many nats")
    names = [f"feature {number}" for number in found.features]
    save_figure(on_text(found.shares, pieces, names, f"features of {view.dictionary.source} on a text"), out)


def _worst(lost: Sequence[float], pieces: Sequence[str]) -> str:
    """The next token that loses most, such as `'t' -0.83`; nothing for a text of one token."""
    values = list(lost)[:-1]
    if not values:
        return ""
    at = values.index(max(values))
    return f"{_symbol(pieces[at + 1])} {-values[at]:+.2f}"


def print_steered(view: FeatureView, checkpoint: Checkpoint, text: str, feature: int, strength: float) -> None:
    """A text continued as the model would, and with a feature raised, by the same random numbers."""
    from nanoscope.interventions.generate import Sampling
    from nanoscope.views.sample import writing

    if view.dictionary.identity.get("twin") is not None:
        raise NanoscopeError("this dictionary is of the untrained twin, which writes nothing; give one of the model")
    change = view.steered(feature, strength)
    for title, edits in (("as it is", ()), (change.described, change.edits)):
        say(f"[{title}]", style="cyan")
        CONSOLE.print(Text(text, style="bold"), end="", soft_wrap=True)
        for piece in islice(writing(checkpoint, text, WRITTEN, Sampling(0.8, None, 1), edits), WRITTEN):
            CONSOLE.out(piece, end="", highlight=False)
        CONSOLE.out("")


def _symbols(some: Sequence[tuple[str, float]]) -> str:
    return ", ".join(f"{_symbol(name)} {value:+.2f}" for name, value in some)


def _symbol(symbol: str) -> str:
    """One symbol made visible, a space too."""
    from nanoscope.plots.style import visible_character

    return visible_character(symbol)
