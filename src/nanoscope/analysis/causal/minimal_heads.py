"""The fewest heads that are enough: taken out one after another, always the one that is missed least.

Every MLP and the kept heads work as they are; the output of every other head is replaced by its mean over reference texts.
The heads in the order of their removal give nested sets, one of each size: cost(k) is what the model loses when it keeps the
last k of them. Heads that do the same thing cover for one another, so a head's own cost says little: it is measured anew
whenever the head could be the next to go.

A removal takes the head with the least *added* cost. Costs from earlier rounds are taken as lower bounds, so that most heads
need not be measured again in every round (lazy evaluation, Minoux 1978): exact where a head is missed no less when others are
gone too, an approximation where that fails.

Source: Wang et al. 2022 and Conmy et al. 2023 for circuits by ablating what is left out; the search is nanoscope's own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from nanoscope.analysis.causal.component_ablation import cost_of, mean_outputs
from nanoscope.interventions.edits import Edit
from nanoscope.model.config import GPTConfig
from nanoscope.model.gpt import GPT
from nanoscope.model.sites import Site
from nanoscope.seeds import seed_for
from nanoscope.text.passages import Passages

Head = tuple[int, int]
Cost = Callable[[Sequence[Sequence[Head]]], Float[np.ndarray, "set"]]
"""What the model loses without each of some sets of heads, nats per token."""
TOGETHER = 4
"""Heads whose cost is measured anew at a time."""


def all_heads(config: GPTConfig) -> tuple[Head, ...]:
    """Every head, as (layer, head)."""
    return tuple((layer, head) for layer in range(config.n_layer) for head in range(config.n_head))


@dataclass(frozen=True)
class MeanHeads:
    """A model, and what replaces each of its heads."""

    model: GPT = field(repr=False)
    means: dict[Head, Edit] = field(repr=False)

    @staticmethod
    def of(model: GPT, reference: Int[Tensor, "text pos"]) -> MeanHeads:
        """The heads' means over reference texts, position by position."""
        sites = {(layer, head): Site("z", layer, head=head) for layer, head in all_heads(model.config)}
        edits = mean_outputs(model, sites.values(), reference)
        return MeanHeads(model, {head: edits[site] for head, site in sites.items()})

    def without(self, text: Passages, sets: Sequence[Sequence[Head]]) -> Float[np.ndarray, "set window"]:
        """What the model loses in each window without each set of heads, nats per token."""
        return cost_of(self.model, text, [[self.means[head] for head in heads] for heads in sets])

    def keeping(self, text: Passages, sets: Sequence[Sequence[Head]]) -> Float[np.ndarray, "set window"]:
        """What the model loses in each window with each set of heads alone."""
        return self.without(text, [[head for head in self.means if head not in kept] for kept in sets])

    def order_of_removal(self, text: Passages) -> tuple[Head, ...]:
        """The heads in the order in which they are taken out, by their mean costs over the windows of a text."""
        return order_of_removal(tuple(self.means), lambda sets: self.without(text, sets).mean(1))


def order_of_removal(heads: Sequence[Head], cost: Cost) -> tuple[Head, ...]:
    """All heads, the one that is missed least first, given that those before it are gone."""
    removed: list[Head] = []
    added = dict(zip(heads, cost([[head] for head in heads]).tolist(), strict=True))
    fresh, before = set(heads), 0.0
    while added:
        while (least := min(added, key=lambda head: (added[head], head))) not in fresh:
            stale = sorted(added.keys() - fresh, key=lambda head: (added[head], head))[:TOGETHER]
            costs = cost([[*removed, head] for head in stale]) - before
            added |= dict(zip(stale, costs.tolist(), strict=True))
            fresh |= set(stale)
        before += added.pop(least)
        removed.append(least)
        fresh = set()
    return tuple(removed)


def random_sets(
    heads: Sequence[Head], sizes: Sequence[int], draws: int, *labels: object
) -> list[list[tuple[Head, ...]]]:
    """`draws` random sets of heads of each size."""
    generator = torch.Generator().manual_seed(seed_for("random sets of heads", *labels))
    drawn = [[torch.randperm(len(heads), generator=generator)[:size] for _ in range(draws)] for size in sizes]
    return [[tuple(heads[i] for i in sorted(one.tolist())) for one in of_size] for of_size in drawn]


def enough(cost: Float[np.ndarray, "kept"], allowed: float) -> int:
    """The least number of heads from which on no larger set costs more than allowed; `cost[k]` is that of k heads."""
    too_much = np.flatnonzero(cost > allowed)
    return int(too_much[-1]) + 1 if len(too_much) else 0
