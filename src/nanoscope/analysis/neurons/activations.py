"""A model's neurons over the windows of a text, before or after the activation function.

    for hidden in by_layer(model, windows, "pre"): hidden.neurons     # [neuron, char], one layer after another

GELU and SiLU are not monotone: GELU(-5) lies above GELU(-1). So what a neuron tells is read before them, at `pre`; what it
writes is `post`. Every activation function here is positive exactly where `pre` is: there the neuron is *active*. In a gated
MLP `pre` is the input of the gate, and a neuron is active where its gate is open; its write then has the sign of the linear
factor.

The residual stream is passed from layer to layer, so all layers cost one forward pass, and only one layer's neurons are
in memory at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from nanoscope.errors import NanoscopeError
from nanoscope.interventions.run import activations
from nanoscope.model import arithmetic
from nanoscope.model.gpt import GPT
from nanoscope.model.sites import mlp_reads
from nanoscope.text.windows import Windows

NeuronSite = Literal["pre", "post"]
"""Before the activation function, or after it."""


class Hidden(NamedTuple):
    """One layer at every character: its neurons, and the normalised residual stream that they read."""

    neurons: Tensor
    """`[neuron, char]`."""
    read: Tensor
    """`[char, d_model]`."""


def require_neurons(model: GPT) -> None:
    """Raise NanoscopeError for a model without MLPs."""
    if model.config.attention_only:
        raise NanoscopeError("the model is attention-only, so it has no neurons; use a model with MLPs")


def by_layer(model: GPT, windows: Windows, site: NeuronSite) -> Iterator[Hidden]:
    """Each layer's neurons in turn, at every character, windows concatenated, on the CPU."""
    require_neurons(model)
    stream = _embedded(model, windows)
    for layer in range(model.config.n_layer):
        yield _through_layer(model, layer, windows, stream, site)


def every_layer(model: GPT, windows: Windows, chunk: slice) -> Float[Tensor, "layer window char neuron"]:
    """All neurons' activations on some of the windows, on the CPU."""
    require_neurons(model)
    cache = activations(model, windows.tokens[chunk], keep=["post"])
    return cache.layers("post")[:, :, windows.lead :].cpu()


@torch.no_grad()
def _embedded(model: GPT, windows: Windows) -> Tensor:
    return model.embed(windows.tokens.to(model.device))


@torch.no_grad()
def _through_layer(model: GPT, layer: int, windows: Windows, stream: Tensor, site: NeuronSite) -> Hidden:
    """Run one layer, replacing `stream [window, pos, d_model]` with its output in place."""
    block, config, lead = model.blocks[layer], model.config, windows.lead
    assert block.ln_2 is not None
    neurons = torch.empty(config.d_mlp, len(windows) * windows.size)
    read = torch.empty(len(windows) * windows.size, config.n_embd)
    for chunk in windows.chunks():
        tap = _NeuronTap(site)
        written = model.block(stream[chunk], layer, block, tap)
        at = slice(chunk.start * windows.size, chunk.stop * windows.size)
        neurons[:, at] = tap.kept[site][:, lead:].flatten(0, 1).T
        read[at] = arithmetic.norm_before(tap.kept[mlp_reads(config)][:, lead:], block.ln_2).flatten(0, 1)
        stream[chunk] = written  # last, since what the MLP read may be a view of it
    return Hidden(neurons, read)


class _NeuronTap:
    """A tap that keeps what the neurons read, and the neurons at one site."""

    def __init__(self, site: NeuronSite) -> None:
        self.site = site
        self.kept: dict[str, Tensor] = {}

    def wants(self, name: str, layer: int | None) -> bool:
        return name in ("resid_pre", "resid_mid", self.site)

    def __call__(self, name: str, layer: int | None, value: Tensor) -> Tensor:
        self.kept[name] = value
        return value
