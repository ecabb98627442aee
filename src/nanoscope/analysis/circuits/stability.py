"""Which edges to believe: those that come back, in other examples, by other methods, in other trainings.

    inclusion    how often each edge is among the n best when the examples are drawn anew with replacement
    overlap      the Jaccard index of two circuits: edges in both over edges in either
    matched      a circuit under other names of the heads, so that circuits of two trainings compare head by role, not by number
    dissociation what each task loses without each task's circuit: large on the diagonal and small off it, if circuits are the
                 tasks' own (double dissociation; Shallice 1988)

Resamplings use stored per-example scores: nothing is run again. Source: Meloux et al. 2025 for how little circuits agree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from nanoscope.analysis.circuits.circuit import Circuit
from nanoscope.analysis.circuits.faithfulness import Ablation, faithfulness
from nanoscope.analysis.circuits.scores import EdgeScores
from nanoscope.analysis.circuits.search import Ranking, top
from nanoscope.interventions.edges.graph import Edge
from nanoscope.model.gpt import GPT
from nanoscope.seeds import seed_for
from nanoscope.tasks.metrics import Metric, logit_diff
from nanoscope.tasks.task import Task

RESAMPLINGS = 100


def resampled(
    scores: EdgeScores, edges: int, ranking: Ranking = "absolute", draws: int = RESAMPLINGS, *labels: object
) -> list[Circuit]:
    """The circuit of the best edges in each of `draws` resamplings of the examples, whose random stream the labels name.

    Raises what `top` does."""
    rng, count = np.random.default_rng(seed_for("circuits", *labels)), len(scores.clean)
    return [top(scores[rng.integers(0, count, count)], edges, ranking) for _ in range(draws)]


def inclusion(circuits: Sequence[Circuit]) -> Float[np.ndarray, "source read"]:
    """The share of the circuits that have each edge."""
    return np.mean([circuit.on for circuit in circuits], axis=0)


def overlaps(circuits: Sequence[Circuit]) -> Float[np.ndarray, "circuit other"]:
    """The Jaccard index of every two circuits."""
    return np.array([[one.overlap(other) for other in circuits] for one in circuits])


def agreement(circuits: Sequence[Circuit]) -> float:
    """The mean Jaccard index of different circuits."""
    matrix = overlaps(circuits)
    return float(matrix[~np.eye(len(matrix), dtype=bool)].mean())


def matched(circuit: Circuit, names: Mapping[str, str]) -> Circuit:
    """The circuit with its heads renamed, within their layers: `names["L1H3"]` is what L1H3 is called in the other training.

    NanoscopeError if a new name makes an edge that there is not.
    """
    renamed = []
    for edge in circuit.edges:
        reader, dot, way = edge.read.partition(".")
        renamed.append(Edge(names.get(edge.source, edge.source), names.get(reader, reader) + dot + way))
    return Circuit.of(circuit.graph, renamed)


def dissociation(
    model: GPT,
    tasks: Mapping[str, Task],
    circuits: Mapping[str, Circuit],
    metric: Metric = logit_diff,
    ablation: Ablation = "resample",
) -> Float[np.ndarray, "circuit task"]:
    """What each task loses when a circuit's edges are ablated and all others stay, as a share of what all edges are worth."""
    lost = [
        1 - faithfulness(model, task, [~c for c in circuits.values()], metric, ablation).share
        for task in tasks.values()
    ]
    return np.stack(lost, axis=1)
