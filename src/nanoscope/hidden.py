"""The hidden units (neurons) of a model over a text: which pieces of the text, and what each neuron does there.

A text is cut into windows as long as the model's context, spread evenly over it, none overlapping another. Laid end to
end they are one sequence of characters. The first character of a window has nothing before it, as in training.

    for hidden in by_layer(model, windows): hidden.post     # [neuron, char], one layer after another

The residual stream is carried from layer to layer, so all layers cost one forward pass, and one layer's neurons at a
time are in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from nanoscope import model as arithmetic
from nanoscope.activations import run
from nanoscope.errors import NanoscopeError
from nanoscope.model import GPT
from nanoscope.tasks import spread_starts

if TYPE_CHECKING:
    from jaxtyping import Float, Int

CHUNK_CHARACTERS = 1024


@dataclass(frozen=True)
class Windows:
    """Pieces of a text: `tokens [window, pos]` for the model, and where in the text they lie, `places [window, char]`.

    Where the model needs a start symbol, each row of `tokens` has it before the characters (`lead` is then 1, else 0).
    """

    tokens: Tensor
    places: np.ndarray
    lead: int

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def size(self) -> int:
        """Characters of one window."""
        return self.places.shape[1]

    @property
    def laid_out(self) -> Int[np.ndarray, "char"]:
        """The place in the text of every character, windows end to end."""
        return self.places.ravel()

    def chunks(self) -> Iterator[slice]:
        """Windows that are run together, about 1,024 characters at a time."""
        step = max(1, CHUNK_CHARACTERS // self.size)
        return (slice(first, min(first + step, len(self))) for first in range(0, len(self), step))


class Hidden(NamedTuple):
    """One layer on every character: its neurons, and the normalised residual stream that they read."""

    post: Tensor
    """`[neuron, char]`."""
    read: Tensor
    """`[char, d_model]`."""


def windows(tokens: Int[Tensor, "char"], context: int, characters: int, start: int | None = None) -> Windows:
    """Whole windows of a text, about `characters` in all, at least one; each has a character after its last.

    Raises NanoscopeError where the text is shorter than one window.
    """
    size = context - (start is not None)
    starts = spread_starts(len(tokens) - 1, size, max(1, characters // size))
    places = starts[:, None] + torch.arange(size)
    lead = torch.full((len(starts), 0 if start is None else 1), start or 0)
    return Windows(torch.cat([lead, tokens[places]], dim=1), places.numpy(), lead.shape[1])


def require_neurons(model: GPT) -> None:
    """Raise NanoscopeError for a model without MLPs."""
    if model.config.attention_only:
        raise NanoscopeError("the model is attention-only, so it has no neurons; use a model with MLPs")


def by_layer(model: GPT, windows: Windows) -> Iterator[Hidden]:
    """Layer after layer, what its neurons do on every character, windows end to end, on the CPU."""
    require_neurons(model)
    stream = _embedded(model, windows)
    for layer in range(model.config.n_layer):
        yield _through_layer(model, layer, windows, stream)


def every_layer(model: GPT, windows: Windows, chunk: slice) -> Float[Tensor, "layer window char neuron"]:
    """All neurons on some of the windows, on the CPU."""
    require_neurons(model)
    cache = run(model, windows.tokens[chunk], keep=["post"]).cache
    return cache.layers("post")[:, :, windows.lead :].cpu()


@torch.no_grad()
def _embedded(model: GPT, windows: Windows) -> Tensor:
    return model.embed(windows.tokens.to(model.device))


@torch.no_grad()
def _through_layer(model: GPT, layer: int, windows: Windows, stream: Tensor) -> Hidden:
    """Run one layer, moving `stream [window, pos, d_model]` on to its output."""
    block, config, lead = model.blocks[layer], model.config, windows.lead
    assert block.ln_2 is not None
    post = torch.empty(4 * config.n_embd, len(windows) * windows.size)
    read = torch.empty(len(windows) * windows.size, config.n_embd)
    for chunk in windows.chunks():
        seen = _Seen()
        stream[chunk] = model.block(stream[chunk], layer, block, seen)
        at = slice(chunk.start * windows.size, chunk.stop * windows.size)
        post[:, at] = seen.kept["post"][:, lead:].flatten(0, 1).T
        read[at] = arithmetic.norm(seen.kept["resid_mid"][:, lead:], block.ln_2).flatten(0, 1)
    return Hidden(post, read)


class _Seen:
    """A tap that keeps what the neurons read and what they give."""

    def __init__(self) -> None:
        self.kept: dict[str, Tensor] = {}

    def wants(self, name: str, layer: int | None) -> bool:
        return name in ("resid_mid", "post")

    def __call__(self, name: str, layer: int | None, value: Tensor) -> Tensor:
        self.kept[name] = value
        return value
