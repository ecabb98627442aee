"""Experiment 01, the inputs: how much is measured, the model, and the sequences that it is tested on."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor

from nanoscope.experiments.experiment import Subject, require_least
from nanoscope.model.gpt import GPT
from nanoscope.tasks import synthetic
from nanoscope.tasks.task import Task
from nanoscope.text.corpora.corpus import too_short
from nanoscope.text.windows import room


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
    windows: int = 400
    """Windows of validation text for the loss by match length."""
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
    windows=150,
    permutations=200,
    random_models=3,
    null_draws=60,
)
PLANTED = Params(
    sequences=16,
    patch_examples=8,
    natural_examples=32,
    windows=30,
    permutations=100,
    random_models=1,
    random_sets=4,
    null_draws=20,
)
SETTINGS = {
    "quick": QUICK,
    "many": replace(QUICK, sequences=64, natural_examples=256),
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
    return Setting(checkpoint.model, symbols, subject.start, lengths, train, val, params)
