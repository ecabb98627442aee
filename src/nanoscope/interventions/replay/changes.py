"""The effect of a cell: from its edits to the positions at which each activation differs from the base run.

Changes propagate along the block's data flow (`data_flow.py`). Token-wise parts keep a change at its position; attention
carries a changed key or value to every later query; nothing carries it to an earlier one. Changes that the metric's reads
cannot see are left out: in the last layer only keys, values and the queries that are read count.

A *row* is one example of one cell. All masks are `[row, pos]`, where `pos` is the query for scores and patterns.
docs/replay.md shows an example.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np

from nanoscope.interventions.replay.cells import EditedSite, Mask
from nanoscope.interventions.replay.data_flow import READ_BY_LATER, Step, block_steps
from nanoscope.interventions.run import Key
from nanoscope.model.config import GPTConfig

MATERIALISED = ("k", "v", "scores", "pattern")
"""Attention sites that must be materialised if they are edited."""


@dataclass(frozen=True)
class EditedPositions:
    """Where edits directly change each activation, and the rows of each layer whose attention must be materialised."""

    changed: Mapping[Key, Mask]
    materialised: Mapping[int, np.ndarray]

    def of(self, rows: np.ndarray) -> EditedPositions:
        """The same for a subset of the rows."""
        return EditedPositions(
            {key: mask[rows] for key, mask in self.changed.items()},
            {layer: mask[rows] for layer, mask in self.materialised.items()},
        )


def edited_positions(cells: Sequence[Sequence[EditedSite]], examples: int, length: int) -> EditedPositions:
    """The positions edited by some cells, for every example; rows are `cell * examples + example`."""
    found: dict[Key, Mask] = {}
    materialised: dict[int, np.ndarray] = {}
    for number, cell in enumerate(cells):
        for part in cell:
            name, layer = part.site.name, part.site.layer
            mask = found.setdefault((name, layer), np.zeros((len(cells), examples, length), dtype=bool))
            mask[number, :, part.covered] |= part.changed
            if layer is not None and name in MATERIALISED:
                materialised.setdefault(layer, np.zeros((len(cells), examples), dtype=bool))[number] = True
    return EditedPositions(
        {key: mask.reshape(-1, length) for key, mask in found.items()},
        {layer: mask.ravel() for layer, mask in materialised.items()},
    )


def read_mask(positions: np.ndarray, length: int) -> Mask:
    """Mask `[example, pos]` of the positions that the metric reads."""
    mask = np.zeros((len(positions), length), dtype=bool)
    np.put_along_axis(mask, positions, True, axis=1)
    return mask


@dataclass(frozen=True)
class LayerFlow:
    """Which positions of one layer must be computed."""

    computed: Mapping[str, Mask]
    """Where each activation must be recomputed because one of its sources has changed."""
    changed: Mapping[str, Mask]
    """Where each activation differs and is needed: `computed`, and where its own edits change it."""
    own: Mask
    """Keys and values that each row holds itself; those at earlier positions are the base run's."""
    absorbed: np.ndarray
    """Rows of the last layer whose few queries attend to the residual stream, without computing keys and values."""

    @property
    def queries(self) -> Mask:
        """Queries whose attention must be recomputed."""
        return self.computed["z"]

    @property
    def held(self) -> Mask:
        """The own keys and values that are computed."""
        return self.own & ~self.absorbed[:, None]


@dataclass(frozen=True)
class Flow:
    """Which positions the rows of a sweep must compute in each layer, and the reads at which their logits differ."""

    embedded: Mask
    layers: tuple[LayerFlow, ...]
    final: Mask


def propagate(config: GPTConfig, edits: EditedPositions, reads: Mask) -> Flow:
    """Propagate the changes through the model, as far as the reads `[row, pos]` can see them."""
    seen = np.logical_or.accumulate(reads[:, ::-1], axis=1)[:, ::-1]
    nothing = np.zeros_like(reads)
    embedded, positions = (edits.changed.get((name, None), nothing) for name in ("embed", "pos_embed"))
    embedded = changed = (embedded | positions) & seen
    layers = []
    for layer in range(config.n_layer):
        needed = reads if layer == config.n_layer - 1 else seen
        layers.append(_propagate_layer(config, layer, changed, edits, (seen, needed)))
        changed = layers[-1].changed["resid_post"]
    final = edits.changed.get(("ln_final", None), nothing)
    return Flow(embedded, tuple(layers), (changed | final) & reads)


def _propagate_layer(
    config: GPTConfig, layer: int, entering: Mask, edits: EditedPositions, view: tuple[Mask, Mask]
) -> LayerFlow:
    """Propagate through the steps of a block. `view`: what the reads can see through attention, and directly."""
    computed, changed = {}, {}
    for step in block_steps(config):
        within = view[0] if step.site in READ_BY_LATER else view[1]
        mask = computed[step.site] = _reached(step, changed, within) if step.sources else entering
        edited = edits.changed.get((step.site, layer))
        changed[step.site] = mask if edited is None else mask | (edited & within)
    own = _own(changed["k"] | changed["v"], computed["z"])
    absorbed = _absorbed(config, layer, edits, (changed["resid_pre"], computed["z"], own))
    if absorbed.any():
        for masks in (computed, changed):
            masks.update({name: masks[name] & ~absorbed[:, None] for name in "kv"})
    return LayerFlow(computed, changed, own, absorbed)


def _reached(step: Step, changed: Mapping[str, Mask], within: Mask) -> Mask:
    """Where a step's sources have changed; a change of keys or values also reaches all later positions."""
    later = (np.logical_or.accumulate(changed[name], axis=1) for name in step.past)
    mask = reduce(np.logical_or, [*(changed[name] for name in step.sources), *later])
    return mask & within


def _absorbed(config: GPTConfig, layer: int, edits: EditedPositions, masks: tuple[Mask, Mask, Mask]) -> np.ndarray:
    """Rows for which `attend_through` costs less than computing the own keys and values."""
    changed, attended, own = masks
    queries, keys = attended.sum(1), own.sum(1)
    cheap = (4 * queries <= config.d_head) & (2 * queries < keys)
    all_new = (changed == own).all(1)
    materialised = edits.materialised.get(layer, np.zeros(len(own), dtype=bool))
    possible = layer == config.n_layer - 1 and config.positions != "rotary"
    return cheap & all_new & ~materialised & possible


def _own(keys: Mask, attended: Mask) -> Mask:
    """From the first changed key (or the first query, if no key changes) to the last query."""
    either = (keys | attended) & attended.any(axis=1, keepdims=True)
    upto_last = np.logical_or.accumulate(attended[:, ::-1], axis=1)[:, ::-1]
    return np.logical_or.accumulate(either, axis=1) & upto_last
