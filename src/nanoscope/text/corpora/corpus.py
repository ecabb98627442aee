"""A text with a name, checksum, character vocabulary and nanoGPT's split: the first 90 % for training, the rest validation."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from jaxtyping import Int

from nanoscope.errors import NanoscopeError
from nanoscope.files import sha256
from nanoscope.text.tokenizer import Tokenizer
from nanoscope.text.vocabulary import Vocabulary

if TYPE_CHECKING:
    from torch import Tensor

TRAIN_SHARE = 0.9


def too_short(tokens: int, least: int, what: str) -> NanoscopeError:
    """The error for a corpus whose validation text has fewer tokens than an experiment needs, saying how long it must be."""
    whole = math.ceil(least / (1 - TRAIN_SHARE) / 1000) * 1000
    return NanoscopeError(
        f"the validation text has {tokens:,} tokens, too few for {what}; it is the last tenth, so give a text of at least "
        f"{whole:,} with --data"
    )


@dataclass(frozen=True)
class Corpus:
    """A named text. `train` and `val` are the two parts of nanoGPT's split, as text."""

    name: str
    text: str = field(repr=False)
    cut: int | None = field(repr=False, default=None)
    """Where the validation text begins; None for nanoGPT's place."""

    @cached_property
    def sha256(self) -> str:
        return sha256(self.text.encode())

    @cached_property
    def vocabulary(self) -> Vocabulary:
        return Vocabulary.of(self.text)

    @property
    def train(self) -> str:
        return self.text[: self._cut]

    @property
    def val(self) -> str:
        return self.text[self._cut :]

    @property
    def _cut(self) -> int:
        return int(len(self.text) * TRAIN_SHARE) if self.cut is None else self.cut

    def read_by(self, tokenizer: Tokenizer | None) -> Corpus:
        """The same text, for a tokenizer of whole words cut between two of them."""
        if not isinstance(tokenizer, Vocabulary) or tokenizer.kind != "words":
            return self
        between = next((at for at in range(self._cut, len(self.text)) if self.text[at].isspace()), self._cut)
        return replace(self, cut=between)

    def split(self, tokenizer: Tokenizer) -> tuple[Int[Tensor, "pos"], Int[Tensor, "pos"]]:
        """Training and validation tokens."""
        return tokenizer.encode(self.train), tokenizer.encode(self.val)
