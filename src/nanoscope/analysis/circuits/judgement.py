"""Tests that a circuit can fail: is anything missing, is anything superfluous, would any other do, how wrong can it be?

    completeness   remove K from the circuit and from the model: do both lose the same? |m(C - K) - m(M - K)|, for the edges of
                   each node and for random halves of the circuit (Wang et al. 2023)
    minimality     the loss when one edge of the circuit is removed: m(C) - m(C - edge)
    null           circuits with as many random edges into each layer (Shi et al. 2024)
    worst case     for each example, the setting of all edges outside the circuit, each on or off, that takes the metric
                   furthest from the model's, searched by its gradient (uit de Bos & Garriga-Alonso 2024 do it over texts)

All are shares of m(M) - m(nothing).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from nanoscope.analysis.circuits.circuit import Circuit
from nanoscope.analysis.circuits.faithfulness import Ablation, ablated_writes, faithfulness, run_masks
from nanoscope.interventions.edges.run import Writes, run_edges
from nanoscope.model.gpt import GPT
from nanoscope.seeds import seed_for
from nanoscope.tasks.metrics import Metric, logit_diff
from nanoscope.tasks.task import Task

HALVES = 10
RANDOM_CIRCUITS = 100
ATTACK_STEPS = 10
Progress = Callable[[int, int], None]
Masks = Float[torch.Tensor, "example source read"]


@dataclass(frozen=True, eq=False)
class Completeness:
    """What the circuit and the model have left without each removed set, as shares: `[removed]`."""

    removed: tuple[str, ...]
    circuit: Float[np.ndarray, "removed"]
    model: Float[np.ndarray, "removed"]

    @property
    def gaps(self) -> Float[np.ndarray, "removed"]:
        """How differently they lose: 0 for a complete circuit."""
        return np.abs(self.circuit - self.model)


def completeness(
    model: GPT,
    task: Task,
    circuit: Circuit,
    metric: Metric = logit_diff,
    ablation: Ablation = "resample",
    halves: int = HALVES,
) -> Completeness:
    """Remove the edges of each node of the circuit, and random halves of its edges, from both. Raises as `faithfulness`."""
    sets = {node: circuit.touching(node) for node in circuit.nodes}
    sets |= {f"half {n + 1}": _half(circuit, n) for n in range(halves)}
    from_both = [whole - part for whole in (circuit, Circuit.whole(circuit.graph)) for part in sets.values()]
    left = faithfulness(model, task, from_both, metric, ablation).share
    return Completeness(tuple(sets), *np.split(left, 2))


def _half(circuit: Circuit, number: int) -> Circuit:
    rng = np.random.default_rng(seed_for("half", number))
    return Circuit.of(circuit.graph, rng.permutation(np.array(circuit.edges, dtype=object))[: len(circuit) // 2])


def minimality(
    model: GPT, task: Task, circuit: Circuit, metric: Metric = logit_diff, ablation: Ablation = "resample"
) -> Float[np.ndarray, "edge"]:
    """What the circuit loses without each of its edges, in their order, as shares. Raises what `faithfulness` does."""
    found = faithfulness(model, task, [circuit, *(circuit.without(edge) for edge in circuit.edges)], metric, ablation)
    return found.share[0] - found.share[1:]


def random_circuits(circuit: Circuit, count: int = RANDOM_CIRCUITS) -> list[Circuit]:
    """Circuits with as many edges into each layer and into the logits, drawn at random from all edges."""
    return [_drawn(circuit, np.random.default_rng(seed_for("random circuit", number))) for number in range(count)]


def _drawn(circuit: Circuit, rng: np.random.Generator) -> Circuit:
    graph, on = circuit.graph, np.zeros_like(circuit.on)
    for layer in np.unique(graph.read_layers):
        into = graph.exists & (graph.read_layers == layer)
        places = np.flatnonzero(into)
        on.flat[rng.choice(places, int((circuit.on & into).sum()), replace=False)] = True
    return Circuit(graph, on)


@dataclass(frozen=True, eq=False)
class WorstCase:
    """The metric under the worst setting found for each example, `[example]`, as is and as a share of the mean difference."""

    values: Float[np.ndarray, "example"]
    missing: Float[np.ndarray, "example"]


def worst_case(
    model: GPT,
    task: Task,
    circuit: Circuit,
    metric: Metric = logit_diff,
    ablation: Ablation = "resample",
    steps: int = ATTACK_STEPS,
    progress: Progress = lambda done, total: None,
) -> WorstCase:
    """The circuit's edges stay on; all others are chosen, for each example apart, to take the metric furthest from the model's.

    Starts with all others off. The first step switches the tenth of them that the gradient promises most of, each further one
    half as many; a setting that is no worse is dropped. So the result is a lower bound. Raises what `faithfulness` does.
    """
    plain = faithfulness(model, task, [circuit], metric, ablation)
    sign, other = -float(np.sign(plain.whole)), ablated_writes(model, task, ablation)
    free = torch.from_numpy((~circuit).on).to(model.device)
    best, worst = circuit.mask(model).repeat(len(task), 1, 1), plain.values[0]
    most = max(1, int(free.sum()) // 10)
    for step in range(steps):
        slope = sign * _slope(model, task, best, other, metric)
        moved = _moved(best, torch.where(free, slope * (1 - 2 * best), -torch.inf), max(1, most >> step))
        new = run_masks(model, task, moved, other, metric)
        worse = sign * (new - worst) > 0
        best = torch.where(torch.from_numpy(worse).to(best.device)[:, None, None], moved, best)
        worst = np.where(worse, new, worst)
        progress(step + 1, steps)
    return WorstCase(worst, (plain.model - worst) / plain.whole)


def _slope(model: GPT, task: Task, masks: Masks, other: Writes, metric: Metric) -> Masks:
    """The derivative of each example's metric by its mask."""
    at = masks.clone().requires_grad_()
    with torch.enable_grad():
        value = metric(run_edges(model, task.clean, at[:, None], other).at(task.positions), task)
    return torch.autograd.grad(value.sum(), at)[0]


def _moved(masks: Masks, gain: Masks, most: int) -> Masks:
    """The masks with those edges switched whose gain is largest and above 0, at most so many in each example."""
    found = gain.flatten(1).topk(most, dim=1)
    switch = torch.zeros_like(gain.flatten(1)).scatter_(1, found.indices, (found.values > 0).to(gain)).view_as(gain)
    return torch.where(switch > 0, 1 - masks, masks)
