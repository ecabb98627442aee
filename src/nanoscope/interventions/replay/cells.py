"""Cells: edits that are applied together, created only when they are needed.

A sweep is planned from what its cells declare: which sites they edit and where these may change. The edits' tensors are
created when their pack runs and freed after it, so that thousands of cells with values of their own (the exact effects
of edges) need the memory of one pack.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from nanoscope.errors import NanoscopeError
from nanoscope.interventions.edits import Edit, with_values
from nanoscope.interventions.run import Cache
from nanoscope.model.sites import AXES, Site

Edits = Sequence[Edit]
Mask = np.ndarray


@dataclass(frozen=True)
class Cell:
    """Edits that are applied together. `make()` returns one for each of `sites`, in order, and equal ones at every call."""

    sites: tuple[Site, ...]
    make: Callable[[], Edits]
    changes: Bool[np.ndarray, "example pos"] | None = None
    """The positions (for scores and patterns: queries) at which the edits may differ from the base run. For a site with
    one position only that position counts. None: planning creates the edits once to compare them."""
    own_bytes: int = 0
    """Memory of the edits' own tensors; 0 for views of a cached run."""


def as_cell(cell: Cell | Edits) -> Cell:
    """A cell from existing edits."""
    if isinstance(cell, Cell):
        return cell
    edits = with_values(cell)
    return Cell(tuple(edit.site for edit in edits), lambda: edits)


def make_edits(cell: Cell) -> Edits:
    """The cell's edits. Raises NanoscopeError if their sites differ from those that it declares."""
    edits = with_values(cell.make())
    if tuple(edit.site for edit in edits) != cell.sites:
        declared, found = (", ".join(map(str, sites)) for sites in (cell.sites, [edit.site for edit in edits]))
        raise NanoscopeError(
            f"a cell declares edits of {declared or 'nothing'} but creates edits of {found or 'nothing'}"
        )
    return edits


@dataclass(frozen=True)
class EditedSite:
    """Where an edit changes the base run, without its values: all that planning needs."""

    site: Site
    covered: slice
    """The positions (or queries) that the edit sets."""
    changed: Mask
    """`[example, covered position]`"""


@dataclass(frozen=True)
class LocatedEdit:
    """An edit with its values, one per position."""

    at: EditedSite
    value: Tensor
    """The new (or added) values, `[example, covered position, *features]`; an axis with one selected index has size 1."""
    added: bool


def edited_sites(cell: Cell, base: Cache) -> tuple[EditedSite, ...]:
    """The edited sites as a cell declares them, or as found by comparing its edits with the base run."""
    if cell.changes is None:
        return tuple(_located(edit, base).at for edit in make_edits(cell))
    shape = list(base["resid_pre", 0].shape[:2])
    if list(cell.changes.shape) != shape:
        raise NanoscopeError(
            f"a cell declares changes of shape {list(cell.changes.shape)}, where the texts have {shape}"
        )
    covered = [_covered(site, cell.changes.shape[1]) for site in cell.sites]
    return tuple(EditedSite(site, at, cell.changes[:, at]) for site, at in zip(cell.sites, covered, strict=True))


def locate(cell: Cell, sites: Sequence[EditedSite], base: Cache) -> tuple[LocatedEdit, ...]:
    """Create and locate a cell's edits. Raises NanoscopeError if one changes more than its cell declares."""
    if cell.changes is None:
        pairs = zip(make_edits(cell), sites, strict=True)
        return tuple(LocatedEdit(at, _by_position(edit, base)[0], edit.added) for edit, at in pairs)
    found = tuple(_located(edit, base) for edit in make_edits(cell))
    for edit, declared in zip(found, sites, strict=True):
        if (edit.at.changed & ~declared.changed).any():
            raise NanoscopeError(f"an edit of {declared.site} changes it where its cell declares no change")
    return found


def _located(edit: Edit, base: Cache) -> LocatedEdit:
    """Locate an edit by comparing its value with the base run's."""
    site = edit.site
    to, before = _by_position(edit, base)
    differs = to != (0 if edit.added else before)
    if "query" in AXES[site.name]:
        differs = _causal(site, differs)
    changed = differs.flatten(2).any(dim=2).cpu().numpy()
    return LocatedEdit(EditedSite(site, _covered(site, changed.shape[1]), changed), to, edit.added)


def _by_position(edit: Edit, base: Cache) -> tuple[Tensor, Tensor]:
    """An edit's value and the base run's, `[example, covered position, *features]`."""
    site, before = edit.site, base[edit.site]
    to = edit.broadcast_to(before)
    for dim, axis in enumerate(AXES[site.name]):
        if getattr(site, axis, None) is not None:
            to, before = to.unsqueeze(dim), before.unsqueeze(dim)
    return (to.transpose(1, 2), before.transpose(1, 2)) if "query" in AXES[site.name] else (to, before)


def _covered(site: Site, length: int) -> slice:
    at = site.single("pos" if site.query is None else "query")
    return slice(0, length) if at is None else slice(at, at + 1)


def _causal(site: Site, differs: Bool[Tensor, "example query head key"]) -> Bool[Tensor, "example query head key"]:
    """Ignore keys that a query cannot see. An edited score has no effect there; an edited pattern is an error."""
    query, key = site.single("query"), site.single("key")
    queries = torch.arange(differs.shape[1]) if query is None else torch.tensor([query])
    keys = torch.arange(differs.shape[3]) if key is None else torch.tensor([key])
    hidden = (keys > queries[:, None]).to(differs.device)[:, None]
    if site.name == "pattern" and bool((differs & hidden).any()):
        raise NanoscopeError(
            f"an edit makes {site} attend to a later position, but a replay keeps attention causal; use run instead"
        )
    return differs & ~hidden
