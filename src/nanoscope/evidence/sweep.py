"""Numbers over named axes."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from nanoscope.errors import NanoscopeError

if TYPE_CHECKING:
    import xarray


Label = str | int | float


@dataclass(frozen=True)
class Sweep:
    """Values over labelled axes. `unit` is the unit of a value: "nats", "share", "logits", "effect"."""

    values: np.ndarray
    dims: tuple[str, ...]
    unit: str
    coords: Mapping[str, tuple[Label, ...]] = field(default_factory=dict)
    """Labels of an axis; an axis without an entry is numbered from 0."""

    def __post_init__(self) -> None:
        if self.values.ndim != len(self.dims):
            raise NanoscopeError(
                f"the values have {self.values.ndim} axes, but there are {len(self.dims)} names: {self.dims}"
            )
        for dim, labels in self.coords.items():
            if dim not in self.dims or len(labels) != self.values.shape[self.dims.index(dim)]:
                raise NanoscopeError(f"the labels of {dim} do not fit values of shape {self.values.shape}")

    def labels(self, dim: str) -> tuple[Label, ...]:
        """The labels along one axis."""
        return self.coords.get(dim) or tuple(range(self.values.shape[self.dims.index(dim)]))

    def sel(self, **chosen: Label) -> Sweep:
        """The part at one label of each named axis; these axes are dropped."""
        values, dims = self.values, self.dims
        for dim, label in chosen.items():
            if dim not in dims or label not in self.labels(dim):
                raise NanoscopeError(f"there is no {dim} {label!r}; the axes are {self.dims}")
            values = np.asarray(np.take(values, self.labels(dim).index(label), axis=dims.index(dim)))
            dims = tuple(d for d in dims if d != dim)
        return Sweep(np.asarray(values), dims, self.unit, {d: c for d, c in self.coords.items() if d in dims})

    def mean(self, *over: str) -> Sweep:
        """The mean over some axes."""
        values = np.asarray(self.values.mean(axis=tuple(self.dims.index(dim) for dim in over)))
        dims = tuple(d for d in self.dims if d not in over)
        return Sweep(values, dims, self.unit, {d: c for d, c in self.coords.items() if d in dims})

    def to_xarray(self) -> xarray.DataArray:
        """The same values as an `xarray.DataArray`; NanoscopeError without xarray, which the notebook extra installs."""
        try:
            import xarray  # noqa: PLC0415  importing it takes half a second
        except ModuleNotFoundError:
            raise NanoscopeError(
                'to_xarray needs the package xarray; install it with: pip install "nanoscope[notebook]"'
            ) from None
        coords: dict[Hashable, Any] = {dim: list(self.labels(dim)) for dim in self.dims}
        return xarray.DataArray(self.values, dims=self.dims, coords=coords, attrs={"unit": self.unit})


def stacked(parts: Sequence[Sweep], dim: str, labels: Sequence[Label]) -> Sweep:
    """Stack sweeps with the same axes along a new first axis."""
    first = parts[0]
    coords = {dim: tuple(labels), **first.coords}
    return Sweep(np.stack([part.values for part in parts]), (dim, *first.dims), first.unit, coords)
