"""A snapshot, the numbers: heads' scores, copying, and losses on ordinary text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from nanoscope.analysis.attention import composition, repeated_sequences
from nanoscope.analysis.prediction import behaviour, text_loss
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.experiment import Subject, Sweeps, require_least
from nanoscope.model.config import GPTConfig
from nanoscope.model.folded import fold, head_weights
from nanoscope.model.gpt import GPT
from nanoscope.tasks import synthetic
from nanoscope.tasks.task import Task
from nanoscope.text.corpora.corpus import Corpus
from nanoscope.text.ngrams import NGrams
from nanoscope.text.passages import passages
from nanoscope.text.tokenizer import Tokenizer, tokenized
from nanoscope.text.windows import room

SCORES = ("induction", "previous")
ORDERS = 5


@dataclass(frozen=True)
class Params:
    """How much is measured at each checkpoint."""

    sequences: int = 16
    """Repeated sequences per block length, on each of the two splits (selection, report)."""
    lengths: int = 3
    """Number of block lengths, shortest first."""
    windows: int = 128
    """Windows of validation text on which the distance to n-gram tables is measured."""
    held_out: int = 120_000
    """At most so many tokens of validation text, in whole windows, on which losses are compared."""
    seed: int = 0
    """Seed of everything that is drawn at random."""

    def __post_init__(self) -> None:
        require_least(self, sequences=2, windows=2, held_out=2)


@dataclass(frozen=True)
class Material:
    """The texts that every checkpoint of a training is measured on."""

    splits: Mapping[str, tuple[synthetic.RepeatedSequences, ...]] = field(repr=False)
    task: Task
    text: text_loss.TextMaterial = field(repr=False)
    held_out: text_loss.TextMaterial = field(repr=False)
    tables: Sweep = field(repr=False)
    """The losses of n-gram tables on the held-out windows."""


def measure(subject: Subject, params: Params) -> Sweeps:
    """Heads' scores `[length, score, layer, head, example]`, copying by weights, behaviour on copies, losses on text and their
    controls."""
    model = subject.checkpoint.model
    shared = material(subject.corpus, subject.tokenizer, model.config, params)
    lengths = tuple(sequences.length for sequences in shared.splits["report"])
    named = {"length": lengths, "score": SCORES}
    axes = ("length", "score", "layer", "head")
    return {
        "heads": Sweep(_scores(model, shared.splits["report"]), (*axes, "example"), "share above uniform", named),
        "heads_select": Sweep(_scores(model, shared.splits["select"]).mean(-1), axes, "share above uniform", named),
        "copying": _copying(model),
        "behaviour": behaviour.on_task(model, shared.task),
        "text": text_loss.over_text(model, shared.text),
        "held_out": text_loss.held_out(model, shared.held_out),
        "tables": shared.tables,
    }


@lru_cache(maxsize=2)
def material(corpus: Corpus, tokenizer: Tokenizer, config: GPTConfig, params: Params) -> Material:
    """The texts and tables; they are the same for every checkpoint, so they are cached."""
    context, start, train = config.block_size, tokenizer.start, tokenizer.encode(corpus.train)
    symbols = synthetic.alphabet(train, config.vocab_size)
    lengths = synthetic.lengths_that_fit(room(context, start), len(symbols))[: params.lengths]
    splits = {
        split: tuple(
            synthetic.repeated_sequences(symbols, n, context, params.sequences, start, f"snapshot {split}", params.seed)
            for n in lengths
        )
        for split in ("select", "report")
    }
    prefix = min(4, room(context, start) - 2 * lengths[0])
    labels = ("snapshot", params.seed)
    task = synthetic.copy_task(symbols, lengths[0], 2 * params.sequences, *labels, prefix=prefix, start=start)
    val, tables = tokenized(corpus.val, tokenizer), NGrams.fit(train.numpy(), config.vocab_size, ORDERS)
    text, held_out = (
        text_loss.TextMaterial.of(passages(val, context, most, text_loss.EARLIEST), tables)
        for most in (params.windows, max(2, params.held_out // context))
    )
    return Material(splits, task, text, held_out, text_loss.of_tables(held_out))


def _scores(model: GPT, sequences: tuple[synthetic.RepeatedSequences, ...]) -> np.ndarray:
    """`[length, score, layer, head, example]` above uniform attention."""
    which = [repeated_sequences.SCORES.index(score) for score in SCORES]
    return np.stack(
        [
            repeated_sequences.above_uniform(
                repeated_sequences.attention_scores(model, s), repeated_sequences.uniform_scores(s)
            ).values[which]
            for s in sequences
        ]
    )


def _copying(model: GPT) -> Sweep:
    """Eigenvalue copying on the token embeddings."""
    return composition.copying_scores(head_weights(fold(model)))
