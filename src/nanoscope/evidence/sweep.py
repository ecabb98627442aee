"""Numbers over named axes."""

from __future__ import annotations

import csv
import io
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nanoscope import files
from nanoscope.errors import NanoscopeError

if TYPE_CHECKING:
    import pandas
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
            if dim not in dims:
                raise NanoscopeError(f"there is no axis {dim!r}; the axes are {', '.join(dims) or 'none'}")
            if label not in self.labels(dim):
                raise NanoscopeError(f"there is no {dim} {label!r}; the axis has {_spelled(self.labels(dim))}")
            values = np.asarray(np.take(values, self.labels(dim).index(label), axis=dims.index(dim)))
            dims = tuple(d for d in dims if d != dim)
        return Sweep(np.asarray(values), dims, self.unit, {d: c for d, c in self.coords.items() if d in dims})

    def mean(self, *over: str) -> Sweep:
        """The mean over some axes."""
        values = np.asarray(self.values.mean(axis=tuple(self.dims.index(dim) for dim in over)))
        dims = tuple(d for d in self.dims if d not in over)
        return Sweep(values, dims, self.unit, {d: c for d, c in self.coords.items() if d in dims})

    def __repr__(self) -> str:
        axes = ", ".join(f"{dim} {_spelled(self.labels(dim))}" for dim in self.dims)
        known = [value for value in self._measured.ravel().tolist() if value is not None]
        span = f", from {min(known):.3g} to {max(known):.3g}" if known and self.values.dtype.kind in "fiu" else ""
        return f"Sweep({axes or 'one number'}; in {self.unit}{span})"

    @property
    def _measured(self) -> np.ndarray:
        """The values, with None for NaN."""
        measured = self.values.astype(object)
        if self.values.dtype.kind == "f":
            measured[np.isnan(self.values)] = None
        return measured

    def rows(self) -> Iterator[tuple[Label | None, ...]]:
        """One row for each value: its label along every axis, then the value (None for a value that was not measured)."""
        labels = product(*(self.labels(dim) for dim in self.dims))
        return ((*at, value) for at, value in zip(labels, self._measured.ravel().tolist(), strict=True))

    def to_csv(self, path: str | Path) -> None:
        """Write one line for each value: a column for each axis, then `value` and `unit`."""
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        table.writerow((*self.dims, "value", "unit"))
        table.writerows((*row, self.unit) for row in self.rows())
        files.write_bytes(Path(path), text.getvalue().encode())

    def to_json(self, path: str | Path) -> None:
        """Write `unit`, `dims`, the labels of every axis as `coords`, and the nested `values`; null is not measured."""
        coords = {dim: self.labels(dim) for dim in self.dims}
        content = {"unit": self.unit, "dims": self.dims, "coords": coords, "values": self._measured.tolist()}
        files.write_json(Path(path), content)

    def to_pandas(self) -> pandas.DataFrame:
        """One row for each value, as in `to_csv`; the unit is in `attrs`. Needs pandas, which the notebook extra installs."""
        table = _imported("pandas").DataFrame(list(self.rows()), columns=[*self.dims, "value"])
        table.attrs["unit"] = self.unit
        return table

    def to_xarray(self) -> xarray.DataArray:
        """The same values as an `xarray.DataArray`; NanoscopeError without xarray, which the notebook extra installs."""
        coords: dict[Hashable, Any] = {dim: list(self.labels(dim)) for dim in self.dims}
        attributes = {"unit": self.unit}
        return _imported("xarray").DataArray(self.values, dims=self.dims, coords=coords, attrs=attributes, name="value")


def _imported(package: str) -> Any:
    """A package that is only needed here, and takes half a second to import."""
    try:
        return import_module(package)
    except ModuleNotFoundError:
        raise NanoscopeError(
            f'to_{package} needs the package {package}; install it with: pip install "nanoscope[notebook]"'
        ) from None


def _spelled(labels: Sequence[Label]) -> str:
    """The labels of an axis in short: `0..5`, `denoise, noise`, or the first and last of many."""
    first = labels[0] if labels else None
    if isinstance(first, int) and len(labels) > 1 and tuple(labels) == (*range(first, first + len(labels)),):
        return f"{first}..{labels[-1]}"
    return ", ".join(map(str, labels)) if len(labels) <= 4 else f"{labels[0]}, ..., {labels[-1]} ({len(labels)})"


def stacked(parts: Sequence[Sweep], dim: str, labels: Sequence[Label]) -> Sweep:
    """Stack sweeps with the same axes along a new first axis."""
    first = parts[0]
    coords = {dim: tuple(labels), **first.coords}
    return Sweep(np.stack([part.values for part in parts]), (dim, *first.dims), first.unit, coords)
