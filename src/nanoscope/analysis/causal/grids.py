"""Grids of patching sweeps: labelled axes, and the sites edited in each cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from nanoscope.errors import NanoscopeError
from nanoscope.evidence.sweep import Label
from nanoscope.model.gpt import GPT
from nanoscope.model.sites import AXES, Site
from nanoscope.tasks.task import Task


@dataclass(frozen=True)
class Grid:
    """The cells of a sweep: labelled axes, and the sites edited in each cell, in row-major order."""

    axes: Mapping[str, tuple[Label, ...]]
    cells: tuple[tuple[Site, ...], ...]

    @property
    def names(self) -> set[str]:
        """Names of the edited activations."""
        return {site.name for cell in self.cells for site in cell}


def grid(model: GPT, task: Task, name: str, *axes: str, positions: Sequence[int] | None = None, **at: int) -> Grid:
    """One activation, slice by slice along some of its axes: `grid(model, task, "q", "layer", "head", "pos")`.

    `at` fixes other axes: `layer=2`. Positions and queries go from the first difference to the last read unless they are
    given; keys start from 0. Raises NanoscopeError for an axis that the activation does not have.
    """
    config, last = model.config, int(task.positions.max()) + 1
    swept = tuple(range(task.first_difference, last)) if positions is None else tuple(positions)
    labels = {"layer": range(config.n_layer), "head": range(config.n_head), "neuron": range(config.d_mlp)}
    known = labels | {"pos": swept, "query": swept, "key": range(last)}
    unknown = [axis for axis in axes if axis not in known or axis not in ("layer", *AXES.get(name, ()))]
    if unknown:
        raise NanoscopeError(
            f"{name} cannot be swept along {unknown[0]}; its axes are layer {' '.join(AXES.get(name, ()))}"
        )
    chosen = {axis: tuple(known[axis]) for axis in axes}
    return Grid(
        chosen, tuple((Site(name, **at, **dict(zip(axes, one, strict=True))),) for one in product(*chosen.values()))
    )


def residual_stream(model: GPT, task: Task) -> Grid:
    """Each layer's input, one position at a time, and (as layer n_layer) the last layer's output: `[layer, pos]`."""
    each = grid(model, task, "resid_pre", "layer", "pos")
    last = grid(model, task, "resid_post", "pos", layer=model.config.n_layer - 1)
    return Grid({"layer": (*each.axes["layer"], model.config.n_layer), **last.axes}, each.cells + last.cells)


def heads(model: GPT, task: Task) -> Grid:
    """Each head's output at all positions: `[layer, head]`."""
    return grid(model, task, "z", "layer", "head")


def heads_by_position(model: GPT, task: Task) -> Grid:
    """Each head's output, one position at a time: `[layer, head, pos]`."""
    return grid(model, task, "z", "layer", "head", "pos")


def queries(model: GPT, task: Task) -> Grid:
    """Each head's queries at all positions: `[layer, head]`."""
    return grid(model, task, "q", "layer", "head")


def keys(model: GPT, task: Task) -> Grid:
    """Each head's keys at all positions: `[layer, head]`."""
    return grid(model, task, "k", "layer", "head")


def values(model: GPT, task: Task) -> Grid:
    """Each head's values at all positions: `[layer, head]`."""
    return grid(model, task, "v", "layer", "head")


def attention_outputs(model: GPT, task: Task) -> Grid:
    """What each layer's attention writes, one position at a time: `[layer, pos]`."""
    return grid(model, task, "attn_out", "layer", "pos")


def mlps(model: GPT, task: Task) -> Grid:
    """What each MLP writes, one position at a time: `[layer, pos]`."""
    return grid(model, task, "mlp_out", "layer", "pos")


def pattern_entries(model: GPT, task: Task, layer: int, head: int) -> Grid:
    """Each entry of one head's attention pattern: `[query, key]`."""
    return grid(model, task, "pattern", "query", "key", layer=layer, head=head)


def neurons(model: GPT, task: Task, layer: int) -> Grid:
    """Each neuron of one layer at all positions: `[neuron]`."""
    return grid(model, task, "post", "neuron", layer=layer)


def sets(groups: Sequence[Sequence[Site]]) -> Grid:
    """Several sites at once: `[set]`. Patching components together shows their joint effect (AND, OR)."""
    return Grid({"set": tuple(range(len(groups)))}, tuple(tuple(group) for group in groups))
