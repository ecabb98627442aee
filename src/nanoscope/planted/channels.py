"""What heads of known classes attend to, as channels: pairs of residual-stream columns of the query and of the key.

The residual stream of a hand-built model has one-hot blocks: the token, the position and, where a head has written it, the
previous token. A head's score is a sum over channels. Each channel adds its weight where one of its columns is set in the
query and one in the key. Classes are named as in `nanoscope.analysis.attention.classes`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from nanoscope.model.gpt import GPT

CHARACTERS = {"newline": "\n", "space": " ", "punctuation": ".,;:!?'\"-()[]&$", "colon": ":", "whitespace": " \n"}
RECENCY, FEATURE = 0.25, 24.0
"""Added to a score by each step towards the query, and by a feature of the key, in units of the sharpness."""
LONGEST = int(FEATURE / RECENCY)
"""In a longer context, recency would outweigh features."""


@dataclass(frozen=True)
class ChannelLayout:
    """The columns of each block of the residual stream."""

    symbols: tuple[str, ...]
    context: int

    @property
    def half(self) -> int:
        """The number of columns of the three blocks; a model with layer norm stores their negatives after them."""
        return 2 * len(self.symbols) + self.context

    @property
    def tok(self) -> Tensor:
        return torch.arange(len(self.symbols))

    @property
    def pos(self) -> Tensor:
        return len(self.symbols) + torch.arange(self.context)

    @property
    def prv(self) -> Tensor:
        return len(self.symbols) + self.context + self.tok

    def among(self, characters: str) -> Tensor:
        """The tokens of the given characters."""
        return torch.tensor([n for n, symbol in enumerate(self.symbols) if symbol in characters])

    @property
    def letters(self) -> Tensor:
        """Mask of the symbols that continue a word: letters and the apostrophe."""
        return torch.tensor([symbol.isalpha() or symbol == "'" for symbol in self.symbols])


@dataclass(frozen=True)
class Channel:
    """Adds `weight` where one column of the query and one of the key is set.

    `weight` is one number or one per key column, in units of the sharpness.
    """

    query: Tensor
    key: Tensor
    weight: Tensor | float = 1.0


Rule = Callable[[ChannelLayout], list[Channel]]


def _each(query: Tensor, key: Tensor, weight: float = 1.0) -> list[Channel]:
    """One channel for each (query, key) pair."""
    return [Channel(*pair, weight) for pair in zip(query[:, None], key[:, None], strict=True)]


def _not_itself(at: ChannelLayout, weight: float = 1.0) -> list[Channel]:
    """Subtract `weight` where query and key are the same position."""
    return _each(at.pos, at.pos, -weight)


def _recent(at: ChannelLayout) -> Channel:
    """Prefer the nearest of otherwise equal keys."""
    return Channel(at.pos, at.pos, RECENCY * torch.arange(at.context))


def _back(steps: int) -> Rule:
    return lambda at: _each(at.pos[steps:], at.pos[: at.context - steps])


def _among(name: str) -> Rule:
    return lambda at: [Channel(at.pos, at.among(CHARACTERS[name])), *_not_itself(at)]


def _last_space(at: ChannelLayout) -> list[Channel]:
    return [Channel(at.pos, at.among(CHARACTERS["whitespace"]), FEATURE), _recent(at), *_not_itself(at, FEATURE)]


def _word_start(at: ChannelLayout) -> list[Channel]:
    """A letter preceded by a non-letter. The query columns are all positions, so any query matches."""
    letter, preceding = at.tok[at.letters], at.prv[~at.letters]
    return [Channel(at.pos, letter, FEATURE), Channel(at.pos, preceding, FEATURE), _recent(at)]


ONE_LAYER: Mapping[str, Rule] = {
    "previous token": _back(1),
    "3 back": _back(3),
    "current token": _back(0),
    "first token": lambda at: [Channel(at.pos, at.pos[:1])],
    "same character": lambda at: [*_each(at.tok, at.tok), *_not_itself(at)],
    "newline": _among("newline"),
    "space": _among("space"),
    "punctuation": _among("punctuation"),
    "colon": _among("colon"),
    "last space": _last_space,
}
"""Classes that depend only on tokens and positions."""
CHANNELS: Mapping[str, Rule] = {
    **ONE_LAYER,
    "induction": lambda at: _each(at.tok, at.prv),
    "word start": _word_start,
}
"""All classes; the last two need the previous token, so a second layer."""


def embed(model: GPT, at: ChannelLayout) -> None:
    """Write one-hot token and position embeddings into a model of zeros: +1 at column c, -1 at half + c.

    So every vector has mean 0, and layer norm is a known scaling.
    """
    for table, columns in ((model.wte.weight, at.tok), (model.wpe.weight, at.pos)):
        table[torch.arange(len(columns)), columns] = 1.0
        table[torch.arange(len(columns)), at.half + columns] = -1.0


def copy_previous(model: GPT, at: ChannelLayout, unit: float) -> None:
    """Make L0H0 copy the attended token into the block of previous tokens; `unit` undoes the norm."""
    attn = model.blocks[0].attn
    attn.W_V[0][at.tok, at.tok] = unit
    attn.W_O[0][at.tok, at.prv] = 1.0
    attn.W_O[0][at.tok, at.half + at.prv] = -1.0
