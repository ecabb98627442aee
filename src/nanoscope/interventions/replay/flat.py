"""Flat activations: the values of many rows at the changed positions, concatenated along the first axis."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from nanoscope.interventions.replay.cells import Mask


class Places:
    """The (row, position) pairs of the tokens of a flat activation, row by row."""

    def __init__(self, mask: Mask, example: np.ndarray, device: torch.device) -> None:
        self.mask, self.device = mask, device
        row, pos = np.nonzero(mask)
        self._base = torch.from_numpy(example[row] * mask.shape[1] + pos).to(device)
        self._position = pos
        self.number = np.full(mask.shape, -1)
        self.number[row, pos] = np.arange(len(row))
        """Index `[row, pos]` of each pair in the flat activation; -1 if it is not in it."""

    def __len__(self) -> int:
        return len(self._base)

    @cached_property
    def position(self) -> Tensor:
        """The position of each token."""
        return torch.from_numpy(self._position).to(self.device)

    def of(self, activation: Tensor) -> Tensor:
        """Values of a base run's activation `[example, pos, ...]` at these places."""
        return activation.flatten(0, 1).index_select(0, self._base)

    def tokens(self, where: Mask) -> Tensor:
        """Indices of the tokens selected by a mask `[row, pos]`."""
        return torch.from_numpy(self.number[where]).to(self.device)


@dataclass(frozen=True)
class Flat:
    """Values `[token, ...]` and their places."""

    values: Tensor
    places: Places

    def mapped(self, function: Callable[[Tensor], Tensor]) -> Flat:
        """Apply a function to the values."""
        return Flat(function(self.values), self.places)

    def moved(self, places: Places, base: Callable[[], Tensor]) -> Flat:
        """The values at other places; those that are missing come from the base run."""
        if places is self.places:
            return self
        both = places.mask & self.places.mask
        known = self.values.index_select(0, self.places.tokens(both))
        if len(known) == len(places):
            return Flat(known, places)
        values = places.of(base())
        values[places.tokens(both)] = known
        return Flat(values, places)

    def at(self, places: Places) -> Flat:
        """The values at a subset of the places."""
        return self.moved(places, lambda: self.values)

    def plus(self, other: Flat) -> Flat:
        """The sum of two at the same places. Overwrites `other`, which must not be used elsewhere."""
        return Flat(other.values.add_(self.values), other.places)
