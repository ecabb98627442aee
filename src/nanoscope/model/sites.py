"""Names and axes of all activations, and `Site`, the name of a slice of one.

Names follow TransformerLens. `AXES` is the only table of axes in the package; indexing, patching sweeps, plots and
shape annotations all use it.
"""

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import SupportsIndex

import numpy as np

from nanoscope.errors import NanoscopeError
from nanoscope.model.config import GPTConfig

RESIDUAL = ("batch", "pos", "d_model")
PER_HEAD = ("batch", "pos", "head", "d_head")
ATTENTION = ("batch", "head", "query", "key")
HIDDEN = ("batch", "pos", "neuron")

AXES: dict[str, tuple[str, ...]] = {
    "embed": RESIDUAL,
    "pos_embed": RESIDUAL,
    "resid_pre": RESIDUAL,
    "q": PER_HEAD,
    "k": PER_HEAD,
    "v": PER_HEAD,
    "scores": ATTENTION,
    "pattern": ATTENTION,
    "z": PER_HEAD,
    "attn_out": RESIDUAL,
    "resid_mid": RESIDUAL,
    "pre": HIDDEN,
    "pre_linear": HIDDEN,
    "post": HIDDEN,
    "mlp_out": RESIDUAL,
    "resid_post": RESIDUAL,
    "ln_final": RESIDUAL,
}
WHOLE_MODEL = ("embed", "pos_embed", "ln_final")
MLP_SITES = ("resid_mid", "pre", "pre_linear", "post", "mlp_out")
POSITIONS = ("pos", "query", "key")
"""Axes along which a site may select several indices, and count them from the end."""
Positions = int | Sequence[int] | slice


def sites_of(config: GPTConfig) -> tuple[str, ...]:
    """The names of the activations that a model of this shape has."""
    lacking = {*(MLP_SITES if config.attention_only else ())}
    lacking |= {"pre_linear"} if not config.gated_mlp else set()
    lacking |= {"resid_mid"} if config.parallel else set()
    return tuple(name for name in AXES if name not in lacking)


def mlp_reads(config: GPTConfig) -> str:
    """The state of the residual stream that a block's MLP reads."""
    return "resid_pre" if config.parallel else "resid_mid"


