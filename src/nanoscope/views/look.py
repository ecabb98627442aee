"""A first look at a model: how good it is, how far back it reads, what its heads do, where it decides, whether it copies.

All of it is measured on windows of a text's validation part. What a model or a text does not allow (a context too short
for classes of heads, say) is left out with the reason, as `Unmeasured`; the rest is measured all the same. `views.look_answers`
words what was found.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import numpy as np
from jaxtyping import Int

from nanoscope.analysis.causal import component_ablation
from nanoscope.analysis.prediction import copying, effective_context, logit_lens, position_loss
from nanoscope.analysis.prediction.effective_context import ContextCost
from nanoscope.checkpoints.checkpoint import Checkpoint
from nanoscope.errors import NanoscopeError
from nanoscope.evidence.sweep import Sweep
from nanoscope.model.sites import Site
from nanoscope.progress import Progress, silent
from nanoscope.text.corpora.corpus import Corpus
from nanoscope.text.ngrams import NGrams
from nanoscope.text.passages import Passages, passages
from nanoscope.text.tokenizer import Tokenizer, tokenized
from nanoscope.views.look_heads import HeadClasses, head_classes
from nanoscope.views.look_text import TextReading, read_text

LARGEST_TABLE = 5
TOKENS = 8192
"""About as many tokens of text are read for the loss; what costs more is measured on a part of them."""
FEWEST_WINDOWS, MOST_WINDOWS = 8, 128
LEAST_TEXT = 64
ABLATED = 20
"""The most windows on which components are ablated."""
SEARCHED = 51_200
"""About as many tokens of text are searched for places where copying is right."""
MATCHES = (1, 2, 3, 5, 8)
"""How many characters must have occurred before, at least, for a place to count as one to copy."""
JUDGED = 5
"""The length of match by which copying is judged, as in the experiment `induction`."""
PLACES, FEW_PLACES, ATTENDED = 128, 24, 512
"""The most places at that length, and at every other one; and the most at which attention is measured."""
STAGES = {
    "loss and n-gram tables": 3,
    "context": 26,
    "classes of heads": 11,
    "ablations": 30,
    "lens": 2,
    "copying": 20,
    "your text": 1,
}
"""What is measured, in this order, and about how much of the time each takes."""

Measured = TypeVar("Measured")


@dataclass(frozen=True)
class Unmeasured:
    """Why something was not measured."""

    reason: str


@dataclass(frozen=True)
class Copying:
    """What earlier occurrences of the same characters are worth, and who attends to them."""

    worth: dict[int, Sweep]
    """By the least length of match: `[place]`, nats, labelled by the window of each place."""
    attention: Sweep | None = field(repr=False)
    """`[layer, head, place]`, shares above chance, at places of the length by which copying is judged; None without any."""


@dataclass(frozen=True)
class Lens:
    """The logit lens after the embedding and after each layer: `[reading, window]` each."""

    loss: Sweep
    """Nats per token."""
    kl: Sweep
    """KL(model || lens), nats."""
    final: Sweep
    """The share of places at which the lens's first choice is the model's, here and at every later reading."""


@dataclass(frozen=True)
class Look:
    """Everything that was measured."""

    checkpoint: Checkpoint = field(repr=False)
    corpus: str
    windows: int
    size: int
    """Tokens in a window."""
    loss: Sweep
    """`[predictor, window]`, nats per token: the model, then n-gram tables of the same training text."""
    context: ContextCost | Unmeasured
    heads: HeadClasses | Unmeasured
    ablation: Sweep
    """`[set, window]`, the cost of each mean ablation, nats per token."""
    lens: Lens
    copying: Copying | Unmeasured
    text: TextReading | Unmeasured | None = None
    """A text of the user's own; None without one."""

    def cost(self, name: str) -> float:
        """The mean cost of one ablation."""
        return float(self.ablation.sel(set=name).values.mean())


@dataclass(frozen=True)
class _Material:
    """The texts that everything is measured on."""

    checkpoint: Checkpoint
    corpus: Corpus
    text: Passages
    searched: Passages
    tables: NGrams

    @property
    def tokenizer(self) -> Tokenizer:
        return self.checkpoint.known_vocabulary


def look(checkpoint: Checkpoint, corpus: Corpus, text: str | None = None, progress: Progress = silent) -> Look:
    """Measure everything. NanoscopeError for a model without a vocabulary, or a text that is far too short."""
    show = partial(_show, progress)
    show("loss and n-gram tables")
    m = _material(checkpoint, corpus)
    losses, model = _losses(m), checkpoint.model
    context = _unless_refused(
        lambda: effective_context.cost_of_cuts(model, m.text, m.tokenizer.start, progress=partial(show, "context"))
    )
    show("classes of heads")
    heads = _unless_refused(lambda: head_classes(checkpoint, corpus))
    ablation = _ablations(m, heads, partial(show, "ablations"))
    show("lens")
    lens = _lens(m)
    copied = _unless_refused(lambda: _copying(m, partial(show, "copying")))
    show("your text")
    read = None if text is None else _unless_refused(lambda: read_text(checkpoint, text))
    progress("", 1, 1)
    size = m.text.targets.shape[1]
    return Look(checkpoint, corpus.name, len(m.text), size, losses, context, heads, ablation, lens, copied, read)


