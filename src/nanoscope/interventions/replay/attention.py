"""Attention of many suffixes at once; keys and values of their common past come from the base run.

Rows with the same queries and the same own keys form a group `[cell, example]`. The keys and values before a group's
own ones are the base run's, one set per example. The queries of all cells of an example are multiplied with them in one
product, and nothing is copied per row. The two parts are joined by their log-sum-exps. Rows whose scores or patterns are
edited are computed explicitly over all keys instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from nanoscope.interventions.replay.cells import LocatedEdit
from nanoscope.interventions.replay.changes import LayerFlow
from nanoscope.model import arithmetic
from nanoscope.model.modules import Attention

Grids = tuple[Tensor, Tensor, Tensor]
"""Queries, keys and values."""


@dataclass(frozen=True)
class AttentionGroup:
    """Rows (`cells` times the number of examples) whose attention has the same shape."""

    rows: slice
    cells: int
    examples: slice | Tensor
    """Examples of the base run, the same for every cell; a slice if they are consecutive."""
    start: int
    """First position of the rows' own keys."""
    queries: np.ndarray
    keys: int
    """Number of own keys of each row."""
    at_queries: slice
    at_keys: slice
    """The rows' tokens in the flat queries, and in the flat keys and values."""
    absorbed: bool
    """The own keys and values are not computed; `at_keys` refers to the flat residual stream."""

    @cached_property
    def causal(self) -> bool:
        """Whether the queries are exactly the positions of the own keys."""
        return len(self.queries) == self.keys and self.keys > 1 and not self.absorbed

    @cached_property
    def visible(self) -> Tensor | None:
        """Which own keys each query sees; None if all, or if `causal`."""
        own = np.arange(self.start, self.start + self.keys)
        seen = self.queries[:, None] >= own
        return None if self.causal or seen.all() else torch.from_numpy(seen)


