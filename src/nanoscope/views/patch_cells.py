"""The cells of a sweep between two prompts of the user's own: the largest for a table, all of them for a file or a figure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nanoscope.analysis.causal.patching import PatchingResult
from nanoscope.evidence.sweep import Sweep
from nanoscope.plots.style import visible_character
from nanoscope.views.csv_rows import csv_of
from nanoscope.views.patch import Compared, against_shares

EXACT = ("estimated", "exact in one direction", "exact")
"""How a cell's value was obtained, indexed by the number of directions computed exactly."""
POSITIONS = ("pos", "query", "key")
OUTPUT = "output"


@dataclass(frozen=True)
class CellEffect:
    """One cell: its labels, and what it restores and destroys, in the unit of `effects`."""

    labels: tuple[str, ...]
    restored: float
    destroyed: float
    exact: str


def effects(found: PatchingResult, between: Compared, layers: int) -> Sweep:
    """Every cell's share of the clean-corrupt difference, or its change in logits where shares would mislead.

    The axes' labels are for a reader. A position has its symbol, or both if the prompts differ there: `7 a/o`. The
    residual stream before layer l is called `into Ll`, after the last of `layers` layers `output`.
    """
    effect = found.effect if against_shares(found) is None else replace(found.change, unit="logits")
    coords = dict(effect.coords)
    if layers in coords.get("layer", ()):
        coords["layer"] = (*(f"into L{layer}" for layer in range(layers)), OUTPUT)
    for dim in set(POSITIONS) & set(coords):
        coords[dim] = tuple(_position(between, int(at)) for at in coords[dim])
    return replace(effect, coords=coords)


def _position(between: Compared, at: int) -> str:
    one, other = visible_character(between.clean[at]), visible_character(between.corrupt[at])
    return f"{at} {one}" if one == other else f"{at} {one}/{other}"


def largest(found: PatchingResult, effect: Sweep, most: int) -> tuple[CellEffect, ...]:
    """The cells with the largest `effects` in either direction, largest first."""
    restored, destroyed = effect.values
    order = (-np.maximum(abs(restored), abs(destroyed))).ravel().argsort(kind="stable")[:most]
    indices = zip(*np.unravel_index(order, restored.shape), strict=True)
    return tuple(
        CellEffect(_labels(effect, at), float(restored[at]), float(destroyed[at]), _exact(found, at)) for at in indices
    )


def rows(found: PatchingResult, between: Compared, layers: int) -> Iterator[dict[str, Any]]:
    """Every cell in order, as plain values by column name; shares are None where they would mislead."""
    named, change = effects(found, between, layers), found.change
    shares = found.effect.values if against_shares(found) is None else np.full(change.values.shape, None)
    for at in np.ndindex(change.values.shape[1:]):
        row: dict[str, Any] = {}
        for dim, index in zip(change.dims[1:], at, strict=True):
            label = change.labels(dim)[index]
            row[dim] = named.labels(dim)[index] if dim == "layer" else label
            if dim in POSITIONS:
                row |= {f"{dim}_clean": between.clean[int(label)], f"{dim}_corrupt": between.corrupt[int(label)]}
        restored, destroyed = (float(values[at]) for values in change.values)
        row |= {"restored_logits": restored, "destroyed_logits": destroyed}
        yield row | {"restored": shares[0, *at], "destroyed": shares[1, *at], "computed": _exact(found, at)}


def as_csv(found: PatchingResult, between: Compared, layers: int) -> str:
    """All cells as CSV, one row each."""
    return csv_of(rows(found, between, layers))


def as_json(found: PatchingResult, between: Compared, layers: int) -> dict[str, Any]:
    """All cells with what was compared, as plain values."""
    return {
        "clean": list(between.clean),
        "corrupt": list(between.corrupt),
        "answer": between.answer,
        "wrong": between.wrong,
        "position": between.position,
        "clean_logit_difference": float(found.clean.mean()),
        "corrupt_logit_difference": float(found.corrupt.mean()),
        "arithmetic": found.arithmetic,
        "why_no_shares": against_shares(found),
        "cells": list(rows(found, between, layers)),
    }


def _labels(effect: Sweep, at: tuple[int, ...]) -> tuple[str, ...]:
    return tuple(str(effect.labels(dim)[index]) for dim, index in zip(effect.dims[1:], at, strict=True))


def _exact(found: PatchingResult, at: tuple[int, ...]) -> str:
    return EXACT[2 if found.is_exact is None else int(found.is_exact[:, *at].sum())]
