"""The plan of a sweep: which cells run together, in what order, and at what cost.

Costs are counted from the positions that `changes.propagate` finds, not estimated: two operations per multiply-add in the
linear layers, in attention over the visible keys, and in the unembedding at the changed reads. A cell whose reads cannot
change costs nothing and is not run. The others are ordered by where their change begins, so that suffixes of equal
length are adjacent. A pack is full when another cell would exceed the memory budget or the number of tokens that is of
use.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch

from nanoscope.errors import NanoscopeError
from nanoscope.interventions.replay.cells import Cell, EditedSite, Mask, edited_sites
from nanoscope.interventions.replay.changes import Flow, LayerFlow, edited_positions, propagate, read_mask
from nanoscope.interventions.replay.data_flow import block_steps
from nanoscope.interventions.run import Cache
from nanoscope.model.config import GPTConfig
from nanoscope.model.gpt import GPT

SHARE_OF_FREE_MEMORY = 0.25
USEFUL_TOKENS_ON_CPU = 4096
"""More tokens at once make matrix products no faster and exceed the processor's cache (benchmarks/README.md)."""
USEFUL_LOGITS_ON_CPU = 22 * USEFUL_TOKENS_ON_CPU
"""The same limit for the logits of a pack, in units of d_model."""
STREAMS_IN_ATTENTION, STREAMS_IN_MLP = 10, 6
"""Peak number of activations of width d_model per token in either part; a test measures the total."""
NEURON_COPIES, SCORE_COPIES = 3, 3
"""Copies of edited neurons (before and after the activation function, and the values written), and of materialised scores."""
COPIES_OF_LOGITS = 4
"""The logits, and a metric's log-probabilities and probabilities."""
MASKS_AT_ONCE = 1 << 18
"""Entries of one activation's mask while planning; a model has about 16 masks per layer."""


@dataclass(frozen=True)
class Pack:
    """Cells whose metric is measured together, and their rows `cell * examples + example`, split into parts."""

    cells: np.ndarray
    rows: tuple[np.ndarray, ...]


@dataclass(frozen=True)
class ReplayPlan:
    """The packs, work and memory of a sweep. Printing it explains it."""

    packs: tuple[Pack, ...] = field(repr=False)
    edited: tuple[tuple[EditedSite, ...], ...] = field(repr=False)
    """Where each cell edits, without the edits' tensors."""
    cells: int
    trivial: int
    """Number of cells that cannot change any read; they have exactly the base run's value."""
    examples: int
    needed_flops: float
    plain_flops: float
    """Cost of one full forward per cell."""
    most_tokens: int
    """Largest number of tokens replayed at once."""
    peak_bytes: int
    """Peak memory of activations and the edits' own tensors, without weights and cached runs."""
    budget: int

    @property
    def forwards_saved(self) -> float:
        """The saved work, in full forwards of all examples."""
        return self.cells * (1 - self.needed_flops / self.plain_flops) if self.cells else 0.0

    def explain(self) -> str:
        """The plan in words."""
        share = self.needed_flops / self.plain_flops if self.plain_flops else 0.0
        runs = sum(len(pack.rows) for pack in self.packs)
        return "\n".join(
            [
                f"{self.cells:,} cells of {self.examples} examples, {self.trivial:,} of them with exactly no effect",
                f"{runs:,} replays instead of {self.cells:,} forwards, saving the work of {self.forwards_saved:,.1f} forwards",
                f"{self.needed_flops / 1e9:,.2f} GFLOP needed, {self.plain_flops / 1e9:,.2f} by full forwards ({share:.1%})",
                f"at most {self.peak_bytes / 2**20:,.1f} MiB of activations at once (budget {self.budget / 2**20:,.0f} MiB)",
            ]
        )

    __str__ = explain


def make_plan(model: GPT, base: Cache, cells: Sequence[Cell], positions: np.ndarray, budget: int | None) -> ReplayPlan:
    """Plan the cells on a base run; the metric reads the logits at `positions [example, read]`."""
    examples, length = base["resid_pre", 0].shape[:2]
    budget = default_budget(model) if budget is None else budget
    parts = tuple(edited_sites(cell, base) for cell in cells)
    own = np.array([cell.own_bytes for cell in cells], dtype=np.int64)
    costs = _costs(model.config, parts, read_mask(positions, length))
    token = bytes_per_token(model, length, {site.site.name for cell in parts for site in cell})
    largest = _Row(int(costs.tokens.max(initial=1)), int(own.max(initial=0)))
    sizes = _Sizes.of(model, token, positions.size, budget, largest)
    packs, held = _pack(costs, own, sizes)
    return ReplayPlan(
        packs=packs,
        edited=parts,
        cells=len(cells),
        trivial=len(cells) - sum(len(pack.cells) for pack in packs),
        examples=examples,
        needed_flops=float(costs.flops.sum()),
        plain_flops=float(len(cells) * examples * forward_flops(model.config, length)),
        most_tokens=max((tokens for tokens, _, _ in held), default=0),
        peak_bytes=max((sizes.bytes(*one) for one in held), default=0),
        budget=budget,
    )


