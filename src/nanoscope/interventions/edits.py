"""Interventions as values: an `Edit` says which activation becomes what, and a run is given a list of them.

Makers take the values that they need from a `Cache` (or any mapping that answers `cache[site]`), so an edit is complete
in itself: it can be stored, reused and combined, and it changes nothing until it is passed to `run`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Int
from torch import Tensor

from nanoscope.errors import NanoscopeError
from nanoscope.model.sites import Site


@runtime_checkable
class HasActivations(Protocol):
    """What the makers read: `cache[site]` is the activation, or the slice of it, at that site."""

    def __getitem__(self, site: Site, /) -> Tensor: ...


@dataclass(frozen=True)
class Edit:
    """Replace the activation at `site` by `to`, or add `to` to it. `to` broadcasts over the slice's shape."""

    site: Site
    to: Tensor
    added: bool = False

    def apply(self, value: Tensor) -> Tensor:
        """The whole activation after the edit; the one passed in is left as it was."""
        index = self.site.index
        to = self.spread_over(value[index])
        changed = value.clone()
        changed[index] = value[index] + to if self.added else to
        return changed

    def spread_over(self, slot: Tensor) -> Tensor:
        """`to`, broadcast to the slice of an activation that it is for."""
        try:
            return self.to.to(slot).expand_as(slot)
        except RuntimeError:
            have, need = list(self.to.shape), list(slot.shape)
            raise NanoscopeError(f"the edit of {self.site} has shape {have}, which does not fit {need}") from None


def patch(site: Site, source: HasActivations) -> Edit:
    """Put in the value that another run had there (activation patching)."""
    return Edit(site, source[site])


def zero(site: Site) -> Edit:
    """Zero ablation."""
    return Edit(site, torch.zeros(()))


def mean(site: Site, reference: HasActivations) -> Edit:
    """Mean ablation: the average over the examples of a reference run, position by position."""
    return Edit(site, reference[site].mean(dim=0, keepdim=True))


def resample(site: Site, source: HasActivations, order: Int[Tensor, "batch"]) -> Edit:
    """Resample ablation: each example gets the value of another one, `order[i]` for example i."""
    return Edit(site, source[site][order])


def add(site: Site, vector: Tensor) -> Edit:
    """Add a vector (steering)."""
    return Edit(site, vector, added=True)


def freeze(sites: Iterable[Site], source: HasActivations) -> tuple[Edit, ...]:
    """Hold several activations at the values of an earlier run, for instance every attention pattern."""
    return tuple(patch(site, source) for site in sites)