def _show(progress: Progress, stage: str, done: int = 0, of: int = 1) -> None:
    """Tell how much of the whole is done when some of a stage is."""
    before = sum(list(STAGES.values())[: list(STAGES).index(stage)])
    progress(stage, round(1000 * (before + STAGES[stage] * done / of)), 1000 * sum(STAGES.values()))


def _unless_refused(stage: Callable[[], Measured]) -> Measured | Unmeasured:
    try:
        return stage()
    except NanoscopeError as error:
        return Unmeasured(str(error))


def _material(checkpoint: Checkpoint, corpus: Corpus) -> _Material:
    """Windows of the validation text (shorter than the context if the text is short), and tables of the training text."""
    config, tokenizer = checkpoint.model.config, checkpoint.known_vocabulary
    train, val = checkpoint.encode(corpus.train), tokenized(corpus.val, tokenizer)
    if len(val) < LEAST_TEXT:
        raise NanoscopeError(
            f"the validation part of {corpus.name} has {len(val)} tokens, too few to measure anything; "
            "give a longer text with --data"
        )
    context = min(config.block_size, len(val) // (FEWEST_WINDOWS + 1))
    windows = min(MOST_WINDOWS, max(FEWEST_WINDOWS, TOKENS // context))
    text, searched = (passages(val, context, most) for most in (windows, max(windows, SEARCHED // context)))
    return _Material(checkpoint, corpus, text, searched, NGrams.fit(train.numpy(), config.vocab_size, LARGEST_TABLE))


def _losses(m: _Material) -> Sweep:
    model, tables = position_loss.of_model(m.checkpoint.model, m.text), position_loss.of_tables(m.tables, m.text)
    names = ("model", *(f"{n}-gram" for n in range(1, len(tables) + 1)))
    values = np.concatenate([model[None], tables]).mean(-1)
    return Sweep(values, ("predictor", "window"), "nats", {"predictor": names})


def _ablations(m: _Material, heads: HeadClasses | Unmeasured, progress: Callable[[int, int], None]) -> Sweep:
    """The cost of each head, each MLP, the heads of each layer and above it, and of each class of heads together."""
    config = m.checkpoint.model.config
    members = {} if isinstance(heads, Unmeasured) else heads.members()
    of_class = {
        f"class {name}": tuple(Site("z", layer, head=head) for layer, head in group) for name, group in members.items()
    }
    sets = component_ablation.heads(config) | component_ablation.mlps(config)
    sets |= component_ablation.layers_of_heads(config) | of_class
    reference, ablated = m.text[0::2].tokens, m.text[1::2][:ABLATED]
    return component_ablation.cost_without(m.checkpoint.model, ablated, sets, reference, progress)


def _lens(m: _Material) -> Lens:
    model, text = m.checkpoint.model, m.text[1::2]
    first = NGrams(m.tables.symbols, m.tables.orders[:1])
    read = logit_lens.over_text(model, text, model.unembed, first)
    count = read.counts.sel(kind="all").values
    measures = read.measures.sel(kind="all")
    depth = read.settled.sel(kind="all", criterion="top").values[:-1]
    names = ("embedding", *(f"L{layer}" for layer in range(model.config.n_layer)))

    def over_places(values: np.ndarray, unit: str) -> Sweep:
        return Sweep(values / count, ("reading", "window"), unit, {"reading": names})

    return Lens(
        over_places(measures.sel(measure="loss").values, "nats"),
        over_places(measures.sel(measure="kl").values, "nats"),
        over_places(depth.cumsum(axis=0), "share"),
    )


def _copying(m: _Material, progress: Callable[[int, int], None]) -> Copying:
    model, worth = m.checkpoint.model, {}
    for done, match in enumerate(MATCHES):
        progress(done, len(MATCHES) + 1)
        places = copying.copy_places(m.searched, match, PLACES if match == JUDGED else FEW_PLACES)
        if len(places):
            worth[match] = Sweep(
                copying.worth(model, m.searched, places), ("place",), "nats", {"place": _labels(places.window)}
            )
    progress(len(MATCHES), len(MATCHES) + 1)
    attention = _attention(m)
    progress(len(MATCHES) + 1, len(MATCHES) + 1)
    return Copying(worth, attention)


def _attention(m: _Material) -> Sweep | None:
    """Attention to what is worth copying; None in a text without such places."""
    places = copying.copy_places(m.text, JUDGED, ATTENDED)
    if not len(places):
        return None
    found = copying.prefix_attention(m.checkpoint.model, m.text, places)
    return Sweep(found.values, found.dims, found.unit, {"place": _labels(places.window)})


def _labels(windows: Int[np.ndarray, "place"]) -> tuple[int, ...]:
    return tuple(int(window) for window in windows)
