"""What a cell changes: from its edits to the positions of each activation that differ from the base run.

A change follows the block's data flow (`data_flow.py`): token-wise parts keep it where it is, attention carries a changed
key or value to every later query, and nothing carries it to an earlier one. What the metric's reads cannot see is left
out: of the last layer only the keys and values, and the queries that are read.

A *row* is one example of one cell. All masks are `[row, pos]`, `pos` being the query for scores and patterns.
docs/replay.md draws an example.
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
"""Sites of attention that must be there to be edited."""


@dataclass(frozen=True)
class EditedPositions:
    """Where the edits themselves change each activation, and the rows whose attention is materialised in a layer."""

    changed: Mapping[Key, Mask]
    materialised: Mapping[int, np.ndarray]

    def of(self, rows: np.ndarray) -> EditedPositions:
        """Some of the rows."""
        return EditedPositions(
            {key: mask[rows] for key, mask in self.changed.items()},
            {layer: mask[rows] for layer, mask in self.materialised.items()},
        )


def edited_positions(cells: Sequence[Sequence[EditedSite]], examples: int, length: int) -> EditedPositions:
    """The changes of every example of some cells, row `cell * examples + example`."""
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
    """`[example, pos]`: where the metric reads."""
    mask = np.zeros((len(positions), length), dtype=bool)
    np.put_along_axis(mask, positions, True, axis=1)
    return mask


@dataclass(frozen=True)
class LayerFlow:
    """What one layer must compute."""

    made: Mapping[str, Mask]
    """Where each activation must be computed anew, because something that it is made from has changed."""
    changed: Mapping[str, Mask]
    """Where each activation differs and is needed: there, and where its own edits change it."""
    own: Mask
    """Keys and values that each row holds itself; the ones before are the base run's."""
    absorbed: np.ndarray
    """Rows of the last layer whose own keys and values are never made: few queries meet the residual stream itself."""

    @property
    def queries(self) -> Mask:
        """Queries whose attention must be done again."""
        return self.made["z"]

    @property
    def held(self) -> Mask:
        """The own keys and values that are made."""
        return self.own & ~self.absorbed[:, None]


@dataclass(frozen=True)
class Flow:
    """What the rows of a sweep must compute, layer by layer, and at which reads their logits differ."""

    embedded: Mask
    layers: tuple[LayerFlow, ...]
    final: Mask


def propagate(config: GPTConfig, edits: EditedPositions, reads: Mask) -> Flow:
    """Follow the changes through the model, as far as the reads `[row, pos]` can see them."""
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
    """One step of the block after another. `view`: what the reads can see by way of attention, and directly."""
    made, changed = {}, {}
    for step in block_steps(config):
        within = view[0] if step.site in READ_BY_LATER else view[1]
        mask = made[step.site] = _reached(step, changed, within) if step.sources else entering
        edited = edits.changed.get((step.site, layer))
        changed[step.site] = mask if edited is None else mask | (edited & within)
    own = _own(changed["k"] | changed["v"], made["z"])
    absorbed = _absorbed(config, layer, edits, (changed["resid_pre"], made["z"], own))
    if absorbed.any():
        for masks in (made, changed):
            masks.update({name: masks[name] & ~absorbed[:, None] for name in "kv"})
    return LayerFlow(made, changed, own, absorbed)


def _reached(step: Step, changed: Mapping[str, Mask], within: Mask) -> Mask:
    """Where a step's sources have changed; those of attention's past also at every later position."""
    later = (np.logical_or.accumulate(changed[name], axis=1) for name in step.past)
    mask = reduce(np.logical_or, [*(changed[name] for name in step.sources), *later])
    return mask & within


def _absorbed(config: GPTConfig, layer: int, edits: EditedPositions, masks: tuple[Mask, Mask, Mask]) -> np.ndarray:
    """Rows for which `n_head` wide queries cost less than the own keys and values would (see `attend_through`)."""
    changed, attended, own = masks
    queries, keys = attended.sum(1), own.sum(1)
    cheap = (4 * queries <= config.d_head) & (2 * queries < keys)
    all_new = (changed == own).all(1)
    materialised = edits.materialised.get(layer, np.zeros(len(own), dtype=bool))
    return cheap & all_new & ~materialised & (layer == config.n_layer - 1)


def _own(keys: Mask, attended: Mask) -> Mask:
    """From the first changed key (or the first query, where no key changes) to the last query."""
    either = (keys | attended) & attended.any(axis=1, keepdims=True)
    upto_last = np.logical_or.accumulate(attended[:, ::-1], axis=1)[:, ::-1]
    return np.logical_or.accumulate(either, axis=1) & upto_last
