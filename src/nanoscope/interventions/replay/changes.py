"""What a cell changes: from its edits to the positions of each activation that differ from the base run.

An edit changes the positions at which its value differs from the base run's, found by comparing, not assumed. From
there a change spreads as the arithmetic says: token-wise parts keep it where it is, attention carries a changed key or
value to every later query, and nothing carries it to an earlier one. What the metric's reads cannot see is left out:
of the last layer only the keys and values, and the queries that are read.

A *row* is one example of one cell. All masks are `[row, pos]`, `pos` being the query for scores and patterns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from nanoscope.errors import NanoscopeError
from nanoscope.interventions.edits import Edit
from nanoscope.interventions.run import Cache, Key
from nanoscope.model.config import GPTConfig
from nanoscope.model.sites import AXES, Site

Cell = Sequence[Edit]
Mask = np.ndarray


@dataclass(frozen=True)
class Placed:
    """An edit of a cell, laid out position by position, and where it changes the base run."""

    edit: Edit
    value: Tensor
    """What is put (or added) there, `[example, covered position, *features]`; an axis of which one is chosen has size 1."""
    covered: slice
    changed: Mask
    """`[example, covered position]`"""


def placed(edit: Edit, base: Cache) -> Placed:
    """Compare an edit's value with what the base run has there."""
    site, before = edit.site, base[edit.site]
    to = edit.spread_over(before)
    for place, axis in enumerate(AXES[site.name]):
        if getattr(site, axis, None) is not None:
            to, before = to.unsqueeze(place), before.unsqueeze(place)
    differs = to != (0 if edit.added else before)
    if "query" in AXES[site.name]:
        to, differs = to.transpose(1, 2), _causal(site, differs.transpose(1, 2))
    at = site.pos if site.query is None else site.query
    covered = slice(0, differs.shape[1]) if at is None else slice(at, at + 1)
    return Placed(edit, to, covered, differs.flatten(2).any(dim=2).cpu().numpy())


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


LAID_OPEN = ("k", "v", "scores", "pattern")
"""Sites of attention that must be there to be edited."""


@dataclass(frozen=True)
class Seeds:
    """Where the edits themselves change each activation, and the rows whose attention is laid open in a layer."""

    changed: Mapping[Key, Mask]
    laid_open: Mapping[int, np.ndarray]


def seeds(cells: Sequence[Sequence[Placed]], examples: int, length: int, rows: np.ndarray | None = None) -> Seeds:
    """The changes of every example of some cells, row `cell * examples + example`, or of some of those rows."""
    found: dict[Key, Mask] = {}
    laid_open: dict[int, np.ndarray] = {}
    for number, cell in enumerate(cells):
        for part in cell:
            name, layer = part.edit.site.name, part.edit.site.layer
            mask = found.setdefault((name, layer), np.zeros((len(cells), examples, length), dtype=bool))
            mask[number, :, part.covered] |= part.changed
            if layer is not None and name in LAID_OPEN:
                laid_open.setdefault(layer, np.zeros((len(cells), examples), dtype=bool))[number] = True
    chosen = slice(None) if rows is None else rows
    return Seeds(
        {key: mask.reshape(-1, length)[chosen] for key, mask in found.items()},
        {layer: mask.ravel()[chosen] for layer, mask in laid_open.items()},
    )


def read_mask(positions: np.ndarray, length: int) -> Mask:
    """`[example, pos]`: where the metric reads."""
    mask = np.zeros((len(positions), length), dtype=bool)
    np.put_along_axis(mask, positions, True, axis=1)
    return mask


@dataclass(frozen=True)
class LayerFlow:
    """What one layer must compute. `site[name]`: where that activation differs and is needed."""

    site: Mapping[str, Mask]
    attended: Mask
    """Queries whose attention must be done again."""
    own: Mask
    """Keys and values that each row holds itself; the ones before are the base run's."""
    absorbed: np.ndarray
    """Rows of the last layer whose own keys and values are never made: few queries meet the residual stream itself."""


@dataclass(frozen=True)
class Flow:
    """What the rows of a sweep must compute, layer by layer, and at which reads their logits differ."""

    embedded: Mask
    layers: tuple[LayerFlow, ...]
    final: Mask


def spread(config: GPTConfig, start: Seeds, reads: Mask) -> Flow:
    """Follow the changes through the model, as far as the reads `[row, pos]` can see them."""
    seen = np.logical_or.accumulate(reads[:, ::-1], axis=1)[:, ::-1]
    nothing = np.zeros_like(reads)
    embedded, positions = (start.changed.get((name, None), nothing) for name in ("embed", "pos_embed"))
    embedded = changed = (embedded | positions) & seen
    layers = []
    for layer in range(config.n_layer):
        needed = reads if layer == config.n_layer - 1 else seen
        layers.append(_spread_layer(config, layer, changed, start, (seen, needed)))
        changed = layers[-1].site["resid_post"]
    final = start.changed.get(("ln_final", None), nothing)
    return Flow(embedded, tuple(layers), (changed | final) & reads)


def _spread_layer(config: GPTConfig, layer: int, changed: Mask, start: Seeds, view: tuple[Mask, Mask]) -> LayerFlow:
    seen, needed = view

    def grown(mask: Mask, *names: str) -> Mask:
        for name in names:
            seed = start.changed.get((name, layer))
            mask = mask if seed is None else mask | (seed & needed)
        return mask

    def grown_for_keys(mask: Mask, name: str) -> Mask:
        seed = start.changed.get((name, layer))
        return mask if seed is None else mask | (seed & seen)

    site = {"resid_pre": grown_for_keys(changed & seen, "resid_pre")}
    site["q"] = grown(site["resid_pre"] if seen is needed else site["resid_pre"] & needed, "q")
    site["k"], site["v"] = (grown_for_keys(site["resid_pre"], name) for name in "kv")
    keys = site["k"] | site["v"]
    attended = grown(site["q"] | (np.logical_or.accumulate(keys, axis=1) & needed), "scores", "pattern")
    site["z"] = grown(attended, "z")
    site["attn_out"] = grown(site["z"], "attn_out")
    mask = site["attn_out"]
    for name in () if config.attention_only else ("resid_mid", "pre", "post", "mlp_out"):
        mask = site[name] = grown(mask, name)
    site["resid_post"] = grown(mask, "resid_post")
    own = _own(keys, attended)
    absorbed = _absorbed(config, layer, start, (site["resid_pre"], attended, own))
    site["k"], site["v"] = (site[name] & ~absorbed[:, None] for name in "kv")
    return LayerFlow(site, attended, own, absorbed)


def _absorbed(config: GPTConfig, layer: int, start: Seeds, masks: tuple[Mask, Mask, Mask]) -> np.ndarray:
    """Rows for which `n_head` wide queries cost less than the own keys and values would (see `attend_through`)."""
    changed, attended, own = masks
    queries, keys = attended.sum(1), own.sum(1)
    cheap = (4 * queries <= config.d_head) & (2 * queries < keys)
    all_new = (changed == own).all(1)
    open_rows = start.laid_open.get(layer, np.zeros(len(own), dtype=bool))
    return cheap & all_new & ~open_rows & (layer == config.n_layer - 1)


def _own(keys: Mask, attended: Mask) -> Mask:
    """From the first changed key (or the first query, where no key changes) to the last query."""
    either = (keys | attended) & attended.any(axis=1, keepdims=True)
    upto_last = np.logical_or.accumulate(attended[:, ::-1], axis=1)[:, ::-1]
    return np.logical_or.accumulate(either, axis=1) & upto_last