@dataclass(frozen=True)
class Site:
    """An activation or a slice of it: `Site("z", layer=3, head=5, pos=7)` prints as `L3H5.z[7]`.

    Every field but `name` may be None, meaning the whole axis; `layer` is None only for embed, pos_embed and ln_final.
    Positions, queries and keys may be several, `pos=[1, 4]` or `pos=slice(5, None)`, and negative ones count from the end.
    """

    name: str
    layer: int | None = None
    head: int | None = None
    pos: Positions | None = None
    query: Positions | None = None
    key: Positions | None = None
    neuron: int | None = None

    def __post_init__(self) -> None:
        if self.name not in AXES:
            raise NanoscopeError(f"no activation is called {self.name!r}; choose one of {', '.join(AXES)}")
        if (self.layer is None) != (self.name in WHOLE_MODEL):
            need = "takes no layer" if self.name in WHOLE_MODEL else "needs a layer"
            raise NanoscopeError(f"{self.name} {need}")
        wrong = [
            f.name for f in fields(self)[2:] if getattr(self, f.name) is not None and f.name not in AXES[self.name]
        ]
        if wrong:
            raise NanoscopeError(f"{self.name} has axes {' '.join(AXES[self.name])}, so it has no {wrong[0]} to select")
        for f in fields(self)[1:]:
            object.__setattr__(self, f.name, _selected(f.name, getattr(self, f.name)))

    def __hash__(self) -> int:
        return hash(str(self))  # slices have no hash of their own before Python 3.12

    @property
    def axes(self) -> tuple[str, ...]:
        """The axes that the slice keeps: those along which no single index is selected."""
        return tuple(axis for axis in AXES[self.name] if not isinstance(getattr(self, axis, None), int))

    def single(self, axis: str) -> int | None:
        """The one index selected along an axis, or None for the whole axis: all that a sweep's sites may have.

        Raises NanoscopeError for several indices, and for one that counts from the end.
        """
        chosen = getattr(self, axis)
        if chosen is None or (isinstance(chosen, int) and chosen >= 0):
            return chosen
        raise NanoscopeError(f"{self}: a sweep takes one {axis}, counted from 0, or all of them; use one edit for each")

    def check(self, sizes: Mapping[str, int]) -> None:
        """Raise NanoscopeError if an index lies outside an axis of this size."""
        for axis, size in sizes.items():
            chosen, first = getattr(self, axis, None), -size if axis in POSITIONS else 0
            for index in chosen if isinstance(chosen, tuple) else (chosen,) if isinstance(chosen, int) else ():
                if not first <= index < size:
                    whose = "text" if axis in POSITIONS else "model"
                    raise NanoscopeError(f"{self}: there is no {axis} {index}; the {whose} has 0..{size - 1}")
            if isinstance(chosen, slice) and not range(size)[chosen]:
                raise NanoscopeError(f"{self} selects no {axis}; there are 0..{size - 1}")

    def index_in(self, shape: Sequence[int]) -> tuple[int | slice | np.ndarray, ...]:
        """The index of the slice in an activation of this shape; batch is never indexed. Raises NanoscopeError as `check`."""
        self.check(dict(zip(AXES[self.name], shape, strict=True)))
        chosen = [getattr(self, axis, None) for axis in AXES[self.name]]
        if not any(isinstance(index, tuple) for index in chosen):
            return tuple(slice(None) if index is None else index for index in chosen)
        return (slice(None), *_open_mesh(chosen[1:], shape[1:]))

    def __str__(self) -> str:
        layer = "" if self.layer is None else f"L{self.layer}"
        head = "" if self.head is None else f"H{self.head}"
        rest = [axis for axis in AXES[self.name] if axis in (*POSITIONS, "neuron")]
        parts = [_spelled(getattr(self, axis)) for axis in rest]
        where = "" if set(parts) == {":"} else f"[{','.join(parts)}]"
        return f"{layer}{head}{'.' if layer else ''}{self.name}{where}"


def _selected(axis: str, chosen: object) -> int | tuple[int, ...] | slice | None:
    """What a user gave for an axis, with whole numbers of any kind as int and any list as a tuple."""
    if chosen is None or (axis in POSITIONS and isinstance(chosen, slice) and (chosen.step or 1) > 0):
        return chosen
    if isinstance(chosen, SupportsIndex):
        return operator.index(chosen)
    several = chosen if axis in POSITIONS and isinstance(chosen, Sequence) else ()
    if several and all(isinstance(index, SupportsIndex) for index in several):
        return tuple(operator.index(index) for index in several)
    more = ", a list of numbers or a slice that runs forwards" if axis in POSITIONS else ""
    raise NanoscopeError(f"{axis} must be a number{more}, not {chosen!r}")


def _open_mesh(chosen: Sequence[object], shape: Sequence[int]) -> tuple[int | np.ndarray, ...]:
    """Indices that select the product of several lists; a single index drops its axis.

    With plain lists torch would pair them, and move an axis to the front if a whole axis lies between two of them.
    """
    lists = [
        range(size)[index] if isinstance(index, slice) else index if isinstance(index, tuple) else range(size)
        for index, size in zip(chosen, shape, strict=True)
        if not isinstance(index, int)
    ]
    mesh = iter(np.ix_(*lists))
    return tuple(index if isinstance(index, int) else next(mesh) for index in chosen)


def _spelled(index: int | tuple[int, ...] | slice | None) -> str:
    if isinstance(index, slice):
        ends = [index.start, index.stop, *([] if index.step in (None, 1) else [index.step])]
        return ":".join("" if end is None else str(end) for end in ends)
    return ":" if index is None else str(index).replace(" ", "")
