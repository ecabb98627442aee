"""Flat activations: the values of many rows at the positions that changed, one after another along the first axis."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nanoscope.interventions.replay.cells import Mask


class Places:
    """The (row, position) pairs that a flat activation runs over, row by row."""

    def __init__(self, mask: Mask, example: np.ndarray, device: torch.device) -> None:
        self.mask, self.device = mask, device
        row, pos = np.nonzero(mask)
        self._base = torch.from_numpy(example[row] * mask.shape[1] + pos).to(device)
        self.number = np.full(mask.shape, -1)
        self.number[row, pos] = np.arange(len(row))
        """Which token of the flat activation a pair is; -1 where it is none."""

    def __len__(self) -> int:
        return len(self._base)

    def of(self, activation: Tensor) -> Tensor:
        """The base run's values `[example, pos, ...]` at these places."""
        return activation.flatten(0, 1).index_select(0, self._base)

    def tokens(self, where: Mask) -> Tensor:
        """Which tokens lie at a mask of pairs."""
        return torch.from_numpy(self.number[where]).to(self.device)


@dataclass(frozen=True)
class Flat:
    """Values `[token, ...]` and the places that they belong to."""

    values: Tensor
    places: Places

    def mapped(self, function: Callable[[Tensor], Tensor]) -> Flat:
        """The same places, other values."""
        return Flat(function(self.values), self.places)

    def moved(self, places: Places, base: Callable[[], Tensor]) -> Flat:
        """These values at other places; where there are none, the base run's."""
        if places is self.places:
            return self
        both = places.mask & self.places.mask
        mine = self.values.index_select(0, self.places.tokens(both))
        if len(mine) == len(places):
            return Flat(mine, places)
        values = places.of(base())
        values[places.tokens(both)] = mine
        return Flat(values, places)

    def at(self, places: Places) -> Flat:
        """Those of these values that lie at some of their places."""
        return self.moved(places, lambda: self.values)

    def plus(self, other: Flat) -> Flat:
        """The sum of two at the same places, in the other's memory, which must be nobody else's."""
        return Flat(other.values.add_(self.values), other.places)
