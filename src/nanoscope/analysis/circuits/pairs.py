"""Pairs of heads and MLPs: what both together are worth beyond the sum of each alone, exactly, for every pair.

    effect(S)         = metric(clean run with the nodes S off) - metric(clean run)
    interaction(a, b) = effect(a, b) - effect(a) - effect(b)

A node is off when its output is that of the corrupt run, or the mean output over all corrupt texts at that position. Shares are
of the whole effect (corrupt run - clean run). With a margin m, and intervals over examples that have to lie wholly beyond it:

    independent   |interaction| < m
    backup        interaction > m, and both cost more than m beyond the larger alone: each does the other's work (OR)
    chain         interaction < -m, and both cost what the larger costs alone, to m: both are needed (AND)
    other         |interaction| > m, but neither: they overlap in part, or one of them works against the behaviour
    cannot tell   the intervals lie on both sides of a bound, or there are fewer than five examples

Intervals are of each pair; they are not corrected for the number of pairs.

Source: Wang et al. 2022 for backup heads; McGrath et al. 2023 ("the Hydra effect") for self-repair.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from nanoscope.analysis.circuits.scores import measured, whole_runs
from nanoscope.errors import NanoscopeError
from nanoscope.interventions.edits import Edit, mean, patch
from nanoscope.interventions.replay import Progress, replay
from nanoscope.interventions.run import activations
from nanoscope.model.gpt import GPT
from nanoscope.model.names import component, head_name
from nanoscope.statistics.intervals import percentile_interval, resampled_means
from nanoscope.tasks.metrics import Metric, logit_diff
from nanoscope.tasks.task import Task

Off = Literal["corrupt", "mean"]
Reading = Literal["independent", "backup", "chain", "other", "cannot tell"]

MARGIN = 0.1
"""A convention: two nodes whose interaction is less than a tenth of the behaviour do not get a name for it."""
FEWEST = 5
"""Resampling fewer examples than these gives intervals that are far too narrow."""


@dataclass(frozen=True, eq=False)
class PairEffects:
    """What it changes to switch two nodes off together, in the metric's units; on the diagonal, one node alone."""

    nodes: tuple[str, ...]
    off: Off
    values: Float[np.ndarray, "node node example"]
    clean: Float[np.ndarray, "example"]
    """The metric of the clean run, and of the corrupt run."""
    corrupt: Float[np.ndarray, "example"]

    @property
    def alone(self) -> Float[np.ndarray, "node example"]:
        """The effect of each node alone."""
        return np.einsum("aae->ae", self.values)

    @property
    def interaction(self) -> Float[np.ndarray, "node node example"]:
        """The effect of both less those of each alone; 0 on the diagonal."""
        pairs = ~np.eye(len(self.nodes), dtype=bool)[..., None]
        return (self.values - self.alone[:, None] - self.alone[None]) * pairs

    def __repr__(self) -> str:
        size = f"{len(self.nodes)} nodes x {len(self.clean)} examples"
        return f"PairEffects({size}, off by {self.off}; largest {np.abs(self.interaction.mean(-1)).max():.3g})"


@dataclass(frozen=True)
class Pair:
    """Two nodes, as shares of the whole effect: each alone, both together, the interaction, its 95 % interval, and the
    reading."""

    nodes: tuple[str, str]
    alone: tuple[float, float]
    both: float
    interaction: float
    interval: tuple[float, float]
    reading: Reading


def pair_effects(
    model: GPT,
    task: Task,
    nodes: Sequence[str] | None = None,
    off: Off = "corrupt",
    metric: Metric = logit_diff,
    *,
    budget: int | None = None,
    progress: Progress = lambda done, total: None,
) -> PairEffects:
    """Switch off every pair of nodes, and each alone, by the replay engine: all heads, or the nodes named (`L0H3`, `MLP1`).

    Raises what `replay` does.
    """
    names = _heads(model) if nodes is None else tuple(nodes)
    edits = _edits(model, task, names, off)
    first, second = np.triu_indices(len(names))
    cells = [[edits[n] for n in sorted({a, b})] for a, b in zip(first, second, strict=True)]
    found = replay(model, task.clean, cells, task.positions, measured(task, metric), budget=budget, progress=progress)
    values = np.zeros((len(names), len(names), len(task)))
    values[first, second] = values[second, first] = (found.values - found.base).numpy()
    return PairEffects(names, off, values, *whole_runs(model, task, metric))


def readings(found: PairEffects, margin: float = MARGIN) -> tuple[Pair, ...]:
    """Every pair, the largest interaction first. NanoscopeError if the metric is the same in the clean and the corrupt run."""
    if (found.corrupt - found.clean).mean() == 0:
        raise NanoscopeError("the metric is the same in the clean and the corrupt run; choose texts that differ in it")
    return tuple(sorted(_pairs(found, margin), key=lambda pair: -abs(pair.interaction)))


def _heads(model: GPT) -> tuple[str, ...]:
    config = model.config
    return tuple(head_name(layer, head) for layer in range(config.n_layer) for head in range(config.n_head))


def _edits(model: GPT, task: Task, names: Sequence[str], off: Off) -> list[Edit]:
    sites = [component(f"L{name[3:]}.mlp" if name.startswith("MLP") else name) for name in names]
    cache = activations(model, task.corrupt, keep=sorted({site.name for site in sites}))
    return [patch(site, cache) if off == "corrupt" else mean(site, cache) for site in sites]


def _pairs(found: PairEffects, margin: float) -> Iterator[Pair]:
    change = found.corrupt - found.clean
    whole, drawn = change.mean(), _resampled(change)
    alone, alone_drawn = found.alone.mean(-1) / whole, _resampled(found.alone.T) / drawn[:, None]
    few = len(change) < FEWEST
    for a, name in enumerate(found.nodes):
        together, both_drawn = found.values[a].mean(-1) / whole, _resampled(found.values[a].T) / drawn[:, None]
        for b in range(a + 1, len(found.nodes)):
            larger = np.maximum(alone_drawn[:, [a, b]].max(-1), 0)
            extra = percentile_interval(both_drawn[:, b] - alone_drawn[:, a] - alone_drawn[:, b])
            beyond = percentile_interval(both_drawn[:, b] - larger)
            yield Pair(
                (name, found.nodes[b]),
                (float(alone[a]), float(alone[b])),
                float(together[b]),
                float(together[b] - alone[a] - alone[b]),
                extra,
                "cannot tell" if few else _reading(extra, beyond, margin),
            )


def _resampled(values: Float[np.ndarray, "example *rest"]) -> Float[np.ndarray, "resample *rest"]:
    return resampled_means(values, "pairs")  # one label, so that all draw the same examples


def _reading(extra: tuple[float, float], beyond: tuple[float, float], margin: float) -> Reading:
    """The reading of intervals of the interaction, and of what both cost beyond the larger alone (or beyond nothing)."""
    if -margin < extra[0] and extra[1] < margin:
        return "independent"
    if extra[0] > margin:
        return "backup" if beyond[0] > margin else "other" if beyond[1] < margin else "cannot tell"
    if extra[1] < -margin:
        inside = -margin < beyond[0] and beyond[1] < margin
        return "chain" if inside else "other" if beyond[0] > margin or beyond[1] < -margin else "cannot tell"
    return "cannot tell"
