"""A text with a name, checksum, character vocabulary and nanoGPT's split: the first 90 % for training, the rest validation."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from jaxtyping import Int

from nanoscope.files import sha256
from nanoscope.text.tokenizer import Tokenizer
from nanoscope.text.vocabulary import Vocabulary

if TYPE_CHECKING:
    from torch import Tensor

TRAIN_SHARE = 0.9


@dataclass(frozen=True)
class Corpus:
    """A named text. `train` and `val` are the two parts of nanoGPT's split, as text."""

    name: str
    text: str = field(repr=False)

    @cached_property
    def sha256(self) -> str:
        return sha256(self.text.encode())

    @cached_property
    def vocabulary(self) -> Vocabulary:
        return Vocabulary.of(self.text)

    @property
    def train(self) -> str:
        return self.text[: int(len(self.text) * TRAIN_SHARE)]

    @property
    def val(self) -> str:
        return self.text[int(len(self.text) * TRAIN_SHARE) :]

    def split(self, tokenizer: Tokenizer) -> tuple[Int[Tensor, "pos"], Int[Tensor, "pos"]]:
        """Training and validation tokens."""
        return tokenizer.encode(self.train), tokenizer.encode(self.val)