def groups(
    flow: LayerFlow, cell: np.ndarray, examples: np.ndarray, explicit_rows: np.ndarray
) -> Iterator[AttentionGroup]:
    """Split rows, in their order, into groups. Rows in and outside `explicit_rows` are in different groups.

    `cell` and `examples` hold the cell and the example of each row.
    """
    begin_queries, begin_keys, begin_residual = (
        np.concatenate([[0], np.cumsum(mask.sum(1))]) for mask in (flow.queries, flow.held, flow.changed["resid_pre"])
    )
    active = np.flatnonzero(flow.queries.any(1))
    kinds = np.stack([explicit_rows, flow.absorbed], axis=1)
    shape = np.concatenate([flow.queries, flow.own, kinds], axis=1)[active]
    changes = np.flatnonzero((shape[1:] != shape[:-1]).any(1) | (np.diff(active) > 1)) + 1
    for block in np.split(active, changes) if len(active) else ():
        first, end = int(block[0]), int(block[-1]) + 1
        for rows, cells in _rectangles(cell[first:end], examples[first:end], first):
            here = rows.start
            begin = begin_residual if flow.absorbed[here] else begin_keys
            yield AttentionGroup(
                rows=rows,
                cells=cells,
                examples=_sliced(examples[rows][: (rows.stop - rows.start) // cells]),
                start=int(flow.own[here].argmax()),
                queries=np.flatnonzero(flow.queries[here]),
                keys=int(flow.own[here].sum()),
                at_queries=slice(int(begin_queries[here]), int(begin_queries[rows.stop])),
                at_keys=slice(int(begin[here]), int(begin[rows.stop])),
                absorbed=bool(flow.absorbed[here]),
            )


def _rectangles(cell: np.ndarray, examples: np.ndarray, offset: int) -> Iterator[tuple[slice, int]]:
    """Split consecutive rows into blocks of cells with the same examples: `(rows, number of cells)`."""
    starts = np.flatnonzero(np.concatenate([[True], cell[1:] != cell[:-1]]))
    pieces = np.split(examples, starts[1:])
    begun = 0
    while begun < len(pieces):
        end = begun + 1
        while end < len(pieces) and np.array_equal(pieces[end], pieces[begun]):
            end += 1
        first = offset + int(starts[begun])
        yield slice(first, first + len(pieces[begun]) * (end - begun)), end - begun
        begun = end


def _sliced(examples: np.ndarray) -> slice | Tensor:
    first, end = int(examples[0]), int(examples[-1]) + 1
    return slice(first, end) if end - first == len(examples) else torch.from_numpy(examples)


def attend_group(group: AttentionGroup, own: Grids, residual: Tensor, base: Grids, attn: Attention, z: Tensor) -> None:
    """Fill `z [token, head, d_head]` at a group's queries, joining attention over the shared past and over own keys.

    `residual [token, d_model]` is the normalised residual stream at the changed positions.
    """
    q = _rows(group, own[0], group.at_queries)
    rows = z[group.at_queries].unflatten(0, q.shape[:2])
    visible = None if group.visible is None else group.visible.to(q.device)
    if group.absorbed:
        here = arithmetic.attend_through(q, _rows(group, residual, group.at_keys), attn, visible)
    else:
        k, v = (_rows(group, part, group.at_keys) for part in own[1:])
        here = arithmetic.attend_part(q, k, v, attn, visible, group.causal)
    if group.start == 0:
        rows.copy_(here[0])
        return
    past_k, past_v = (part[group.examples, : group.start] for part in base[1:])
    if group.cells == 1:
        past = arithmetic.attend_part(q, past_k, past_v, attn)
    else:
        by_example = q.unflatten(0, (group.cells, -1)).transpose(0, 1)
        both = arithmetic.attend_part(by_example.flatten(1, 2), past_k, past_v, attn)
        past = [part.unflatten(1, (group.cells, -1)).transpose(0, 1).flatten(0, 1) for part in both]
    torch.lerp(past[0], here[0], arithmetic.share_of_second(past[1], here[1])[..., None].to(z), out=rows)


def attend_explicitly(
    group: AttentionGroup, own: Grids, base: Grids, attn: Attention, edits: Sequence[Sequence[LocatedEdit]], z: Tensor
) -> None:
    """`attend_group` with materialised, edited scores and patterns; `edits` has one entry per cell."""
    q, k, v = (_rows(group, part, at) for part, at in zip(own, (group.at_queries, *[group.at_keys] * 2), strict=True))
    past = [part[group.examples, : group.start].repeat(group.cells, 1, 1, 1) for part in base[1:]]
    k, v = torch.cat([past[0], k], dim=1), torch.cat([past[1], v], dim=1)
    visible = torch.from_numpy(group.queries[:, None] >= np.arange(k.shape[1])).to(q.device)
    raw = _edited("scores", arithmetic.scores(q, k, attn), group, edits)
    pattern = _edited("pattern", arithmetic.pattern(raw, visible), group, edits)
    z[group.at_queries] = arithmetic.mix(pattern, v).flatten(0, 1)


def _rows(group: AttentionGroup, flat: Tensor, tokens: slice) -> Tensor:
    """A group's part of a flat activation, `[row, token of the row, ...]`."""
    return flat[tokens].unflatten(0, (group.rows.stop - group.rows.start, -1))


def _edited(name: str, value: Tensor, group: AttentionGroup, edits: Sequence[Sequence[LocatedEdit]]) -> Tensor:
    """Write each cell's edits into its rows of scores or patterns `[row, head, query, key]`."""
    by_cell = value.unflatten(0, (group.cells, -1))
    for number, cell in enumerate(edits):
        for part in cell:
            if part.at.site.name == name:
                _put(part, by_cell[number], group)
    return value


def _put(part: LocatedEdit, value: Tensor, group: AttentionGroup) -> None:
    """Write one edit into `value [example, head, query, key]`, for the queries and keys that it contains."""
    site, keys = part.at.site, value.shape[-1]
    key = site.single("key")
    chosen = [n for n, query in enumerate(group.queries) if site.query in (None, query)]
    if not chosen or (key is not None and key >= keys):
        return
    heads = slice(None) if site.head is None else slice(site.head, site.head + 1)
    columns = slice(None) if key is None else slice(key, key + 1)
    queries = group.queries[chosen] - part.at.covered.start
    to = part.value[group.examples][:, queries][..., :keys].transpose(1, 2).to(value)
    where = (slice(None), heads, torch.tensor(chosen, device=value.device), columns)
    value[where] = value[where] + to if part.added else to
