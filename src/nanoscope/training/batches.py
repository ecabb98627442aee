"""Training batches: windows of text, or the copying control's windows with copied spans.

A batch is a function of (seed, iteration, micro-step), so an interrupted training resumes with the same data.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Int
from torch import Tensor

from nanoscope.errors import NanoscopeError
from nanoscope.seeds import seed_for

ECHO_SPAN = (12, 40)


@runtime_checkable
class Batches(Protocol):
    """A source of windows of context + 1 tokens: inputs and, shifted by one, targets."""

    def draw(self, *labels: object, size: int) -> Int[Tensor, "batch pos"]: ...


@dataclass(frozen=True)
class TextBatches:
    """Windows at uniformly random offsets, as in nanoGPT's `get_batch`."""

    tokens: Tensor = field(repr=False)
    context: int

    def __post_init__(self) -> None:
        if len(self.tokens) <= self.context + 1:
            raise NanoscopeError(
                f"the text has {len(self.tokens)} tokens, too few for windows of {self.context + 1}; use a longer text"
            )

    def draw(self, *labels: object, size: int) -> Int[Tensor, "batch pos"]:
        generator = torch.Generator().manual_seed(seed_for("text", *labels))
        starts = torch.randint(len(self.tokens) - self.context, (size,), generator=generator)
        return self.tokens[starts[:, None] + torch.arange(self.context + 1)]


@dataclass(frozen=True)
class EchoBatches:
    """Windows of text with a span of uniformly random symbols and a copy of it at a random later position.

    Only copying from the context predicts the second span, and the distance varies: the positive control for induction
    heads. A span has 12 to 40 tokens, at most half a window. (Two pairs in a window of 64 leave so little room that a
    model can solve them by position; in a trial no induction head formed.)

    With `copied` below 1, only that share of the windows holds a copy: in the others the second span is an independent one
    of the same distribution and length, so that no n-gram tells the doses apart. At every dose the windows, the places and
    the first spans are the same, and what is copied at one dose is copied at every larger one.
    """

    text: TextBatches
    symbols: int
    copied: float = 1.0

    def __post_init__(self) -> None:
        if self.text.context + 1 < 2 * ECHO_SPAN[0]:
            raise NanoscopeError(
                f"a context of {self.text.context} has no room for a span of {ECHO_SPAN[0]} tokens and its copy; "
                f"use a block_size of at least {2 * ECHO_SPAN[0] - 1}"
            )

    def draw(self, *labels: object, size: int) -> Int[Tensor, "batch pos"]:
        return self.echoed(self.text.draw(*labels, size=size), *labels)

    def echoed(self, windows: Int[Tensor, "batch pos"], *labels: object) -> Int[Tensor, "batch pos"]:
        """The windows with their two spans, written over the given ones."""
        generator = torch.Generator().manual_seed(seed_for("echo", *labels))
        # A generator of its own, so that spans never depend on the dose.
        doses = torch.Generator().manual_seed(seed_for("echo dose", *labels))
        copied = torch.rand(len(windows), generator=doses) < self.copied
        others = torch.randint(self.symbols, (len(windows), ECHO_SPAN[1]), generator=doses)
        for window, copy, other in zip(windows, copied, others, strict=True):
            second = echo(window, self.symbols, generator)
            if not copy:
                window[second] = other[: second.stop - second.start]
        return windows


def echo(window: Int[Tensor, "pos"], symbols: int, generator: torch.Generator) -> slice:
    """Overwrite a span of the window and a later one with the same random symbols; returns where the later one is."""

    def below(limit: int) -> int:
        return int(torch.randint(limit, (), generator=generator))

    shortest, longest = ECHO_SPAN[0], min(ECHO_SPAN[1], len(window) // 2)
    length = shortest + below(longest - shortest + 1)
    first = below(len(window) - 2 * length + 1)
    second = first + length + below(len(window) - 2 * length - first + 1)
    span = torch.randint(symbols, (length,), generator=generator)
    window[first : first + length] = span
    window[second : second + length] = span
    return slice(second, second + length)
