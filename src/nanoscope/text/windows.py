"""Windows of a text: where they begin, how they are cut, and the start symbol before them if a model needs one.

They are spread evenly over the text and do not overlap. The first token of a window has no context, as in training.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from nanoscope.errors import NanoscopeError

CHUNK_TOKENS = 1024
LOGITS = 2**24
"""The most logits that are computed at a time: of a model of many symbols fewer texts are read in one batch."""


@runtime_checkable
class _Sliced(Protocol):
    def __len__(self) -> int: ...
    def __getitem__(self, some: slice, /) -> Any: ...


Batched = TypeVar("Batched", bound=_Sliced)


@dataclass(frozen=True)
class Windows:
    """Windows of a text: `tokens [window, pos]` for the model, and the index in the text at which each begins.

    If the model needs a start symbol, each row of `tokens` begins with it and `lead` is 1, else 0.
    """

    tokens: Tensor = field(repr=False)
    begins: Int[np.ndarray, "window"] = field(repr=False)
    lead: int

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def size(self) -> int:
        """Tokens of text in one window, without the start symbol."""
        return self.tokens.shape[1] - self.lead

    @property
    def places(self) -> Int[np.ndarray, "window place"]:
        """Index in the text of each token of the windows, without start symbols."""
        return self.begins[:, None] + np.arange(self.size)

    @property
    def laid_out(self) -> Int[np.ndarray, "place"]:
        """`places` of all windows, concatenated."""
        return self.places.ravel()

    def read(self, values: Tensor) -> Tensor:
        """`values [window, pos, *any]` without the start symbol's position."""
        return values[:, self.lead :]

    def chunks(self) -> Iterator[slice]:
        """Batches of windows of about 1,024 tokens."""
        return batches(len(self), max(1, CHUNK_TOKENS // self.size))


def windows(tokens: Int[Tensor, "pos"], context: int, most: int, start: int | None = None) -> Windows:
    """Full windows of a text, at least one, with about `most` tokens in all; a target follows the last token of each.

    Raises NanoscopeError if the text is shorter than one window.
    """
    size = room(context, start)
    return windows_at(tokens, spread_starts(len(tokens) - 1, size, max(1, most // size)), size, start)


def windows_at(
    tokens: Int[Tensor, "pos"], begins: Int[Tensor, "window"], size: int, start: int | None = None
) -> Windows:
    """The windows of `size` tokens that begin at these indices of a text."""
    return Windows(started(cut(tokens, begins, size), start), begins.numpy(), lead(start))


def lead(start: int | None) -> int:
    """Number of positions before the text: 1 with a start symbol, else 0."""
    return int(start is not None)


def room(context: int, start: int | None) -> int:
    """Tokens of text that fit into a context after the start symbol."""
    return context - lead(start)


def start_symbol(start: int | None) -> Int[np.ndarray, "lead"]:
    """The start symbol as an array of one token, empty for a model without one."""
    return np.array([] if start is None else [start], dtype=np.int64)


def started(tokens: Int[Tensor, "*any pos"], start: int | None) -> Int[Tensor, "*any read"]:
    """Texts with the start symbol before each, if the model needs one."""
    if start is None:
        return tokens
    return torch.cat([tokens.new_full((*tokens.shape[:-1], 1), start), tokens], dim=-1)


def cut(tokens: Int[Tensor, "pos"], starts: Int[Tensor, "window"], size: int) -> Int[Tensor, "window size"]:
    """The windows of a text that begin at `starts`."""
    return tokens[starts[:, None] + torch.arange(size)]


def spread_windows(tokens: Int[Tensor, "pos"], size: int, most: int) -> Int[Tensor, "window size"]:
    """At most `most` windows of `size` tokens, spread evenly over a text without overlap."""
    return cut(tokens, spread_starts(len(tokens), size, most), size)


def first_speech(text: str) -> int:
    """Index of the first character after the first empty line; 0 if there is none."""
    return text.find("\n\n") + 2 if "\n\n" in text else 0


def spread_starts(total: int, size: int, most: int) -> Int[Tensor, "window"]:
    """Start indices of at most `most` windows of `size` tokens, spread evenly over `total` without overlap."""
    if total < size:
        raise NanoscopeError(f"the text has {total} tokens, too few for a window of {size}")
    return torch.linspace(0, total - size, min(most, total // size)).long()


def batches(count: int, size: int) -> Iterator[slice]:
    """Slices of at most `size` that cover `count` items in order."""
    return (slice(first, min(first + size, count)) for first in range(0, count, size))


def at_a_time(most: int, positions: int, symbols: int, logits: int = LOGITS) -> int:
    """How many texts of so many positions are read in one batch: `most`, or fewer of a model of many symbols; at least 1."""
    return max(1, min(most, logits // (positions * symbols)))


def in_batches(many: Batched, size: int, function: Callable[[Batched], np.ndarray], axis: int = 0) -> np.ndarray:
    """Apply a function to at most `size` windows (or examples of a task) at a time and concatenate along an axis."""
    return np.concatenate([function(many[chunk]) for chunk in batches(len(many), size)], axis=axis)
