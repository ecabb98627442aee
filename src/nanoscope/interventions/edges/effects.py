"""The exact effect of every single edge, without a factored run.

In an edge `u->r` from another run, the one reader r sees `stream + other_u - own_u`. That gives one new query, key, value or
one new row of neurons (or, for the logits, one new input of the unembedding), and the replay engine carries this edit on.
Each edge is a cell whose edits are made when its pack runs, so thousands of edges need the memory of one pack.

    found = edge_effects(model, tokens, other, positions, measure)     # found.values [edge, example], found.base [example]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float, Int
from torch import Tensor

from nanoscope.errors import NanoscopeError
from nanoscope.interventions.edges.graph import LOGITS, Edge, Graph, graph_of
from nanoscope.interventions.edges.run import Writes, writes_of
from nanoscope.interventions.edits import Edit
from nanoscope.interventions.replay import Cell, Measure, Progress, Replay, base_run, replay
from nanoscope.interventions.run import Run
from nanoscope.model import arithmetic
from nanoscope.model.gpt import GPT
from nanoscope.model.sites import Site, mlp_reads


def edge_effects(
    model: GPT,
    tokens: Int[Tensor, "example pos"],
    other: Writes,
    positions: Int[Tensor, "example read"],
    measure: Measure,
    *,
    edges: Sequence[Edge] | None = None,
    budget: int | None = None,
    progress: Progress = lambda done, total: None,
    verify: int = 0,
) -> Replay:
    """The metric with each edge in turn taken from another run (all edges of the graph, unless some are given), in their order.

    `other` are the other run's writes (`writes_of(model, other_tokens).writes`), one batch row for each example. Further
    arguments, result and errors are those of `replay`. NanoscopeError for an edge that the model has not.
    """
    cells, base = edge_cells(model, tokens, other, edges)
    return replay(model, tokens, cells, positions, measure, budget=budget, progress=progress, base=base, verify=verify)


def edge_cells(
    model: GPT, tokens: Int[Tensor, "example pos"], other: Writes, edges: Sequence[Edge] | None = None
) -> tuple[list[Cell], Run]:
    """The cells of `edge_effects`, and the base run that they are made for."""
    graph = graph_of(model.config)
    names = ("q", "k", "v", "resid_post", "ln_final", mlp_reads(model.config))
    mlps = () if model.config.attention_only else ("pre", *(("pre_linear",) if model.config.gated_mlp else ()))
    base = base_run(model, tokens, [*names, *mlps])
    with torch.inference_mode():
        own = writes_of(model, tokens).writes  # as the other run's, so that equal texts write equal values bit for bit
        if own.shape != other.shape:
            raise NanoscopeError(f"the other run's writes have the shape {list(other.shape)}, not {list(own.shape)}")
        change = _Change(model, base, other.to(own) - own)
    return [change.cell(graph, edge) for edge in (graph.edges if edges is None else edges)], base


@dataclass(frozen=True)
class _Change:
    """The differences of all writes between the other run and the base run, `[source, example, pos, d_model]`."""

    model: GPT
    base: Run
    difference: Tensor

    def cell(self, graph: Graph, edge: Edge) -> Cell:
        """The edge from the other run."""
        source, _ = graph.index(edge)
        differs = self.difference[source].ne(0).any(-1).cpu().numpy()
        sites = _sites(self.model, edge.read)
        return Cell(sites, partial(self._edits, source, sites), differs, self._bytes(sites))

    def _bytes(self, sites: Sequence[Site]) -> int:
        return sum(self.base.cache[site].nbytes for site in sites)

    def _edits(self, source: int, sites: Sequence[Site]) -> list[Edit]:
        change, cache = self.difference[source], self.base.cache
        differs = change.ne(0).any(-1, keepdim=True)  # elsewhere the base run's own values, without another rounding
        with torch.inference_mode():
            return [Edit(site, torch.where(differs, self._seen(site, change), cache[site])) for site in sites]

    def _seen(self, site: Site, change: Float[Tensor, "example pos d_model"]) -> Tensor:
        """The reader's activation when it sees the stream with this change."""
        cache, layer = self.base.cache, site.layer
        if layer is None:
            stream, ln_f = cache["resid_post", self.model.config.n_layer - 1] + change, self.model.ln_f
            return stream if ln_f is None else arithmetic.norm(stream, ln_f)
        block = self.model.blocks[layer]
        if site.head is None:
            assert block.mlp is not None
            assert block.ln_2 is not None
            read = arithmetic.norm_before(cache[mlp_reads(self.model.config), layer] + change, block.ln_2)
            return (arithmetic.mlp_pre if site.name == "pre" else arithmetic.mlp_pre_linear)(read, block.mlp)
        read = arithmetic.norm_before(cache["resid_pre", layer] + change, block.ln_1)
        positions = torch.arange(read.shape[1], device=read.device)
        return arithmetic.qkv_of_head(read, block.attn, positions, "qkv".index(site.name), site.head)


def _sites(model: GPT, read: str) -> tuple[Site, ...]:
    """The activations that a read makes: one query, key or value; the neurons; or the unembedding's input."""
    if read == LOGITS:
        return (Site("ln_final"),)
    if read.startswith("MLP"):
        names = ("pre", "pre_linear") if model.config.gated_mlp else ("pre",)
        return tuple(Site(name, int(read.removeprefix("MLP"))) for name in names)
    head, _, way = read.partition(".")
    layer, number = head.removeprefix("L").split("H")
    return (Site(way, int(layer), head=int(number)),)
