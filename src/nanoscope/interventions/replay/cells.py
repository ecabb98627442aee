"""Cells: edits that are made together, when they are needed and no sooner.

A sweep is planned from what its cells say of themselves: which sites they edit and where these may change. The edits'
tensors are made when their pack runs and dropped after it, so that thousands of cells with values of their own (the
exact effects of edges) need the memory of one pack.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from nanoscope.errors import NanoscopeError
from nanoscope.interventions.edits import Edit
from nanoscope.interventions.run import Cache
from nanoscope.model.sites import AXES, Site

Edits = Sequence[Edit]
Mask = np.ndarray


@dataclass(frozen=True)
class Cell:
    """Edits made together: `make()` gives one for each of `sites`, in their order, and equal ones at every call."""

    sites: tuple[Site, ...]
    make: Callable[[], Edits]
    changes: Bool[np.ndarray, "example pos"] | None = None
    """Where the edits may differ from the base run, by position (of scores and patterns: by query); a site of one
    position differs there at most. None: planning makes the edits once, and compares."""
    own_bytes: int = 0
    """Memory that the edits take while they exist. Views of a cached run take none."""


def as_cell(cell: Cell | Edits) -> Cell:
    """Edits that exist already, as a cell."""
    return cell if isinstance(cell, Cell) else Cell(tuple(edit.site for edit in cell), lambda: cell)


def made(cell: Cell) -> Edits:
    """The cell's edits. Raises NanoscopeError where they are not of the sites that it declares."""
    edits = cell.make()
    if tuple(edit.site for edit in edits) != cell.sites:
        declared, found = (", ".join(map(str, sites)) for sites in (cell.sites, [edit.site for edit in edits]))
        raise NanoscopeError(
            f"a cell that declares edits of {declared or 'nothing'} made edits of {found or 'nothing'}"
        )
    return edits


@dataclass(frozen=True)
class EditedSite:
    """Where an edit changes the base run: all that planning needs to know of it."""

    site: Site
    covered: slice
    """The positions (or queries) that the edit sets."""
    changed: Mask
    """`[example, covered position]`"""


@dataclass(frozen=True)
class LocatedEdit:
    """An edit laid out position by position."""

    at: EditedSite
    value: Tensor
    """What is put (or added) there, `[example, covered position, *features]`; an axis of which one is chosen has size 1."""
    added: bool


def edited_sites(cell: Cell, base: Cache) -> tuple[EditedSite, ...]:
    """What a cell declares of its edits, or what comparing them with the base run shows."""
    if cell.changes is None:
        return tuple(_located(edit, base).at for edit in made(cell))
    shape = list(base["resid_pre", 0].shape[:2])
    if list(cell.changes.shape) != shape:
        raise NanoscopeError(
            f"a cell declares changes of shape {list(cell.changes.shape)}, where the texts have {shape}"
        )
    places = [_covered(site, cell.changes.shape[1]) for site in cell.sites]
    return tuple(EditedSite(site, at, cell.changes[:, at]) for site, at in zip(cell.sites, places, strict=True))


def locate(cell: Cell, sites: Sequence[EditedSite], base: Cache) -> tuple[LocatedEdit, ...]:
    """Make a cell's edits and lay them out. Raises NanoscopeError where one changes more than its cell declares."""
    if cell.changes is None:
        pairs = zip(made(cell), sites, strict=True)
        return tuple(LocatedEdit(at, _laid_out(edit, base)[0], edit.added) for edit, at in pairs)
    found = tuple(_located(edit, base) for edit in made(cell))
    for edit, declared in zip(found, sites, strict=True):
        if (edit.at.changed & ~declared.changed).any():
            raise NanoscopeError(f"an edit of {declared.site} changes it where its cell declares no change")
    return found


def _located(edit: Edit, base: Cache) -> LocatedEdit:
    """Compare an edit's value with what the base run has there."""
    site = edit.site
    to, before = _laid_out(edit, base)
    differs = to != (0 if edit.added else before)
    if "query" in AXES[site.name]:
        differs = _causal(site, differs)
    changed = differs.flatten(2).any(dim=2).cpu().numpy()
    return LocatedEdit(EditedSite(site, _covered(site, changed.shape[1]), changed), to, edit.added)


def _laid_out(edit: Edit, base: Cache) -> tuple[Tensor, Tensor]:
    """An edit's value and the base run's, `[example, covered position, *features]`."""
    site, before = edit.site, base[edit.site]
    to = edit.spread_over(before)
    for place, axis in enumerate(AXES[site.name]):
        if getattr(site, axis, None) is not None:
            to, before = to.unsqueeze(place), before.unsqueeze(place)
    return (to.transpose(1, 2), before.transpose(1, 2)) if "query" in AXES[site.name] else (to, before)


def _covered(site: Site, length: int) -> slice:
    at = site.pos if site.query is None else site.query
    return slice(0, length) if at is None else slice(at, at + 1)


def _causal(site: Site, differs: Bool[Tensor, "example query head key"]) -> Bool[Tensor, "example query head key"]:
    """Leave out the keys that a query cannot see. A score there changes nothing; a pattern there is no pattern."""
    queries = torch.arange(differs.shape[1]) if site.query is None else torch.tensor([site.query])
    keys = torch.arange(differs.shape[3]) if site.key is None else torch.tensor([site.key])
    hidden = (keys > queries[:, None]).to(differs.device)[:, None]
    if site.name == "pattern" and bool((differs & hidden).any()):
        raise NanoscopeError(
            f"an edit lets {site} attend to a later position; a replay keeps attention causal: use run"
        )
    return differs & ~hidden
