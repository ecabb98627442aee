"""Readings of one pair of runs: speedup, share of the machine's rate, memory."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from safetensors.numpy import load_file

from cases import Case


@dataclass(frozen=True)
class Outcome:
    """A worker's result of one run over every `every`-th cell. `rss`: bytes of memory held after loading."""

    seconds: float
    cell_seconds: Sequence[float]
    values: str
    every: int = 1
    details: Mapping[str, Any] = field(default_factory=dict)
    peak_rss: int | None = None
    rss: int | None = None

    @property
    def outside_cells(self) -> float:
        """Seconds spent outside cells: the clean run."""
        return self.seconds - sum(self.cell_seconds)


@dataclass(frozen=True)
class Number:
    """One reading of one pair: ours, the peer's, and their ratio."""

    ours: float
    peer: float
    ratio: float


def speedup(case: Case, ours: Outcome, peer: Outcome) -> Number:
    """The peer's seconds for all cells over ours; a sampled peer is extrapolated by its mean per cell."""
    theirs = peer.seconds
    if peer.every > 1:
        theirs = peer.outside_cells + len(case.cells) * statistics.mean(peer.cell_seconds)
    return Number(ours.seconds, theirs, theirs / ours.seconds)


def speedup_where_it_matters(case: Case, ours: Outcome, peer: Outcome) -> Number:
    """The same, counting the peer's seconds only on cells that can have an effect."""
    run = case.cells[:: peer.every]
    took = [seconds for cell, seconds in zip(run, peer.cell_seconds, strict=True) if not case.trivial(cell)]
    matter = sum(not case.trivial(cell) for cell in case.cells)
    theirs = peer.outside_cells + matter * statistics.mean(took)
    return Number(ours.seconds, theirs, theirs / ours.seconds)


def matmul_share(case: Case, ours: Outcome, peer: Outcome) -> Number:
    """Our needed FLOP per second (replays and their two base runs), over the machine's matmul rate."""
    needed = ours.details["needed_flops"] + 2 * ours.details["plain_flops"] / ours.details["cells"]
    rate, own = needed / ours.seconds, peer.details["flops_per_second"]
    return Number(rate, own, rate / own)


def step_operations(case: Case) -> int:
    """FLOP of a training step, its backward pass counted twice: weights, and attention without using its causal mask."""
    width, layers = case.shape.n_embd, case.shape.n_layer
    by_token = layers * (12 * width**2 + 2 * case.length * width) + width * case.shape.vocab_size
    return 3 * 2 * by_token * case.batch * case.length


def training_share(case: Case, ours: Outcome, peer: Outcome) -> Number:
    """FLOP per second of our training step, over the machine's matmul rate in the same precision."""
    rate = step_operations(case) / statistics.median(ours.cell_seconds)
    own = peer.details["flops_per_second"]
    return Number(rate, own, rate / own)


def slowdown(case: Case, ours: Outcome, peer: Outcome) -> Number:
    """Seconds of one forward pass or step of ours over the peer's, each the median of several in a row."""
    mine, theirs = statistics.median(ours.cell_seconds), statistics.median(peer.cell_seconds)
    return Number(mine, theirs, mine / theirs)


def memory(case: Case, ours: Outcome, peer: Outcome) -> Number:
    """Our peak memory above that held after loading, over the budget."""
    assert ours.peak_rss is not None, "this system does not report a process's peak memory"
    assert ours.rss is not None, "this system does not report a process's memory"
    assert case.budget is not None, "a memory reading needs a budget"
    used = ours.peak_rss - ours.rss
    return Number(used, case.budget, used / case.budget)


def largest_difference(ours: Outcome, peer: Outcome) -> tuple[float | None, float | None]:
    """The largest absolute difference of values on the peer's cells, and the largest value; None without values."""
    mine, theirs = (load_file(one.values)["values"] for one in (ours, peer))
    if not mine.size or not theirs.size:
        return None, None
    return float(abs(mine[:: peer.every] - theirs).max()), float(abs(theirs).max())


READINGS: dict[str, Callable[[Case, Outcome, Outcome], Number]] = {
    "speedup": speedup,
    "speedup_where_it_matters": speedup_where_it_matters,
    "matmul_share": matmul_share,
    "training_share": training_share,
    "step": slowdown,
    "slowdown": slowdown,
    "memory": memory,
}
UNITS = {
    "speedup": "s",
    "speedup_where_it_matters": "s",
    "matmul_share": "FLOP/s",
    "training_share": "FLOP/s",
    "step": "s",
    "slowdown": "s",
    "memory": "bytes",
}