def default_budget(model: GPT) -> int:
    """A quarter of the free memory on the model's device, in bytes."""
    if model.device.type == "cuda":
        return int(SHARE_OF_FREE_MEMORY * torch.cuda.mem_get_info(model.device)[0])
    try:
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        free = 4 << 30  # unknown: assume an ordinary laptop
    return int(SHARE_OF_FREE_MEMORY * free)


def bytes_per_token(model: GPT, length: int, edited: set[str]) -> int:
    """Peak memory per token of a pack in bytes, if these activations are edited on texts of `length` tokens."""
    config, neurons = model.config, _neurons(model.config)
    materialised = model.device.type != "cpu" or edited & {"scores", "pattern"}
    scores = SCORE_COPIES * config.n_head * length if materialised else 0
    edited_neurons = NEURON_COPIES * neurons if edited & {"pre", "pre_linear", "post"} else 0
    width = max(config.n_embd, config.d_attention)
    attention, mlp = STREAMS_IN_ATTENTION * width + scores, STREAMS_IN_MLP * config.n_embd + edited_neurons
    return model.wte.weight.element_size() * (max(attention, mlp) + neurons)


def forward_flops(config: GPTConfig, length: int) -> int:
    """Operations of one full forward of one text, with logits at all positions."""
    weights = sum(step.weights(config) for step in block_steps(config))
    layer = 2 * weights * length + 2 * config.d_attention * length * (length + 1)
    return config.n_layer * layer + 2 * config.n_embd * config.vocab_size * length


def _neurons(config: GPTConfig) -> int:
    """Neurons per layer, those of a gated MLP twice; 0 without MLPs."""
    return 0 if config.attention_only else config.d_mlp * (1 + config.gated_mlp)


@dataclass(frozen=True)
class Costs:
    """Per row `[cell, example]`: operations, most tokens at once, and the position and layer where its change begins."""

    flops: np.ndarray
    tokens: np.ndarray
    start: np.ndarray
    entry: np.ndarray


