"""Experiment 00, the inputs: how much is measured, and the windows of both texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

import numpy as np
from jaxtyping import Int
from torch import Tensor

from nanoscope.analysis.causal.minimal_heads import MeanHeads
from nanoscope.experiments.experiment import Subject, require_least
from nanoscope.model.gpt import GPT
from nanoscope.text.corpora.corpus import too_short
from nanoscope.text.ngrams import NGrams
from nanoscope.text.passages import Passages, passages
from nanoscope.text.tokenizer import TokenizedText

HELD_OUT, TRAINING = TEXTS = ("held-out", "training")
ORDERS = 7
"""The longest n-grams that are counted, as in the experiment `lenses`."""
REFERENCE_TOKENS = 8192
"""About as many tokens of training text are read for mean activations."""
FEWEST = 4
"""Windows of a text, at least: half of them to choose on, half to judge on."""


@dataclass(frozen=True)
class Params:
    """How much is measured. The defaults are those of the published findings; `QUICK` is for a first look."""

    windows: int = 320
    """Windows of each text, for losses, cuts of the context and tables."""
    ablated_windows: int = 40
    """Windows of each text on which components are ablated."""
    search_windows: int = 8
    """Other windows, of held-out text, on which heads are taken out one by one."""
    kept_windows: int = 24
    """Windows of each text on which the sets of heads that this leaves are judged."""
    checkpoints: int = 12
    """At most so many checkpoints of the training are measured too, if they are at hand; 0 for none."""
    along_windows: int = 128
    """Windows of each text at those checkpoints."""
    random_sets: int = 4
    """Random sets of heads of each size, for comparison."""
    seed: int = 0
    """Seed of everything that is drawn at random."""

    def __post_init__(self) -> None:
        require_least(self, windows=2, ablated_windows=2, kept_windows=2, random_sets=1, checkpoints=0, along_windows=2)


QUICK = Params(
    windows=56, ablated_windows=8, search_windows=2, kept_windows=5, random_sets=2, checkpoints=4, along_windows=24
)


@dataclass(frozen=True)
class Setting:
    """The model and its two texts; the same number of windows of each."""

    subject: Subject
    params: Params
    text: Mapping[str, TokenizedText] = field(repr=False)
    windows: Mapping[str, Passages] = field(repr=False)

    @property
    def model(self) -> GPT:
        return self.subject.checkpoint.model

    @property
    def size(self) -> int:
        """Tokens in a window."""
        return self.windows[HELD_OUT].size

    @property
    def places(self) -> slice:
        """The second half of a window, where every prediction has at least half a window before it."""
        return slice(self.size // 2, self.size)

    @cached_property
    def tables(self) -> NGrams:
        """Tables of the training text."""
        return NGrams.fit(self.text[TRAINING].tokens.numpy(), self.model.config.vocab_size, ORDERS)

    def judged(self, text: str, most: int) -> Passages:
        """Every second window, or at most so many of them, spread evenly."""
        return spread(self.windows[text][1::2], most)

    @cached_property
    def searched(self) -> Passages:
        """Windows of held-out text on which heads are chosen; none of them is judged."""
        return spread(self.windows[HELD_OUT][0::2], self.params.search_windows)

    @cached_property
    def reference(self) -> Int[Tensor, "window pos"]:
        """Windows of training text for mean activations; none of them is judged."""
        return spread(self.windows[TRAINING][0::2], max(2, REFERENCE_TOKENS // self.size)).tokens

    @cached_property
    def heads(self) -> MeanHeads:
        return MeanHeads.of(self.model, self.reference)


Windows = TypeVar("Windows", Passages, np.ndarray)


def spread(windows: Windows, most: int) -> Windows:
    """Windows, or their values, at equal distances, at most so many of them."""
    return windows[:: -(-len(windows) // most)]


def setting_of(subject: Subject, params: Params) -> Setting:
    """Both texts in windows. NanoscopeError for a text of fewer than four of them."""
    context = subject.checkpoint.model.config.block_size
    text = {HELD_OUT: subject.read(subject.corpus.val), TRAINING: subject.read(subject.corpus.train)}
    shortest = min(len(one) for one in text.values())
    if shortest < FEWEST * (context + 1):
        raise too_short(shortest, FEWEST * (context + 1), f"{FEWEST} windows of {context}")
    most = min(params.windows, shortest // (context + 1))
    return Setting(subject, params, text, {name: passages(one, context, most) for name, one in text.items()})
