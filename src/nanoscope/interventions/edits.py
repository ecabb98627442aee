"""Interventions as values: an `Edit` names an activation and its new value; `run` takes a list of edits.

Functions such as `patch` copy the values that they need from a `Cache` (or any mapping with `cache[site]`), so an edit is
self-contained. It can be stored, reused and combined, and has no effect until it is passed to `run` or `generate`. A
`Transform` computes its value from the run itself; sweeps, which replay stored values, do not take it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from nanoscope.errors import NanoscopeError
from nanoscope.model.sites import Site


@runtime_checkable
class HasActivations(Protocol):
    """A source of activations: `cache[site]` is the activation, or slice of one, at that site."""

    def __getitem__(self, site: Site, /) -> Tensor: ...


@dataclass(frozen=True)
class Edit:
    """Replace the activation at `site` by `to`, or add `to` to it.

    `to` has the slice's shape, with a batch of one or the slice's own; its first axes may be missing (a vector `[d_model]`).
    """

    site: Site
    to: Tensor
    added: bool = False

    def apply(self, value: Tensor) -> Tensor:
        """The whole activation after the edit; `value` itself is unchanged."""
        index = self.site.index_in(value.shape)
        to = self.broadcast_to(value[index])
        changed = value.clone()
        changed[index] = value[index] + to if self.added else to
        return changed

    def broadcast_to(self, slot: Tensor) -> Tensor:
        """`to`, broadcast to the shape of an activation's slice. Raises NanoscopeError if the shapes do not fit."""
        have, need = list(self.to.shape), list(slot.shape)
        batch_of_one = len(have) == len(need) and have[:1] == [1]
        if have[batch_of_one:] != need[len(need) - len(have) + batch_of_one :]:
            raise NanoscopeError(
                f"the edit of {self.site} has shape {have}, which does not fit {need}; only a batch of one is repeated"
            )
        return self.to.to(slot).expand_as(slot)


@dataclass(frozen=True)
class Transform:
    """Replace the activation at `site` by a function of it."""

    site: Site
    function: Callable[[Tensor], Tensor] = field(repr=False)
    """From the slice, with the axes `site.axes`, to its new value of the same shape."""
    name: str
    by_position: bool = False
    """Whether the new value at a position depends on no other position."""

    def apply(self, value: Tensor) -> Tensor:
        """The whole activation after the edit. Raises NanoscopeError if the function changes the slice's shape."""
        index = self.site.index_in(value.shape)
        changed = value.clone()
        new = self.function(changed[index])
        if not isinstance(new, Tensor) or new.shape != changed[index].shape:
            got = list(new.shape) if isinstance(new, Tensor) else type(new).__name__
            axes = " ".join(self.site.axes)
            raise NanoscopeError(
                f"the function of {self.name} must return [{axes}] = {list(changed[index].shape)}, not {got}"
            )
        changed[index] = new.to(changed)
        return changed


AnyEdit = Edit | Transform


def listed(edits: object) -> Sequence[AnyEdit]:
    """The edits of a run, as given. Raises NanoscopeError for anything but a list of edits."""
    if isinstance(edits, AnyEdit) or not isinstance(edits, Sequence):
        raise NanoscopeError("edits are a list, even if there is only one: run(model, tokens, [zero(site)])")
    for edit in edits:
        if not isinstance(edit, AnyEdit):
            raise NanoscopeError(
                f"a {type(edit).__name__} is no edit; make one with zero, mean, add, patch, scale or edit(site, function)"
            )
    return edits


def with_values(edits: object) -> Sequence[Edit]:
    """The edits of a sweep's cell. Raises NanoscopeError for one whose value is computed by a function."""
    for edit in listed(edits):
        if isinstance(edit, Transform):
            raise NanoscopeError(
                f"{edit.name} is a function of the run's own values, which no sweep can replay; use run"
            )
    return [edit for edit in listed(edits) if isinstance(edit, Edit)]


def patch(site: Site, source: HasActivations) -> Edit:
    """Activation patching: replace the activation by its value in another run."""
    return Edit(site, source[site])


def zero(site: Site) -> Edit:
    """Zero ablation."""
    return Edit(site, torch.zeros(()))


def mean(site: Site, reference: HasActivations, over: tuple[str, ...] = ("batch",)) -> Edit:
    """Mean ablation: replace by the mean over the examples of a reference run, per position.

    `over=("batch", "pos")` also takes the mean over positions; the edit then fits texts of any length.
    """
    if not over or over != site.axes[: len(over)]:
        raise NanoscopeError(f"{site} has axes {' '.join(site.axes)}; a mean is over the first of them, not {over}")
    return Edit(site, reference[site].mean(dim=tuple(range(len(over)))))


def resample(site: Site, source: HasActivations, order: Int[Tensor, "batch"]) -> Edit:
    """Resample ablation: example i gets the value of example `order[i]`."""
    return Edit(site, source[site][order])


def add(site: Site, vector: Tensor) -> Edit:
    """Add a vector (steering)."""
    return Edit(site, vector, added=True)


def freeze(sites: Iterable[Site], source: HasActivations) -> tuple[Edit, ...]:
    """Fix several activations, such as all attention patterns, at their values in another run."""
    return tuple(patch(site, source) for site in sites)


def edit(site: Site, function: Callable[[Tensor], Tensor]) -> Transform:
    """Replace the activation by a function of it: `edit(Site("z", 1, head=0), lambda z: z.clamp(max=1))`.

    The function takes the slice, with the axes `site.axes` (here `[batch, pos, d_head]`), and returns one of the same shape.
    """
    if not callable(function):
        raise NanoscopeError(
            f"edit takes a function of the activation, not a {type(function).__name__}; use add or Edit"
        )
    return Transform(site, function, f"edit({site})")


def scale(site: Site, factor: float) -> Transform:
    """Multiply the activation by a factor: 0 ablates it, 2 doubles it."""
    return Transform(site, lambda value: factor * value, f"scale({site}, {factor:g})", by_position=True)


def project_out(site: Site, direction: Float[Tensor, "feature"]) -> Transform:
    """Remove the component along a direction `[d_model]`, `[d_head]` or `[neuron]`: x - (x . u) u, with u of length 1."""
    if site.axes[-1] not in ("d_model", "d_head", "neuron"):
        raise NanoscopeError(f"{site} has axes {' '.join(site.axes)}, and no vector from which to remove a direction")
    length = direction.norm()
    if not 0 < length < torch.inf:
        raise NanoscopeError(
            f"the direction to remove from {site} has length {length:g}; give one that is finite and not 0"
        )

    def without(value: Tensor) -> Tensor:
        if value.shape[-1:] != direction.shape:
            raise NanoscopeError(f"a direction of {list(direction.shape)} does not fit {site}, of {list(value.shape)}")
        unit = (direction / length).to(value)
        return value - (value @ unit)[..., None] * unit

    return Transform(site, without, f"project_out({site})", by_position=True)
