"""Experiment 02, composition: pairs of heads that can compose, and pairs that cannot.

The second head of a pair can read what the first one writes if it lies in a later layer. The same score is taken of pairs in
one layer and of a later head with an earlier one, where it means nothing: what these pairs show, any pair may show.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from nanoscope.evidence.sweep import Sweep
from nanoscope.model.names import head_name
from nanoscope.statistics.auroc import auroc


@dataclass(frozen=True)
class PairScores:
    """A score of every head with every other: `scores[layer, head, later_layer, later_head]`, the first one writing."""

    scores: Float[np.ndarray, "layer head layer head"]

    @property
    def possible(self) -> Float[np.ndarray, "pair"]:
        """Of the pairs in which the second head lies in a later layer."""
        return self.scores[self.feeds]

    @property
    def impossible(self) -> Float[np.ndarray, "pair"]:
        """Of all other pairs of two heads."""
        return self.scores[~self.feeds & ~self._itself()]

    def without(self, layer: int, head: int) -> PairScores:
        """The pairs of the other heads; those of this one are NaN."""
        left = self.scores.copy()
        left[layer, head] = np.nan
        left[:, :, layer, head] = np.nan
        return PairScores(left)

    @property
    def feeds(self) -> Bool[np.ndarray, "layer head layer head"]:
        """Which pairs can compose: the first head is in an earlier layer than the second."""
        layers = np.arange(len(self.scores))
        below = layers[:, None] < layers[None, :]
        return np.broadcast_to(below[:, None, :, None], self.scores.shape)

    def _itself(self) -> np.ndarray:
        layers, heads = self.scores.shape[:2]
        return np.eye(layers * heads, dtype=bool).reshape(self.scores.shape)


def best_of_all_ways(composition: Sweep) -> PairScores:
    """The largest of the scores through queries, keys and values."""
    return PairScores(composition.values.max(axis=0))


def better_than_impossible(scores: PairScores) -> float:
    """The probability that a possible pair scores above an impossible one: 0.5 if being possible tells nothing, 1 if all do.
    NaN without pairs of both kinds."""
    kinds = [part[~np.isnan(part)] for part in (scores.possible, scores.impossible)]
    if not all(map(len, kinds)):
        return float("nan")
    return auroc(np.concatenate(kinds), np.repeat([True, False], [len(kind) for kind in kinds]))


def without_each_head(scores: PairScores) -> Float[np.ndarray, "head"]:
    """The same probability without each head in turn."""
    return np.array([better_than_impossible(scores.without(*at)) for at in np.ndindex(scores.scores.shape[:2])])


def strongest(composition: Sweep, count: int) -> tuple[tuple[str, float], ...]:
    """The possible pairs with the highest scores: `L0H1 -> L1H0 by K`, and the score."""
    scores = best_of_all_ways(composition)
    ranked = np.where(scores.feeds, scores.scores, -1)
    order = np.argsort(ranked, axis=None)[::-1][: min(count, len(scores.possible))]
    return tuple(_pair(composition, np.unravel_index(i, ranked.shape)) for i in order)


def _pair(composition: Sweep, at: tuple[np.intp, ...]) -> tuple[str, float]:
    values = composition.values[(slice(None), *at)]
    layer, head, later_layer, later_head = (int(i) for i in at)
    way = composition.labels("way")[int(values.argmax())]
    return f"{head_name(layer, head)} -> {head_name(later_layer, later_head)} by {way}", float(values.max())