def _costs(config: GPTConfig, cells: Sequence[Sequence[EditedSite]], reads: Mask) -> Costs:
    """Costs of all rows, computed for a few cells at a time."""
    examples, length = reads.shape
    step = max(1, MASKS_AT_ONCE // reads.size)
    found = []
    for first in range(0, len(cells), step):
        chunk = cells[first : first + step]
        start = edited_positions(chunk, examples, length)
        flow = propagate(config, start, np.tile(reads, (len(chunk), 1)))
        found.append([part.reshape(-1, examples) for part in _row_costs(config, flow)])
    empty = [np.zeros((0, examples), dtype=int)] * 4
    return Costs(*(np.concatenate(parts) for parts in zip(*(found or [empty]), strict=True)))


def _row_costs(config: GPTConfig, flow: Flow) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Operations, most tokens, first position and first layer of each row; a row without a changed read costs 0."""
    rows, length = flow.final.shape
    flops, tokens = 2.0 * config.n_embd * config.vocab_size * flow.final.sum(1), flow.final.sum(1)
    anywhere, entry = flow.embedded | flow.final, np.full(rows, config.n_layer)
    steps = [step for step in block_steps(config) if step.weights(config)]
    for number, layer in reversed(list(enumerate(flow.layers))):
        flops += sum(2 * step.weights(config) * layer.computed[step.site].sum(1) for step in steps)
        flops += np.where(layer.absorbed, _through_residual(config, layer), _attention(config, layer))
        anywhere = anywhere | layer.changed["resid_post"] | layer.own
        tokens = np.maximum(tokens, np.maximum(layer.changed["resid_post"].sum(1), layer.own.sum(1)))
        entry = np.where(layer.changed["resid_post"].any(1) | layer.own.any(1), number, entry)
    alive = flow.final.any(1)
    return flops * alive, tokens * alive, np.where(alive, anywhere.argmax(1), length), entry


class _Row(NamedTuple):
    """Largest number of tokens of a row, and of bytes of a cell's own tensors."""

    tokens: int
    own: int


@dataclass(frozen=True)
class _Sizes:
    """Memory per token and of a cell's logits, and the limits of a pack."""

    token: int
    logits: int
    tokens: int
    budget: int
    useful_logits: float

    @staticmethod
    def of(model: GPT, token: int, reads: int, budget: int, largest: _Row) -> _Sizes:
        """Raises NanoscopeError if not even one row fits the budget."""
        item = model.wte.weight.element_size()
        logits = COPIES_OF_LOGITS * reads * model.config.vocab_size * item
        fixed = logits + largest.own
        if budget < token * largest.tokens + fixed:
            need = (token * largest.tokens + fixed) / 2**20
            raise NanoscopeError(
                f"one example of one cell needs {need:.3g} MiB; raise the budget, or pass fewer examples or shorter texts"
            )
        most, on_cpu = (budget - fixed) // token, model.device.type == "cpu"
        useful = max(USEFUL_TOKENS_ON_CPU, largest.tokens) if on_cpu else most
        useful_logits = USEFUL_LOGITS_ON_CPU * item * model.config.n_embd if on_cpu else budget
        return _Sizes(token, logits, min(most, useful), budget, useful_logits)

    def bytes(self, tokens: int, cells: int, own: int) -> int:
        """Memory of a pack: tokens of its largest part, logits of all cells, and the edits' own tensors."""
        return tokens * self.token + cells * self.logits + own

    def hold(self, tokens: int, cells: int, own: int) -> bool:
        """Whether a pack of several cells may have this size."""
        small = tokens <= self.tokens and cells * self.logits <= self.useful_logits
        return small and self.bytes(tokens, cells, own) <= self.budget


def _attention(config: GPTConfig, layer: LayerFlow) -> np.ndarray:
    """Operations for scores and mixing over all visible keys."""
    return 4 * config.d_attention * (layer.queries @ np.arange(1, layer.queries.shape[1] + 1))


def _through_residual(config: GPTConfig, layer: LayerFlow) -> np.ndarray:
    """The same for absorbed rows: keys of the past, and the residual stream instead of own keys and values."""
    queries, past, own = layer.queries.sum(1), layer.own.argmax(1), layer.own.sum(1)
    absorbing = 4 * config.n_embd * config.d_attention
    return queries * (4 * config.d_attention * past + 4 * config.n_embd * config.n_head * own + absorbing)


def _pack(costs: Costs, own: np.ndarray, sizes: _Sizes) -> tuple[tuple[Pack, ...], list[tuple[int, int, int]]]:
    """Pack the cells by the layer and position where their change begins; per pack also `(most tokens, cells, own bytes)`."""
    running = np.flatnonzero(costs.tokens.any(1))
    first = costs.start[running].min(1), costs.entry[running].min(1)
    ordered = running[np.lexsort((running, first[0], first[1]))]
    cuts, tokens, bytes_ = [0], 0, 0
    for n, (size, more) in enumerate(zip(costs.tokens[ordered].sum(1).tolist(), own[ordered].tolist(), strict=True)):
        if n > cuts[-1] and not sizes.hold(tokens + size, n + 1 - cuts[-1], bytes_ + more):
            cuts, tokens, bytes_ = [*cuts, n], 0, 0
        tokens, bytes_ = tokens + size, bytes_ + more
    groups = np.split(ordered, cuts[1:]) if len(ordered) else []
    packs = tuple(_pack_of(group, costs, sizes.tokens) for group in groups)
    sums = ((int(costs.tokens[pack.cells].sum()), int(own[pack.cells].sum())) for pack in packs)
    return packs, [(min(sizes.tokens, t), len(pack.cells), o) for pack, (t, o) in zip(packs, sums, strict=True)]


def _pack_of(chosen: np.ndarray, costs: Costs, cap: int) -> Pack:
    """The rows of some cells, ordered so that equal suffixes are adjacent, in parts of at most `cap` tokens."""
    examples = costs.tokens.shape[1]
    local, example = np.nonzero(costs.tokens[chosen])
    cell = chosen[local]
    order = np.lexsort((example, cell, costs.entry[cell, example], costs.start[cell, example]))
    local, example, cell = local[order], example[order], cell[order]
    ends = np.cumsum(costs.tokens[cell, example])
    parts, begun = [], 0
    for end in _cuts(ends, cap):
        parts.append(local[begun:end] * examples + example[begun:end])
        begun = end
    return Pack(chosen, tuple(parts))


def _cuts(ends: np.ndarray, cap: int) -> list[int]:
    """Where to split rows with cumulative token counts `ends`, so that no part of several rows exceeds `cap`."""
    cuts, before = [], 0
    while not cuts or cuts[-1] < len(ends):
        cuts.append(max(int(np.searchsorted(ends, before + cap, side="right")), (cuts[-1] if cuts else 0) + 1))
        before = int(ends[cuts[-1] - 1])
    return cuts
