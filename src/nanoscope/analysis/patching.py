"""Activation patching: which activations carry the difference between a clean and a corrupt text?

*Denoising* puts a clean activation into the corrupt run: is it enough to restore the behaviour? *Noising* puts a
corrupt one into the clean run: is it needed? They are not symmetric: an AND of two parts shows in noising, an OR in
denoising. An effect is the share of the clean-corrupt difference that is restored, or destroyed (ratio of means).

Source: Zhang & Nanda 2023; Heimersheim & Nanda 2024; methods.md 3.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from torch import Tensor

from nanoscope import metrics
from nanoscope.activations import Cache, run
from nanoscope.edits import Edit, patch
from nanoscope.metrics import Metric
from nanoscope.model import GPT
from nanoscope.results import Sweep
from nanoscope.sites import Site
from nanoscope.tasks import Task

Direction = Literal["denoise", "noise"]
DIRECTIONS: tuple[Direction, ...] = ("denoise", "noise")
NOTHING_TO_LOCALISE = 10.0
"""The clean-corrupt difference must be at least this many of its standard errors, or no effect is a share of it."""


@dataclass(frozen=True)
class Patched:
    """The metric in the two plain runs, `[example]`, and in every patched one, `[direction, *cell, example]`."""

    clean: np.ndarray
    corrupt: np.ndarray
    patched: Sweep

    @property
    def difference(self) -> float:
        """Mean clean metric minus mean corrupt metric: what there is to localise."""
        return float((self.clean - self.corrupt).mean())

    @property
    def informative(self) -> bool:
        """Is the difference large beside its standard error, and (of several cells) does any differ from any other?"""
        gap = self.clean - self.corrupt
        error = gap.std(ddof=1) / np.sqrt(len(gap)) if len(gap) > 1 else np.inf
        cells = self.patched.values.mean(-1).reshape(len(DIRECTIONS), -1)
        varied = cells.shape[1] == 1 or (np.ptp(cells, axis=1) > 0).any()
        return bool(abs(gap.mean()) > NOTHING_TO_LOCALISE * error and varied)

    @property
    def effect(self) -> Sweep:
        """Share of the difference restored (denoise) or destroyed (noise): `[direction, *cell]`."""
        restored = (self.patched.values[0] - self.corrupt).mean(-1)
        destroyed = (self.clean - self.patched.values[1]).mean(-1)
        values = np.stack([restored, destroyed]) / self.difference
        return Sweep(values, self.patched.dims[:-1], "share of the difference", _without_examples(self.patched))


def residual_stream(model: GPT, task: Task, metric: Metric) -> Patched:
    """Each layer's input (and the last one's output), one position at a time: cells `[layer, pos]`.

    Only positions from the first difference to the last read are patched: before, every effect is exactly 0.
    Layer n_layer is the last block's output.
    """
    layers = range(model.config.n_layer + 1)
    positions = tuple(range(task.first_difference, int(task.positions.max()) + 1))
    cells = [[_residual(model, layer, pos)] for layer in layers for pos in positions]
    return _sweep(model, task, metric, cells, {"layer": tuple(layers), "pos": positions})


def heads(model: GPT, task: Task, metric: Metric) -> Patched:
    """Each head's output at every position: cells `[layer, head]`."""
    layers, each = range(model.config.n_layer), range(model.config.n_head)
    cells = [[Site("z", layer, head=head)] for layer in layers for head in each]
    return _sweep(model, task, metric, cells, {"layer": tuple(layers), "head": tuple(each)})


def sets(model: GPT, task: Task, metric: Metric, groups: Sequence[Sequence[Site]]) -> Patched:
    """Several sites at once: cells `[set]`. Patching parts together shows what they do together (AND, OR)."""
    return _sweep(model, task, metric, groups, {"set": tuple(range(len(groups)))})


def _residual(model: GPT, layer: int, pos: int) -> Site:
    last = model.config.n_layer
    return Site("resid_post", last - 1, pos=pos) if layer == last else Site("resid_pre", layer, pos=pos)


def _sweep(
    model: GPT, task: Task, metric: Metric, cells: Sequence[Sequence[Site]], axes: dict[str, tuple[int, ...]]
) -> Patched:
    names = {site.name for cell in cells for site in cell}
    clean, corrupt = run(model, task.clean, keep=names), run(model, task.corrupt, keep=names)
    shape = tuple(len(labels) for labels in axes.values())
    denoised = [_patched(model, task, metric, task.corrupt, cell, clean.cache) for cell in cells]
    noised = [_patched(model, task, metric, task.clean, cell, corrupt.cache) for cell in cells]
    values = np.stack([np.reshape(part, (*shape, len(task))) for part in (denoised, noised)])
    return Patched(
        clean=_measured(clean.logits, task, metric),
        corrupt=_measured(corrupt.logits, task, metric),
        patched=Sweep(values, ("direction", *axes, "example"), "metric", {"direction": DIRECTIONS, **axes}),
    )


def _patched(model: GPT, task: Task, metric: Metric, tokens: Tensor, cell: Sequence[Site], source: Cache) -> np.ndarray:
    edits: list[Edit] = [patch(site, source) for site in cell]
    return _measured(run(model, tokens, edits).logits, task, metric)


def _measured(logits: Tensor, task: Task, metric: Metric) -> np.ndarray:
    return metric(metrics.read(logits, task), task).double().cpu().numpy()


def _without_examples(sweep: Sweep) -> dict[str, tuple]:
    return {dim: labels for dim, labels in sweep.coords.items() if dim != "example"}
