"""Windows of a text: where they begin, how they are cut, and the start symbol before them where a model needs one.

They are spread evenly over the text, none overlapping another. Laid end to end they are one sequence of tokens. The
first token of a window has nothing before it, as in training.
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


@runtime_checkable
class _Sliced(Protocol):
    def __len__(self) -> int: ...
    def __getitem__(self, some: slice, /) -> Any: ...


Batched = TypeVar("Batched", bound=_Sliced)


@dataclass(frozen=True)
class Windows:
    """Pieces of a text: `tokens [window, pos]` for the model, and with which token of the text each begins.

    Where the model needs a start symbol, each row of `tokens` has it before the text (`lead` is then 1, else 0).
    """

    tokens: Tensor = field(repr=False)
    begins: Int[np.ndarray, "window"] = field(repr=False)
    lead: int

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def size(self) -> int:
        """Tokens of text in one window."""
        return self.tokens.shape[1] - self.lead

    @property
    def places(self) -> Int[np.ndarray, "window place"]:
        """Which token of the text stands at each place: a start symbol has a position, but is no place."""
        return self.begins[:, None] + np.arange(self.size)

    @property
    def laid_out(self) -> Int[np.ndarray, "place"]:
        """The same, windows end to end."""
        return self.places.ravel()

    def read(self, values: Tensor) -> Tensor:
        """The places of `values [window, pos, *any]`."""
        return values[:, self.lead :]

    def chunks(self) -> Iterator[slice]:
        """Windows that are run together, about 1,024 tokens at a time."""
        return batches(len(self), max(1, CHUNK_TOKENS // self.size))


def windows(tokens: Int[Tensor, "pos"], context: int, most: int, start: int | None = None) -> Windows:
    """Whole windows of a text, about `most` tokens in all, at least one window; each has a token after its last.

    Raises NanoscopeError where the text is shorter than one window.
    """
    size = room(context, start)
    return windows_at(tokens, spread_starts(len(tokens) - 1, size, max(1, most // size)), size, start)


def windows_at(
    tokens: Int[Tensor, "pos"], begins: Int[Tensor, "window"], size: int, start: int | None = None
) -> Windows:
    """The windows of a text that begin at these tokens, `size` of them each."""
    return Windows(started(cut(tokens, begins, size), start), begins.numpy(), lead(start))


def lead(start: int | None) -> int:
    """Positions that a start symbol takes: 1, or 0 for a model without one."""
    return int(start is not None)


def room(context: int, start: int | None) -> int:
    """Tokens of text that fit into a context, beside the start symbol."""
    return context - lead(start)


def start_symbol(start: int | None) -> Int[np.ndarray, "lead"]:
    """What stands before a text: the start symbol, or nothing."""
    return np.array([] if start is None else [start], dtype=np.int64)


def started(tokens: Int[Tensor, "*any pos"], start: int | None) -> Int[Tensor, "*any read"]:
    """Texts as a model reads them: with the start symbol before each, where the model needs one."""
    if start is None:
        return tokens
    return torch.cat([tokens.new_full((*tokens.shape[:-1], 1), start), tokens], dim=-1)


def cut(tokens: Int[Tensor, "pos"], starts: Int[Tensor, "window"], size: int) -> Int[Tensor, "window size"]:
    """The windows of a text that begin at `starts`."""
    return tokens[starts[:, None] + torch.arange(size)]


def spread_windows(tokens: Int[Tensor, "pos"], size: int, most: int) -> Int[Tensor, "window size"]:
    """At most `most` windows of `size` tokens, spread evenly over a text, none overlapping another."""
    return cut(tokens, spread_starts(len(tokens), size, most), size)


def first_speech(text: str) -> int:
    """Where the text begins anew after its first empty line; 0 where it has none."""
    return text.find("\n\n") + 2 if "\n\n" in text else 0


def spread_starts(total: int, size: int, most: int) -> Int[Tensor, "window"]:
    """Where to begin at most `most` windows of `size` tokens, spread evenly over `total`, none overlapping another."""
    if total < size:
        raise NanoscopeError(f"the text has {total} tokens, too few for a window of {size}")
    return torch.linspace(0, total - size, min(most, total // size)).long()


def batches(count: int, size: int) -> Iterator[slice]:
    """`count` things in order, at most `size` at a time."""
    return (slice(first, min(first + size, count)) for first in range(0, count, size))


def in_batches(many: Batched, size: int, function: Callable[[Batched], np.ndarray], axis: int = 0) -> np.ndarray:
    """What a function gives for at most `size` windows (or examples of a task) at a time, put together along an axis."""
    return np.concatenate([function(many[some]) for some in batches(len(many), size)], axis=axis)
