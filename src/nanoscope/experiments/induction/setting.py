"""Experiment 01, the inputs: how much is measured, the model, and the sequences that it is tested on."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from nanoscope.experiments.experiment import Subject, require_least
from nanoscope.model.gpt import GPT
from nanoscope.seeds import seed_for
from nanoscope.tasks import synthetic
from nanoscope.tasks.task import Task, long_tensor
from nanoscope.text.corpora.corpus import too_short
from nanoscope.text.ngrams import NGrams
from nanoscope.text.passages import Passages, passages
from nanoscope.text.tokenizer import TokenizedText, tokenized
from nanoscope.text.windows import room

TABLES = 5
"""The order of the largest n-gram table."""
JUDGED = 5
"""The least length of match by which copying in real text is judged; that of `nanoscope look`, too."""
SEARCHED = 120_000
"""About as many tokens of validation text are searched for places to copy: all of tiny Shakespeare's."""
AMBIGUOUS = 8
"""So few symbols make a random sequence in which one token says little about the next."""


@dataclass(frozen=True)
class Params:
    """How much is measured. The defaults are those of the published findings; `QUICK` is for a first look."""

    sequences: int = 64
    """Repeated sequences per block length, on each of the two splits (selection, report)."""
    patch_examples: int = 32
    """Prompts in which layers and positions are patched; heads are patched in twice as many."""
    natural_examples: int = 256
    """Passages of validation text that are followed by a copy of themselves."""
    natural_length: int = 24
    """Characters of such a passage, at most half a context."""
    places: int = 400
    """Places of validation text, drawn at random, where a match of five or more characters is right about the next one."""
    short_places: int = 100
    """Such places for every shorter length of match."""
    windows: int = 400
    """Windows of validation text for the loss by match length, and for the heads' prefix matching."""
    permutations: int = 500
    """Shuffles of the sequences behind the p-value of each head's attention."""
    random_models: int = 5
    """Untrained models of the same shape, shown for comparison."""
    random_sets: int = 20
    """Sets of random heads of the same layers that are ablated for comparison."""
    null_draws: int = 200
    """Random heads behind the null of the copying score by weights."""
    seed: int = 0
    """Seed of everything that is drawn at random."""

    def __post_init__(self) -> None:
        require_least(self, sequences=2, patch_examples=2, natural_examples=2)


QUICK = Params(
    sequences=32,
    patch_examples=16,
    natural_examples=128,
    places=200,
    short_places=50,
    windows=150,
    permutations=200,
    random_models=3,
    null_draws=60,
)
PLANTED = Params(
    sequences=16,
    patch_examples=8,
    natural_examples=32,
    places=60,
    short_places=20,
    windows=30,
    permutations=100,
    random_models=1,
    random_sets=4,
    null_draws=20,
)
SETTINGS = {
    "quick": QUICK,
    "control": replace(QUICK, patch_examples=64),
    "planted": PLANTED,
}


@dataclass(frozen=True)
class Setting:
    """The model and everything that its tasks are made from."""

    model: GPT
    symbols: Tensor
    start: int | None
    lengths: tuple[int, ...]
    train: Tensor
    val: Tensor
    params: Params
    held_out: TokenizedText = field(repr=False)
    """The validation text with its tokens."""

    @cached_property
    def known(self) -> int:
        """The number of tokens that the text may hold; a start symbol is none of them."""
        return int(torch.cat([self.train, self.val]).max()) + 1

    @cached_property
    def tables(self) -> NGrams:
        """n-gram tables of the training text."""
        return NGrams.fit(self.train.numpy(), self.known, TABLES)

    @cached_property
    def searched(self) -> Passages:
        """The windows of validation text that are searched for places to copy."""
        context = self.model.config.block_size
        return passages(self.held_out, context, max(1, SEARCHED // context))

    def ambiguous(self, *labels: object) -> Tensor:
        """Random blocks of few symbols, each twice in a row, `[example, pos]`: single tokens repeat, longer strings seldom."""
        rng = np.random.default_rng(seed_for("ambiguous", *labels, self.params.seed))
        half, pool = room(self.model.config.block_size, self.start) // 2, self.symbols.numpy()
        few = [rng.choice(pool, min(AMBIGUOUS, len(pool)), replace=False) for _ in range(self.params.sequences)]
        blocks = np.stack([rng.choice(symbols, half) for symbols in few])
        return long_tensor(np.concatenate([blocks, blocks], axis=1))

    @property
    def block(self) -> int:
        """The block length of the paired tasks: the shortest one."""
        return self.lengths[0]

    def paired(self, *labels: object, examples: int | None = None, reads: list[int] | None = None) -> Task:
        prefix = min(4, room(self.model.config.block_size, self.start) - 2 * self.block)
        count = self.params.sequences if examples is None else examples
        seeds = (*labels, self.params.seed)
        return synthetic.copy_task(
            self.symbols, self.block, count, *seeds, prefix=prefix, start=self.start, reads=reads
        )

    def sequences(self, length: int, *labels: object) -> synthetic.RepeatedSequences:
        context = self.model.config.block_size
        return synthetic.repeated_sequences(
            self.symbols, length, context, self.params.sequences, self.start, *labels, self.params.seed
        )


def setting_of(subject: Subject, params: Params) -> Setting:
    checkpoint, corpus = subject.checkpoint, subject.corpus
    train, val = checkpoint.encode(corpus.train), checkpoint.encode(corpus.val)
    context = checkpoint.model.config.block_size
    if len(val) < 2 * context:
        raise too_short(len(val), 2 * context, f"windows of {context}")
    symbols = synthetic.alphabet(train, checkpoint.model.config.vocab_size)
    lengths = synthetic.lengths_that_fit(room(context, subject.start), len(symbols))
    held_out = tokenized(corpus.val, subject.tokenizer)
    return Setting(checkpoint.model, symbols, subject.start, lengths, train, val, params, held_out)
