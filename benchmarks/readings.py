"""From one pair of runs to a number: how much faster, what share of the machine's rate, how much memory."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from safetensors.numpy import load_file

from cases import Case


@dataclass(frozen=True)
class Outcome:
    """A worker's answer to one run. `every` says how the cells were thinned out, `rss` what it held after loading."""

    seconds: float
    cell_seconds: Sequence[float]
    values: str
    every: int = 1
    details: Mapping[str, Any] = field(default_factory=dict)
    peak_rss: int | None = None
    rss: int | None = None

    @property
    def beside(self) -> float:
        """Seconds that belong to no cell: the clean run."""
        return self.seconds - sum(self.cell_seconds)


@dataclass(frozen=True)
class Number:
    """One reading of one pair: ours, the peer's, and their ratio."""

    ours: float
    peer: float
    ratio: float


def speedup(case: Case, ours: Outcome, peer: Outcome) -> Number:
    """The peer's seconds for all cells over ours; sampled cells stand for all by their mean."""
    theirs = peer.seconds
    if peer.every > 1:
        theirs = peer.beside + len(case.cells) * statistics.mean(peer.cell_seconds)
    return Number(ours.seconds, theirs, theirs / ours.seconds)


def speedup_where_it_matters(case: Case, ours: Outcome, peer: Outcome) -> Number:
    """The same with the peer's seconds counted only on the cells that can have an effect."""
    run = case.cells[:: peer.every]
    took = [seconds for cell, seconds in zip(run, peer.cell_seconds, strict=True) if not case.trivial(cell)]
    matter = sum(not case.trivial(cell) for cell in case.cells)
    theirs = peer.beside + matter * statistics.mean(took)
    return Number(ours.seconds, theirs, theirs / ours.seconds)


def matmul_share(case: Case, ours: Outcome, peer: Outcome) -> Number:
    """Needed operations per second of ours (the replays and the two runs they stand on), over the machine's own rate."""
    needed = ours.details["needed_flops"] + 2 * ours.details["plain_flops"] / ours.details["cells"]
    rate, own = needed / ours.seconds, peer.details["flops_per_second"]
    return Number(rate, own, rate / own)


def step_operations(case: Case) -> int:
    """Products of a training step, forward and twice as many backward: weights, and causal scores and mixtures in full."""
    width, layers = case.shape.n_embd, case.shape.n_layer
    by_token = layers * (12 * width**2 + 2 * case.length * width) + width * case.shape.vocab_size
    return 3 * 2 * by_token * case.batch * case.length


def training_share(case: Case, ours: Outcome, peer: Outcome) -> Number:
    """Operations of a training step per second of it, over the machine's own rate in the same arithmetic."""
    rate = step_operations(case) / statistics.median(ours.cell_seconds)
    own = peer.details["flops_per_second"]
    return Number(rate, own, rate / own)


def slowdown(case: Case, ours: Outcome, peer: Outcome) -> Number:
    """Seconds of one forward or step of ours over the peer's, each the median of several in a row."""
    mine, theirs = statistics.median(ours.cell_seconds), statistics.median(peer.cell_seconds)
    return Number(mine, theirs, mine / theirs)


def memory(case: Case, ours: Outcome, peer: Outcome) -> Number:
    """The most memory that ours held, above what it held after loading, over the budget."""
    assert ours.peak_rss is not None, "this system does not say how much memory a process held"
    assert ours.rss is not None, "this system does not say how much memory a process holds"
    assert case.budget is not None, "a reading of memory needs a budget"
    used = ours.peak_rss - ours.rss
    return Number(used, case.budget, used / case.budget)


def largest_difference(ours: Outcome, peer: Outcome) -> tuple[float | None, float | None]:
    """The largest absolute difference of two runs' values on the peer's cells, and the largest value; None without."""
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
