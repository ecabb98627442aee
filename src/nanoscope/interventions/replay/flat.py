"""Flat activations: the values of many rows at the positions that changed, one after another along the first axis."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nanoscope.interventions.replay.changes import Mask, Placed


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

    def plus(self, other: Flat) -> Flat:
        """The sum of two at the same places, in the other's memory, which must be nobody else's."""
        return Flat(other.values.add_(self.values), other.places)


@dataclass(frozen=True)
class Write:
    """Values to put (or add) at some tokens, of one head or neuron each where such a one is chosen."""

    tokens: Tensor
    feature: Tensor | None
    values: Tensor
    added: bool

    def onto(self, values: Tensor) -> None:
        """Write into a flat activation that nobody else holds."""
        where = (self.tokens,) if self.feature is None else (self.tokens, self.feature)
        values[where] = values[where] + self.values if self.added else self.values


def writes(edits: Iterable[tuple[int, np.ndarray, np.ndarray, Placed]], places: Places) -> list[Write]:
    """Edits of one site as few writes: `(turn, rows, examples, edit)`, edits of equal turn being of different cells."""
    kinds: dict[tuple[int, bool, bool], list[tuple[Tensor, int | None, Tensor]]] = {}
    for turn, rows, examples, part in edits:
        number = places.number[rows, part.covered]
        row, pos = np.nonzero(number >= 0)
        if len(row):
            site = part.edit.site
            feature = site.head if site.neuron is None else site.neuron
            values = part.value[torch.from_numpy(examples[row]), torch.from_numpy(pos)].to(places.device)
            values = values if feature is None else values.squeeze(1)
            tokens = torch.from_numpy(number[row, pos]).to(places.device)
            kinds.setdefault((turn, feature is None, part.edit.added), []).append((tokens, feature, values))
    return [_joined(parts, added) for (_, _, added), parts in sorted(kinds.items(), key=lambda item: item[0])]


def _joined(parts: list[tuple[Tensor, int | None, Tensor]], added: bool) -> Write:
    tokens, values = torch.cat([part[0] for part in parts]), torch.cat([part[2] for part in parts])
    if parts[0][1] is None:
        return Write(tokens, None, values, added)
    sizes = torch.tensor([len(part[0]) for part in parts])
    features = torch.tensor([part[1] for part in parts]).repeat_interleave(sizes)
    return Write(tokens, features.to(tokens.device), values, added)
