"""Ablation of single neurons: the change of the loss, on the characters where the neuron is active and on all others.

Every ablation is exact (by the replay engine): the activation is set to 0, or to its mean over the windows at each
position. The *direct* effect keeps all later layers unchanged: only the neuron's own write is missing at the
unembedding. The rest of the total effect goes through later layers (docs/methods/neurons.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from nanoscope.analysis.neurons.activations import require_neurons
from nanoscope.evidence.sweep import Sweep
from nanoscope.interventions.edits import Edit, mean, zero
from nanoscope.interventions.replay import base_run, replay
from nanoscope.interventions.run import Cache, Run, activations
from nanoscope.model.arithmetic import norm_after
from nanoscope.model.gpt import GPT
from nanoscope.model.names import neuron_name
from nanoscope.model.sites import Site
from nanoscope.tasks import metrics
from nanoscope.text.windows import at_a_time, batches

EFFECTS = ("zero", "mean", "mean, direct")
PARTS = ("active", "other")
Neuron = tuple[int, int]


@dataclass(frozen=True)
class Ablated:
    """Changes of the loss, summed over characters, `[effect, neuron, part, window]`, nats; and the number of characters of
    each part, `[neuron, part, window]`."""

    change: Sweep
    count: Sweep


def without_neurons(
    model: GPT,
    tokens: Int[Tensor, "window pos"],
    targets: Int[Tensor, "window read"],
    neurons: Sequence[Neuron],
    thresholds: Sequence[float],
) -> Ablated:
    """Change of the loss on `targets`, which follow the last positions of each window, when a neuron is ablated.

    A character is active where the neuron's activation is above its threshold.
    """
    require_neurons(model)
    cache = activations(model, tokens, keep=[("post", layer) for layer in {layer for layer, _ in neurons}])
    means = [mean(_site(neuron), cache) for neuron in neurons]
    found = []
    for some in batches(len(tokens), at_a_time(len(tokens), tokens.shape[1], model.config.vocab_size)):
        reading = _Reading.of(model, tokens[some], targets[some])
        found.append([reading.without(*one) for one in zip(neurons, means, thresholds, strict=True)])
    rows = [[np.concatenate(parts, axis=-1) for parts in zip(*one, strict=True)] for one in zip(*found, strict=True)]
    change, count = (np.stack(part) for part in zip(*rows, strict=True))
    names = tuple(neuron_name(*neuron) for neuron in neurons)
    coords = {"effect": EFFECTS, "neuron": names, "part": PARTS}
    kept = {"neuron": names, "part": PARTS}
    return Ablated(
        Sweep(np.moveaxis(change, 0, 1), ("effect", "neuron", "part", "window"), "nats, summed", coords),
        Sweep(count, ("neuron", "part", "window"), "characters", kept),
    )


def _site(neuron: Neuron) -> Site:
    return Site("post", neuron[0], neuron=neuron[1])


@dataclass(frozen=True)
class _Reading:
    """The unablated run of some windows, and the positions at which its loss is read."""

    model: GPT
    tokens: Tensor
    positions: Tensor
    targets: Tensor
    base: Run

    @staticmethod
    def of(model: GPT, tokens: Int[Tensor, "window pos"], targets: Int[Tensor, "window read"]) -> _Reading:
        positions = torch.arange(tokens.shape[1] - targets.shape[1], tokens.shape[1], device=model.device)
        base = base_run(model, tokens, ["post", "resid_post", *held(model)])
        return _Reading(model, tokens, positions.expand(len(tokens), -1), targets, base)

    def without(self, neuron: Neuron, by_mean: Edit, threshold: float) -> tuple[np.ndarray, np.ndarray]:
        """Summed changes `[effect, part, window]` and counts `[part, window]`; `by_mean` is the mean over all windows."""
        site = _site(neuron)
        cells = [[zero(site)], [by_mean]]
        active = self.base.cache[site].gather(1, self.positions) > threshold
        parts = torch.stack([active, ~active])
        totals = [self._replayed(cells, part) for part in parts]
        direct = self._direct(neuron, by_mean)
        changes = [
            np.concatenate([total, (direct * part).double().sum(1).cpu().numpy()[None]])
            for total, part in zip(totals, parts, strict=True)
        ]
        return np.stack(changes, axis=1), parts.sum(2).cpu().numpy()

    def _replayed(self, cells: list[list[Edit]], part: Bool[Tensor, "window read"]) -> np.ndarray:
        """Change of the loss summed over one part of the characters: `[cell, window]`."""

        def summed(logits: Float[Tensor, "row read vocab"]) -> Float[Tensor, "row"]:
            times = len(logits) // len(part)
            return (self._losses(logits, times) * part.repeat(times, 1)).double().sum(1)

        found = replay(self.model, self.tokens, cells, self.positions, summed, base=self.base)
        return (found.values - found.base).numpy()

    def _direct(self, neuron: Neuron, edit: Edit) -> Float[Tensor, "window read"]:
        """Change of each character's loss if the ablation affects only the unembedding."""
        layer, index = neuron
        mlp = self.model.blocks[layer].mlp
        assert mlp is not None
        before = self.base.cache[Site("post", layer, neuron=index)]
        removed = (edit.broadcast_to(before) - before)[..., None] * mlp.c_proj.weight[:, index]
        last = self.base.cache["resid_post", self.model.config.n_layer - 1]
        with torch.no_grad():
            logits = self.model.unembed(torch.stack([last, along_stream(self.model, self.base.cache, layer, removed)]))
        read = torch.stack([metrics.read_at(one, self.positions) for one in logits])
        plain, without = self._losses(read.flatten(0, 1), 2).unflatten(0, (2, -1))
        return without - plain

    def _losses(self, logits: Float[Tensor, "row read vocab"], times: int) -> Float[Tensor, "row read"]:
        return -metrics.chosen(metrics.log_probs(logits), self.targets.repeat(times, 1))


def held(model: GPT) -> tuple[str, ...]:
    """The activations that `along_stream` needs beside the last residual stream."""
    return () if model.config.norm_position == "pre" else ("resid_mid", "attn_out", "mlp_out")


def along_stream(model: GPT, cache: Cache, layer: int, change: Float[Tensor, "batch pos d_model"]) -> Tensor:
    """The final residual stream when a change of a layer's MLP output reaches no later head or MLP, `[batch, pos, d_model]`.

    Norms that come after additions apply; everything that later layers write is held.
    """
    if model.config.norm_position == "pre":
        return cache["resid_post", model.config.n_layer - 1] + change
    x = cache["resid_mid", layer] + cache["mlp_out", layer] + change
    for number, block in enumerate(model.blocks[layer:], layer):
        assert block.ln_2 is not None
        if number > layer:
            x = norm_after(x + cache["attn_out", number], block.ln_1) + cache["mlp_out", number]
        x = norm_after(x, block.ln_2)
    return x
