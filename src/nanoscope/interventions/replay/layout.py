"""The places of every activation of a replay, and the groups of rows whose attention has the same shape."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from nanoscope.interventions.replay.attention import AttentionGroup, groups
from nanoscope.interventions.replay.cells import Mask
from nanoscope.interventions.replay.changes import Flow, LayerFlow
from nanoscope.interventions.replay.flat import Places
from nanoscope.interventions.replay.writes import PackEdits, RowsOfCells

EXPLICIT = ("scores", "pattern")
"""Activations that exist only where attention is computed explicitly."""


@dataclass(frozen=True)
class LayerLayout:
    """Places of a layer's activations: where each is computed, and where it differs after its edits."""

    computed: Mapping[str, Places]
    changed: Mapping[str, Places]
    held: Places
    explicit_rows: np.ndarray
    """Rows whose scores or patterns are edited."""
    groups: tuple[AttentionGroup, ...]


@dataclass(frozen=True)
class Layout:
    """Places of a whole replay. Equal masks share one object, so that places can be compared by identity."""

    nowhere: Places
    embedded: Places
    layers: tuple[LayerLayout, ...]
    final: Places


def lay_out(flow: Flow, edits: PackEdits, rows: RowsOfCells, device: torch.device) -> Layout:
    """The layout of everything that some rows compute."""
    known: dict[bytes, Places] = {}
    shapes: dict[bytes, tuple[AttentionGroup, ...]] = {}

    def places(mask: Mask) -> Places:
        key = mask.tobytes()
        if key not in known:
            known[key] = Places(mask, rows.example, device)
        return known[key]

    def grouped(layer: LayerFlow, explicit_rows: np.ndarray) -> tuple[AttentionGroup, ...]:
        parts = (layer.queries, layer.own, layer.absorbed, explicit_rows, layer.changed["resid_pre"])
        key = b"".join(part.tobytes() for part in parts)
        if key not in shapes:
            shapes[key] = tuple(groups(layer, rows.cell, rows.example, explicit_rows))
        return shapes[key]

    def laid_out(number: int, layer: LayerFlow) -> LayerLayout:
        cells = {cell for name in EXPLICIT for _, cell, _ in edits.of.get((name, number), ())}
        explicit_rows = np.isin(rows.cell, list(cells))
        computed, changed = (
            {name: places(mask) for name, mask in part.items()} for part in (layer.computed, layer.changed)
        )
        return LayerLayout(computed, changed, places(layer.held), explicit_rows, grouped(layer, explicit_rows))

    layers = tuple(laid_out(number, layer) for number, layer in enumerate(flow.layers))
    return Layout(places(np.zeros_like(flow.embedded)), places(flow.embedded), layers, places(flow.final))
