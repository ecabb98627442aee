"""Interventions as values: an `Edit` names an activation and its new value; `run` takes a list of edits.

Functions such as `patch` copy the values that they need from a `Cache` (or any mapping with `cache[site]`), so an edit is
self-contained. It can be stored, reused and combined, and has no effect until it is passed to `run`.
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
    """A source of activations: `cache[site]` is the activation, or slice of one, at that site."""

    def __getitem__(self, site: Site, /) -> Tensor: ...


@dataclass(frozen=True)
class Edit:
    """Replace the activation at `site` by `to`, or add `to` to it. `to` broadcasts over the slice's shape."""

    site: Site
    to: Tensor
    added: bool = False

    def apply(self, value: Tensor) -> Tensor:
        """The whole activation after the edit; `value` itself is unchanged."""
        index = self.site.index
        to = self.broadcast_to(value[index])
        changed = value.clone()
        changed[index] = value[index] + to if self.added else to
        return changed

    def broadcast_to(self, slot: Tensor) -> Tensor:
        """`to`, broadcast to the shape of an activation's slice. Raises NanoscopeError if the shapes do not fit."""
        try:
            return self.to.to(slot).expand_as(slot)
        except RuntimeError:
            have, need = list(self.to.shape), list(slot.shape)
            raise NanoscopeError(f"the edit of {self.site} has shape {have}, which does not fit {need}") from None


def patch(site: Site, source: HasActivations) -> Edit:
    """Activation patching: replace the activation by its value in another run."""
    return Edit(site, source[site])


def zero(site: Site) -> Edit:
    """Zero ablation."""
    return Edit(site, torch.zeros(()))


def mean(site: Site, reference: HasActivations) -> Edit:
    """Mean ablation: replace by the mean over the examples of a reference run, per position."""
    return Edit(site, reference[site].mean(dim=0, keepdim=True))


def resample(site: Site, source: HasActivations, order: Int[Tensor, "batch"]) -> Edit:
    """Resample ablation: example i gets the value of example `order[i]`."""
    return Edit(site, source[site][order])


def add(site: Site, vector: Tensor) -> Edit:
    """Add a vector (steering)."""
    return Edit(site, vector, added=True)


def freeze(sites: Iterable[Site], source: HasActivations) -> tuple[Edit, ...]:
    """Fix several activations, such as all attention patterns, at their values in another run."""
    return tuple(patch(site, source) for site in sites)
