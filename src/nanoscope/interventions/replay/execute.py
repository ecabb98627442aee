"""Run the rows of a pack: compute the changed positions and read everything else from the base run.

The token-wise parts of the model run on flat activations (`flat.py`), as one long matrix for all rows. Attention runs in
groups of rows (`attention.py`). The steps of a block come from its table (`data_flow.py`). Each step gathers its sources at
the places where the activation must be computed, with the base run's values where they have not changed; then the edits
are written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from nanoscope.interventions.replay.attention import attend_explicitly, attend_group
from nanoscope.interventions.replay.cells import LocatedEdit, Mask
from nanoscope.interventions.replay.changes import Flow, propagate, read_mask
from nanoscope.interventions.replay.data_flow import Step, mlp_read, token_wise_steps
from nanoscope.interventions.replay.flat import Flat
from nanoscope.interventions.replay.layout import EXPLICIT, LayerLayout, Layout, lay_out
from nanoscope.interventions.replay.writes import PackEdits, RowsOfCells, write
from nanoscope.interventions.run import Cache
from nanoscope.model import arithmetic
from nanoscope.model.gpt import GPT
from nanoscope.model.modules import Block
from nanoscope.model.sites import mlp_reads

NEURONS = ("pre", "pre_linear", "post")
SCRATCH_BYTES = 12 << 20
"""Size of the neurons computed at once on a CPU: large enough for efficient products, small enough for its cache
(benchmarks/README.md)."""


@dataclass(frozen=True)
class SweepContext:
    """State shared by all replays of one sweep."""

    model: GPT
    base: Cache
    positions: np.ndarray
    """`[example, read]`: positions at which the logits are read."""
    reads: Mask
    """The same as a mask `[example, pos]`."""
    scratch: Tensor
    """`[tokens, neuron]`: memory for the neurons of every layer, allocated once."""


def make_context(model: GPT, base: Cache, positions: np.ndarray, most: int) -> SweepContext:
    """Prepare a sweep in which at most `most` tokens are replayed at once."""
    width, like = model.config.d_mlp, model.wte.weight
    tokens = SCRATCH_BYTES // (width * like.element_size()) if model.device.type == "cpu" else most
    scratch = like.new_empty(1 if model.config.attention_only else max(1, min(most, max(64, tokens))), width)
    return SweepContext(model, base, positions, read_mask(positions, base["resid_pre", 0].shape[1]), scratch)


def replay_rows(context: SweepContext, edits: PackEdits, rows: np.ndarray, logits: Tensor) -> None:
    """Replay rows `cell * examples + example` and write their logits into `logits [row, read, vocab]`."""
    of_cells = RowsOfCells.of(rows, len(context.reads))
    flow = propagate(context.model.config, edits.positions.of(rows), context.reads[of_cells.example])
    layout = lay_out(flow, edits, of_cells, context.model.device)
    found = Rows(context, edits, of_cells, flow, layout).logits()
    number = found.places.number[np.arange(len(rows))[:, None], context.positions[of_cells.example]]
    row, read = np.nonzero(number >= 0)
    where = torch.from_numpy(rows[row]), torch.from_numpy(read)
    logits[where] = found.values[torch.from_numpy(number[row, read]).to(found.values.device)].to(logits)


@dataclass(frozen=True)
class Rows:
    """Rows of a pack, with their flow and layout."""

    context: SweepContext
    edits: PackEdits
    rows: RowsOfCells
    flow: Flow
    layout: Layout

    def logits(self) -> Flat:
        """The logits at the reads that change, `[token, vocab]`."""
        model = self.context.model
        x = self._embedded()
        for number, (layer, block) in enumerate(zip(self.flow.layers, model.blocks, strict=True)):
            if layer.own.any() or layer.changed["resid_post"].any():
                x = self._block(x, number, block)
        final = x if model.ln_f is None else x.mapped(partial(arithmetic.norm, weights=model.ln_f))
        final = self._edited("ln_final", None, final.moved(self.layout.final, self._base("ln_final", None)))
        return final.mapped(model.lm_head)

    def _embedded(self) -> Flat:
        nothing = Flat(self.context.base["resid_pre", 0].flatten(0, 1)[:0], self.layout.nowhere)
        token, position = (
            self._edited(name, None, nothing.moved(self.layout.embedded, self._base(name, None)))
            for name in ("embed", "pos_embed")
        )
        return token.plus(position)

    def _block(self, x: Flat, layer: int, block: Block) -> Flat:
        x = self._at("resid_pre", layer, x)
        values = {"resid_pre": x, "z": self._at("z", layer, self._heads(x, layer, block))}
        del x
        steps = self._steps(layer)
        for number, step in enumerate(steps):
            places = self.layout.layers[layer].computed[step.site]
            sources = [values[name].moved(places, self._base(name, layer)) for name in step.sources]
            for name in set(values).difference(*(later.sources for later in steps[number + 1 :])):
                del values[name]
            assert step.make is not None
            values[step.site] = Flat(step.make(block, *(source.values for source in sources)), places)
            values[step.site] = self._at(step.site, layer, values[step.site])
        return values["resid_post"]

    def _steps(self, layer: int) -> tuple[Step, ...]:
        """The token-wise steps. An MLP without edited neurons is one step, computed in scratch memory."""
        steps = token_wise_steps(self.context.model.config)
        if any((name, layer) in self.edits.of for name in NEURONS):
            return steps
        read = (mlp_reads(self.context.model.config),)
        kept = [step for step in steps if step.site not in NEURONS]
        return tuple(replace(step, sources=read, make=self._mlp) if step.site == "mlp_out" else step for step in kept)

    def _mlp(self, block: Block, x: Tensor) -> Tensor:
        assert block.mlp is not None
        out = torch.empty_like(x)
        arithmetic.mlp_within(mlp_read(block, x), block.mlp, self.context.scratch, out)
        return out

    def _heads(self, x: Flat, layer: int, block: Block) -> Flat:
        layout = self.layout.layers[layer]
        normed = x.mapped(lambda value: arithmetic.norm_before(value, block.ln_1))
        q, k, v = (
            self._at(name, layer, part).moved(places, self._base(name, layer)).values
            for name, part, places in zip(
                "qkv", _projected(normed, layout, block), (layout.computed["z"], layout.held, layout.held), strict=True
            )
        )
        base = (self.context.base["q", layer], self.context.base["k", layer], self.context.base["v", layer])
        z = q.new_empty(q.shape)  # q may be a view of joint queries, keys and values, which is not contiguous
        edits = self._by_cell(layer)
        for group in layout.groups:
            if layout.explicit_rows[group.rows.start]:
                cells = self.rows.cell[group.rows].reshape(group.cells, -1)[:, 0]
                attend_explicitly(group, (q, k, v), base, block.attn, [edits.get(cell, ()) for cell in cells], z)
            else:
                attend_group(group, (q, k, v), normed.values, base, block.attn, z)
        return Flat(z, layout.computed["z"])

    def _by_cell(self, layer: int) -> Mapping[int, list[LocatedEdit]]:
        """The edits of scores and patterns of each cell."""
        found: dict[int, list[LocatedEdit]] = {}
        for name in EXPLICIT:
            for _, cell, edit in self.edits.of.get((name, layer), ()):
                found.setdefault(cell, []).append(edit)
        return found

    def _base(self, name: str, layer: int | None) -> partial[Tensor]:
        return partial(self.context.base.__getitem__, (name, layer))

    def _at(self, name: str, layer: int, flat: Flat) -> Flat:
        """An activation of a layer at all places where it has changed, with its edits written."""
        return self._edited(name, layer, flat.moved(self.layout.layers[layer].changed[name], self._base(name, layer)))

    def _edited(self, name: str, layer: int | None, flat: Flat) -> Flat:
        write(self.edits.of.get((name, layer), ()), self.rows, flat)
        return flat


def _projected(x: Flat, layout: LayerLayout, block: Block) -> tuple[Flat, Flat, Flat]:
    """Queries, keys and values of the changed residual stream; in the last layer only those that are needed."""
    queries, keys = layout.computed["q"], layout.computed["k"]
    if queries is keys:
        q, k, v = arithmetic.qkv(x.at(keys).values, block.attn, keys.position)
        return Flat(q, queries), Flat(k, keys), Flat(v, keys)
    k, v = arithmetic.qkv(x.at(keys).values, block.attn, keys.position, first=1)
    (q,) = arithmetic.qkv(x.at(queries).values, block.attn, queries.position, end=1)
    return Flat(q, queries), Flat(k, keys), Flat(v, keys)
