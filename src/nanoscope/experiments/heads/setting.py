"""Experiment 02, the inputs: how much is measured, the model, and the texts that its heads are judged on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from nanoscope.analysis.attention import classes, repeated_sequences
from nanoscope.analysis.attention.classes import mean_of_present
from nanoscope.errors import NanoscopeError
from nanoscope.evidence.sweep import Sweep, stacked
from nanoscope.experiments.experiment import Subject, require_least
from nanoscope.experiments.heads.label import ALL_CLASSES, FAMILIES
from nanoscope.model.gpt import GPT
from nanoscope.seeds import seed_for
from nanoscope.statistics.intervals import max_t
from nanoscope.tasks import synthetic
from nanoscope.text.corpora.corpus import too_short
from nanoscope.text.tokenizer import TokenizedText, spelled
from nanoscope.text.windows import Windows, room, spread_starts, windows_at


@dataclass(frozen=True)
class Params:
    """How much is measured. The defaults are those of the published findings; `QUICK` is for a first look."""

    windows: int = 64
    """Windows of validation text on each of the two splits (selection, report)."""
    sequences: int = 32
    """Repeated sequences per block length and split, for induction."""
    permutations: int = 1000
    """Random draws of positions and keys behind the p-value of each head and class."""
    random_models: int = 5
    """Untrained models whose heads are classified for comparison."""
    random_sets: int = 20
    """Sets of random heads of the same layers that are ablated for comparison."""
    planted_heads: int = 8
    """Planted heads per class and strength, to test the categoriser."""
    planted_windows: int = 32
    """Windows of text on which planted heads are classified."""
    repeats: int = 5
    """Timings of a forward pass with and without patterns."""
    seed: int = 0
    """Seed of everything that is drawn at random."""

    def __post_init__(self) -> None:
        require_least(self, windows=4, planted_windows=4, sequences=2)


QUICK = Params(
    windows=48, sequences=24, permutations=500, random_models=2, random_sets=8, planted_heads=2, planted_windows=24, repeats=3
)  # fmt: skip


@dataclass(frozen=True)
class Text:
    """Windows of a text, with each class's keys in them."""

    windows: Windows
    targets: classes.Targets

    @staticmethod
    def of(text: TokenizedText, windows: Windows) -> Text:
        return Text(windows, classes.token_targets(text, windows))

    @property
    def tokens(self) -> Tensor:
        return self.windows.tokens

    def attention(self, model: GPT) -> classes.ClassAttention:
        return classes.attention(model, self.tokens, self.targets)


@dataclass(frozen=True)
class Setting:
    """The model and the texts that its heads are judged on."""

    subject: Subject
    params: Params
    train: Tensor
    val: TokenizedText
    symbols: Tensor

    @property
    def model(self) -> GPT:
        return self.subject.checkpoint.model

    @property
    def size(self) -> int:
        """Number of tokens in a window."""
        return room(self.model.config.block_size, self.subject.start)

    @property
    def symbol_names(self) -> tuple[str, ...]:
        """A name for every token that the model knows."""
        return self.subject.tokenizer.names(self.model.config.vocab_size)

    @cached_property
    def splits(self) -> dict[str, Text]:
        """Even windows to select on, odd ones to report."""
        starts = spread_starts(len(self.val), self.size, 2 * self.params.windows)
        return {"select": self.text(starts[::2]), "report": self.text(starts[1::2])}

    def text(self, starts: Tensor) -> Text:
        return Text.of(self.val, windows_at(self.val.tokens, starts, self.size, self.val.start))

    @cached_property
    def random_text(self) -> Text:
        """Independent, uniformly drawn tokens, with each class's keys in them."""
        generator = torch.Generator().manual_seed(seed_for("random text", self.params.seed))
        drawn = torch.randint(len(self.symbols), (self.params.windows, self.size), generator=generator)
        text = spelled(self.symbols[drawn].flatten(), self.subject.tokenizer)
        starts = torch.arange(self.params.windows) * self.size
        return Text.of(text, windows_at(text.tokens, starts, self.size, text.start))

    @cached_property
    def lengths(self) -> tuple[int, ...]:
        return synthetic.lengths_that_fit(self.size, len(self.symbols))[:3]

    def sequences(self, length: int, split: str) -> synthetic.RepeatedSequences:
        context = self.model.config.block_size
        labels = ("taxonomy", split, self.params.seed)
        return synthetic.repeated_sequences(
            self.symbols, length, context, self.params.sequences, self.subject.start, *labels
        )

    @property
    def scores(self) -> Sweep:
        """Every class's score on the selection split, induction included: `[cls, layer, head]`."""
        return with_induction(self.splits["select"].attention(self.model), induction(self, self.model, "select"))

    @property
    def p(self) -> Sweep:
        """Family-wise p-values of these scores, doubled for two families of tests: text and repeated sequences."""
        on_text = classes.p_values(
            self.splits["select"].attention(self.model), self.params.permutations, self.params.seed
        )
        values = np.concatenate([on_text.values, self.induction_p[None]])
        return Sweep(np.minimum(FAMILIES * values, 1), on_text.dims, "p", {"cls": ALL_CLASSES})

    @property
    def induction_p(self) -> np.ndarray:
        """The largest p-value over block lengths (tokens permuted, patterns held), max-T over heads: `[layer, head]`."""
        tests = [
            repeated_sequences.permutation_test(
                self.model, self.sequences(n, "select"), self.params.permutations, self.params.seed
            )
            for n in self.lengths
        ]
        each = [max_t(observed.ravel(), null.reshape(len(null), -1)) for observed, null in tests]
        return np.max(each, axis=0).reshape(tests[0][0].shape)


def setting_of(subject: Subject, params: Params) -> Setting:
    checkpoint, corpus = subject.checkpoint, subject.corpus
    train, val = checkpoint.encode(corpus.train), subject.read(corpus.val)
    context = checkpoint.model.config.block_size
    if context < 2 * classes.FARTHEST + 2:
        raise NanoscopeError(
            f"a context of {context} is too short to distinguish classes of heads: they need {2 * classes.FARTHEST + 2} or more"
        )
    if len(val) < 8 * context:
        raise too_short(len(val), 8 * context, f"windows of {context}")
    return Setting(subject, params, train, val, synthetic.alphabet(train, checkpoint.model.config.vocab_size))


def induction(s: Setting, model: GPT, split: str) -> Sweep:
    """Induction scores above uniform on repeated sequences: `[length, layer, head, example]`."""
    parts = []
    for length in s.lengths:
        sequences = s.sequences(length, split)
        raw, base = repeated_sequences.attention_scores(model, sequences), repeated_sequences.uniform_scores(sequences)
        parts.append(repeated_sequences.above_uniform(raw, base).sel(score="induction"))
    return stacked(parts, "length", s.lengths)


def with_induction(found: classes.ClassAttention, copied: Sweep) -> Sweep:
    """Mean scores of all classes, for induction at the block length where it is lowest: `[cls, layer, head]`."""
    lowest = copied.mean("example").values.min(axis=0)
    values = np.concatenate([mean_of_present(classes.scores(found).values), lowest[None]])
    return Sweep(values, ("cls", "layer", "head"), "share above chance", {"cls": ALL_CLASSES})
