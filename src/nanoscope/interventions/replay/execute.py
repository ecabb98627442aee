"""Run the rows of a pack: the model's block on the positions that changed, everything else read from the base run.

The token-wise parts of the model run on flat activations (`flat.py`), as one long matrix for all rows; attention works
by groups of rows (`attention.py`). The code follows `GPT.block` line by line: at each site an activation is moved to the
places that have changed there, those that newly change beginning with the base run's values, and the edits are made.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from torch import Tensor

from nanoscope.interventions.replay.attention import Group, attend_explicitly, attend_group, groups
from nanoscope.interventions.replay.changes import Flow, LayerFlow, Mask, Placed, read_mask, seeds, spread
from nanoscope.interventions.replay.flat import Flat, Places, writes
from nanoscope.interventions.run import Cache
from nanoscope.model import arithmetic
from nanoscope.model.gpt import GPT
from nanoscope.model.modules import MLP, Block, Norm

EXPLICIT = ("scores", "pattern")


ROOM_BYTES = 12 << 20
"""Neurons computed at once on a CPU. Fewer make short products, more leave its cache (benchmarks/README.md)."""


@dataclass(frozen=True)
class Ground:
    """What all replays of a sweep stand on."""

    model: GPT
    base: Cache
    positions: np.ndarray
    """`[example, read]`: where the logits are read."""
    reads: Mask
    """The same as a mask `[example, pos]`."""
    room: Tensor
    """`[some tokens, neuron]`: where the neurons of every layer are computed, allocated once."""


def make_ground(model: GPT, base: Cache, positions: np.ndarray, most: int) -> Ground:
    """Lay out a sweep whose replays have at most `most` tokens at once."""
    width, like = model.config.d_mlp, model.wte.weight
    tokens = ROOM_BYTES // (width * like.element_size()) if model.device.type == "cpu" else most
    room = like.new_empty(1 if model.config.attention_only else max(1, min(most, max(64, tokens))), width)
    return Ground(model, base, positions, read_mask(positions, base["resid_pre", 0].shape[1]), room)


def replay_rows(ground: Ground, cells: Sequence[Sequence[Placed]], rows: np.ndarray, logits: Tensor) -> None:
    """Replay rows `cell * examples + example` and write their logits into `logits [row, read, vocab]`."""
    examples, length = ground.reads.shape
    cell, example = np.divmod(rows, examples)
    flow = spread(ground.model.config, seeds(cells, examples, length, rows), ground.reads[example])
    found, places = Rows(ground, cells, cell, example, flow).logits()
    number = places.number[np.arange(len(rows))[:, None], ground.positions[example]]
    row, read = np.nonzero(number >= 0)
    where = torch.from_numpy(rows[row]), torch.from_numpy(read)
    logits[where] = found[torch.from_numpy(number[row, read]).to(found.device)].to(logits)


@dataclass(frozen=True)
class Rows:
    """Some examples of some cells, and what they must compute."""

    ground: Ground
    cells: Sequence[Sequence[Placed]]
    cell: np.ndarray
    """Of each row, its place in `cells`."""
    example: np.ndarray
    flow: Flow
    _known: dict[bytes, Places] = field(default_factory=dict)
    _shapes: dict[bytes, tuple[Group, ...]] = field(default_factory=dict)

    @property
    def model(self) -> GPT:
        return self.ground.model

    @property
    def base(self) -> Cache:
        return self.ground.base

    def logits(self) -> tuple[Tensor, Places]:
        """The logits at the reads that change, `[token, vocab]`, and the places that they belong to."""
        x = self._embedded()
        for number, (layer, block) in enumerate(zip(self.flow.layers, self.model.blocks, strict=True)):
            if layer.own.any() or layer.site["resid_post"].any():
                x = self._block(x, number, layer, block)
        ln_f = self.model.ln_f
        final = x if ln_f is None else x.mapped(lambda value: arithmetic.norm(value, ln_f))
        final = self._at("ln_final", None, final, self.flow.final)
        return self.model.lm_head(final.values), final.places

    # ---- the block, as in model/gpt.py -------------------------------------------------------------------------------

    def _embedded(self) -> Flat:
        nothing = Flat(self.base["resid_pre", 0].flatten(0, 1)[:0], self._places(np.zeros_like(self.flow.embedded)))
        token, position = (self._at(name, None, nothing, self.flow.embedded) for name in ("embed", "pos_embed"))
        return token.plus(position)

    def _block(self, x: Flat, layer: int, flow: LayerFlow, block: Block) -> Flat:
        x = self._at("resid_pre", layer, x, flow.site["resid_pre"])
        z = self._at("z", layer, self._heads(x, layer, flow, block), flow.site["z"])
        attn_out = z.mapped(lambda value: arithmetic.out(value, block.attn))
        attn_out = self._at("attn_out", layer, attn_out, flow.site["attn_out"])
        x = x.moved(attn_out.places, lambda: self.base["resid_pre", layer]).plus(attn_out)
        if block.mlp is not None and block.ln_2 is not None:
            x = self._at("resid_mid", layer, x, flow.site["resid_mid"])
            mlp_out = self._neurons(x, layer, flow, block.ln_2, block.mlp)
            x = x.moved(mlp_out.places, lambda: self.base["resid_mid", layer]).plus(mlp_out)
        return self._at("resid_post", layer, x, flow.site["resid_post"])

    def _neurons(self, x: Flat, layer: int, flow: LayerFlow, ln_2: Norm, mlp: MLP) -> Flat:
        if not (self._edits_of("pre", layer) or self._edits_of("post", layer)):
            out = x.mapped(torch.empty_like)
            arithmetic.mlp_within(arithmetic.norm(x.values, ln_2), mlp, self.ground.room, out.values)
        else:
            pre = x.mapped(lambda value: arithmetic.mlp_pre(arithmetic.norm(value, ln_2), mlp))
            pre = self._at("pre", layer, pre, flow.site["pre"])
            post = pre.mapped(lambda value: arithmetic.mlp_post(value, mlp))
            out = self._at("post", layer, post, flow.site["post"]).mapped(lambda value: arithmetic.mlp_out(value, mlp))
        return self._at("mlp_out", layer, out, flow.site["mlp_out"])

    def _heads(self, x: Flat, layer: int, flow: LayerFlow, block: Block) -> Flat:
        normed = x.mapped(lambda value: arithmetic.norm(value, block.ln_1))
        attended, held = self._places(flow.attended), self._places(flow.own & ~flow.absorbed[:, None])
        fresh = self._projected(normed, flow, block)
        q, k, v = (
            self._at(name, layer, part, flow.site[name])
            .moved(places, partial(self.base.__getitem__, (name, layer)))
            .values
            for name, part, places in zip("qkv", fresh, (attended, held, held), strict=True)
        )
        base = (self.base["q", layer], self.base["k", layer], self.base["v", layer])
        explicit = [self._edits_of(name, layer) for name in EXPLICIT]
        apart = np.isin(self.cell, [number for found in explicit for number in found])
        z = q.new_empty(q.shape)  # contiguous, which a view of joint queries, keys and values is not
        for group in self._groups(flow, apart):
            if apart[group.rows.start]:
                edits = [[part for found in explicit for part in found.get(cell, ())] for cell in self._cells_of(group)]
                attend_explicitly(group, (q, k, v), base, block.attn, edits, z)
            else:
                attend_group(group, (q, k, v), normed.values, base, block.attn, z)
        return Flat(z, attended)

    def _projected(self, x: Flat, flow: LayerFlow, block: Block) -> tuple[Flat, Flat, Flat]:
        """Queries, keys and values of the changed residual stream; in the last layer only those that are needed."""
        asked = self._places(flow.site["resid_pre"] & flow.attended)
        made = self._places(flow.site["resid_pre"] & ~flow.absorbed[:, None])
        if asked is made:
            q, k, v = arithmetic.qkv(x.moved(made, lambda: x.values).values, block.attn)
            return Flat(q, asked), Flat(k, made), Flat(v, made)
        k, v = arithmetic.qkv(x.moved(made, lambda: x.values).values, block.attn, first=1)
        (q,) = arithmetic.qkv(x.moved(asked, lambda: x.values).values, block.attn, end=1)
        return Flat(q, asked), Flat(k, made), Flat(v, made)

    # ---- where things are, and what is put there ---------------------------------------------------------------------

    def _places(self, mask: Mask) -> Places:
        key = mask.tobytes()
        if key not in self._known:
            self._known[key] = Places(mask, self.example, self.model.device)
        return self._known[key]

    def _groups(self, flow: LayerFlow, apart: np.ndarray) -> tuple[Group, ...]:
        key = b"".join(
            part.tobytes() for part in (flow.attended, flow.own, flow.absorbed, apart, flow.site["resid_pre"])
        )
        if key not in self._shapes:
            self._shapes[key] = tuple(groups(flow, self.cell, self.example, apart))
        return self._shapes[key]

    def _cells_of(self, group: Group) -> np.ndarray:
        return self.cell[group.rows].reshape(group.cells, -1)[:, 0]

    def _at(self, name: str, layer: int | None, flat: Flat, mask: Mask) -> Flat:
        """An activation at the places where it has changed, with the edits made."""
        flat = flat.moved(self._places(mask), lambda: self.base[name, layer])
        for write in writes(self._made_at(name, layer), flat.places):
            write.onto(flat.values)
        return flat

    def _edits_of(self, name: str, layer: int | None) -> dict[int, list[Placed]]:
        found: dict[int, list[Placed]] = {}
        for number, cell in enumerate(self.cells):
            for part in cell:
                if part.edit.site.name == name and part.edit.site.layer == layer:
                    found.setdefault(number, []).append(part)
        return found

    def _made_at(self, name: str, layer: int | None) -> Iterator[tuple[int, np.ndarray, np.ndarray, Placed]]:
        for number, parts in self._edits_of(name, layer).items():
            rows = np.flatnonzero(self.cell == number)
            for turn, part in enumerate(parts):
                yield turn, rows, self.example[rows], part
