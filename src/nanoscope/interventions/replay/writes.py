"""The edits of a pack, indexed by activation, and writing them into flat activations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nanoscope.interventions.replay.cells import LocatedEdit
from nanoscope.interventions.replay.changes import EditedPositions, edited_positions
from nanoscope.interventions.replay.flat import Flat, Places
from nanoscope.interventions.run import Key

Turn = tuple[int, int, LocatedEdit]
"""The edit's turn among its cell's edits of one activation (from 0), the cell, and the edit."""


@dataclass(frozen=True)
class PackEdits:
    """The edits of a pack's cells by activation, built once per pack."""

    of: Mapping[Key, Sequence[Turn]]
    positions: EditedPositions


def pack_edits(cells: Sequence[Sequence[LocatedEdit]], examples: int, length: int) -> PackEdits:
    """Index the edits of some cells on texts of `length` positions."""
    of: dict[Key, list[Turn]] = {}
    for number, cell in enumerate(cells):
        for edit in cell:
            here = of.setdefault((edit.at.site.name, edit.at.site.layer), [])
            turn = 1 + here[-1][0] if here and here[-1][1] == number else 0
            here.append((turn, number, edit))
    return PackEdits(of, edited_positions([[edit.at for edit in cell] for cell in cells], examples, length))


@dataclass(frozen=True)
class RowsOfCells:
    """Some rows of a pack: the cell and example of each row, and the rows of each cell."""

    cell: np.ndarray
    example: np.ndarray
    order: np.ndarray
    first: np.ndarray

    @staticmethod
    def of(rows: np.ndarray, examples: int) -> RowsOfCells:
        """Rows `cell * examples + example`."""
        cell, example = np.divmod(rows, examples)
        order = np.argsort(cell, kind="stable")
        return RowsOfCells(cell, example, order, np.searchsorted(cell[order], np.arange(cell.max(initial=0) + 2)))

    def rows(self, cell: int) -> np.ndarray:
        """Indices of a cell's rows, in order."""
        return self.order[self.first[cell] : self.first[cell + 1]] if cell + 1 < len(self.first) else self.order[:0]


def write(edits: Sequence[Turn], rows: RowsOfCells, flat: Flat) -> None:
    """Write all edits of one activation in place, with few writes, one turn after another."""
    kinds: dict[tuple[int, bool, bool], list[tuple[Tensor, int | None, Tensor]]] = {}
    for turn, cell, edit in edits:
        found = _tokens_and_values(edit, rows.rows(cell), rows.example, flat.places)
        if found is not None:
            site = edit.at.site
            feature = site.head if site.neuron is None else site.neuron
            values = found[1] if feature is None else found[1].squeeze(1)
            kinds.setdefault((turn, feature is None, edit.added), []).append((found[0], feature, values))
    for (_, _, added), parts in sorted(kinds.items(), key=lambda item: item[0]):
        _write_joined(parts, added, flat.values)


def _tokens_and_values(
    edit: LocatedEdit, rows: np.ndarray, example: np.ndarray, places: Places
) -> tuple[Tensor, Tensor] | None:
    """The tokens and values that an edit writes; None if none of its tokens is present."""
    number = places.number[rows, edit.at.covered]
    row, pos = np.nonzero(number >= 0)
    if not len(row):
        return None
    values = edit.value[torch.from_numpy(example[rows][row]), torch.from_numpy(pos)].to(places.device)
    return torch.from_numpy(number[row, pos]).to(places.device), values


def _write_joined(parts: list[tuple[Tensor, int | None, Tensor]], added: bool, into: Tensor) -> None:
    tokens, values = torch.cat([part[0] for part in parts]), torch.cat([part[2] for part in parts])
    where: tuple[Tensor, ...] = (tokens,)
    if parts[0][1] is not None:
        sizes = torch.tensor([len(part[0]) for part in parts])
        features = torch.tensor([part[1] for part in parts]).repeat_interleave(sizes)
        where = (tokens, features.to(tokens.device))
    into[where] = into[where] + values if added else values
