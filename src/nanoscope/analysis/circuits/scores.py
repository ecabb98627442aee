"""What each edge is worth: how much a metric changes when the edge alone is taken from the corrupt run.

    score(edge) = metric(clean run, this edge from the corrupt run) - metric(clean run)

Measured exactly (`exact_scores`) or estimated (`first_order`, `baselines`); all return `EdgeScores`.

Source: Conmy et al. 2023 for edges taken from another run; Syed et al. 2023 for estimates of all at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from nanoscope.errors import NanoscopeError
from nanoscope.interventions.edges.effects import edge_effects
from nanoscope.interventions.edges.graph import Edge, Graph, graph_of
from nanoscope.interventions.edges.run import writes_of
from nanoscope.interventions.replay import Progress
from nanoscope.model.gpt import GPT
from nanoscope.tasks.metrics import Metric, logit_diff, read
from nanoscope.tasks.task import Task


@dataclass(frozen=True, eq=False)
class EdgeScores:
    """The score of every pair of source and read, in the metric's units; 0 where there is no edge."""

    method: str
    graph: Graph
    values: Float[np.ndarray, "source read example"]
    clean: Float[np.ndarray, "example"]
    """The metric of the clean run, and of the corrupt run."""
    corrupt: Float[np.ndarray, "example"]

    @property
    def change(self) -> float:
        """The mean change of the metric from the clean to the corrupt run."""
        return float((self.corrupt - self.clean).mean())

    @property
    def completeness(self) -> Float[np.ndarray, "example"]:
        """What is missing for the scores to sum to the whole change: 0 only for scores that share it out."""
        return self.corrupt - self.clean - self.values.sum((0, 1))

    @cached_property
    def share(self) -> Float[np.ndarray, "source read"]:
        """The mean score over the mean whole change: positive where the edge does what the task asks for.

        NanoscopeError if the metric is the same in both runs: then no edge is worth anything.
        """
        if self.change == 0:
            raise NanoscopeError(
                "the metric is the same in the clean and the corrupt run; choose texts that differ in it"
            )
        return self.values.mean(-1) / self.change

    def of(self, edge: Edge | str) -> Float[np.ndarray, "example"]:
        """The scores of one edge."""
        return self.values[self.graph.index(Edge.named(edge) if isinstance(edge, str) else edge)]

    def __getitem__(self, examples: slice | np.ndarray) -> EdgeScores:
        """The scores on some of the examples, of which some may be there several times."""
        return EdgeScores(
            self.method, self.graph, self.values[..., examples], self.clean[examples], self.corrupt[examples]
        )

    def __repr__(self) -> str:
        size = f"{len(self.graph)} edges x {len(self.clean)} examples"
        return f"EdgeScores({self.method}: {size}; largest {np.abs(self.values.mean(-1)).max():.3g})"


def exact_scores(
    model: GPT,
    task: Task,
    metric: Metric = logit_diff,
    *,
    edges: Sequence[Edge] | None = None,
    budget: int | None = None,
    progress: Progress = lambda done, total: None,
) -> EdgeScores:
    """Every edge's exact effect by the replay engine (some edges only, if they are given; the others are 0 then).

    `budget` limits the memory of activations, in bytes. Raises what `edge_effects` does.
    """
    graph = graph_of(model.config)
    clean, corrupt = whole_runs(model, task, metric)
    with torch.no_grad():
        theirs = writes_of(model, task.corrupt).writes
    found = edge_effects(
        model, task.clean, theirs, task.positions, measured(task, metric), edges=edges, budget=budget,
        progress=progress,
    )  # fmt: skip
    values = np.zeros((*graph.exists.shape, len(task)))
    for edge, change in zip(edges or graph.edges, (found.values - found.base).numpy(), strict=True):
        values[graph.index(edge)] = change
    return EdgeScores("exact", graph, values, clean, corrupt)


def measured(task: Task, metric: Metric) -> Callable[[Tensor], Tensor]:
    """The metric of a sweep's logits at the reads, where all examples of the task follow one another for each cell."""
    return lambda logits: metric(logits, task.tiled(len(logits) // len(task)))


def whole_runs(model: GPT, task: Task, metric: Metric) -> tuple[np.ndarray, np.ndarray]:
    """The metric of the clean and of the corrupt run, `[example]`."""
    with torch.no_grad():
        clean, corrupt = (metric(read(model(text.to(model.device)), task), task) for text in (task.clean, task.corrupt))
    return clean.double().cpu().numpy(), corrupt.double().cpu().numpy()
