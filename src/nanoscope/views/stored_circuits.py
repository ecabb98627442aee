"""The circuits that a study stores, drawn: each task's best edges, with their exact effects and how much of the task they keep.

Effects are those on the text that the edges were chosen on; what the circuit keeps is measured on other text (experiment
`circuits`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nanoscope.errors import NanoscopeError
from nanoscope.evidence.result import Result
from nanoscope.evidence.stored_study import Study
from nanoscope.experiments.circuits.facts import kept
from nanoscope.experiments.circuits.stored import circuit, exact, is_done, labels, size
from nanoscope.views.circuit import DRAWN
from nanoscope.views.circuit_live import Diagram, drawn
from nanoscope.views.circuit_tasks import described

NEEDED = ("size", "clear", "metric", "effects", "ends", "curve")


@dataclass(frozen=True)
class KeptBy:
    """How much of the task the best edges keep, by how many they are."""

    edges: int
    share: float


@dataclass(frozen=True)
class StoredCircuit:
    """The circuit of one task in one stored model."""

    label: str
    result: str
    """The key of the result of the experiment `circuits`."""
    task: str
    asks: str
    edges: int
    connected: int
    """Edges without dead ends."""
    of: int
    """Edges of the whole model."""
    kept: float
    """The share of the task that the circuit keeps, on text on which nothing was chosen."""
    clean: float
    corrupt: float
    """The mean logit difference in both texts."""
    examples: int
    sizes: tuple[KeptBy, ...]
    diagram: Diagram


def stored_tasks(study: Study) -> tuple[tuple[str, str], ...]:
    """The models and tasks of which a circuit is stored: tasks that the model clearly does."""
    found = ((label, study.result(label, "circuits")) for label in study.labels)
    return tuple((label, task) for label, result in found if result is not None for task in _done(result))


def _done(result: Result) -> tuple[str, ...]:
    """The tasks that it clearly does; none of a result whose arrays were left out of a publication."""
    if not set(NEEDED) <= set(result.sweeps):
        return ()
    return tuple(task for task in labels(result["size"], "task") if is_done(result.sweeps, task))


def stored_circuit(study: Study, label: str, task: str) -> StoredCircuit:
    """One stored circuit. NanoscopeError if the study has none of this task in this model."""
    result = study.result(label, "circuits")
    if result is None or task not in _done(result):
        raise NanoscopeError(
            f"the study has no circuit of {task} in {label}; nanoscope circuit CKPT --task {task} finds it"
        )
    sweeps, scores, found = result.sweeps, exact(result.sweeps, task), circuit(result.sweeps, task)
    effects = {edge: float(scores.of(edge).mean()) for edge in found.connected.edges}
    strongest = sorted(effects, key=lambda edge: -abs(effects[edge]))[:DRAWN]
    diagram = drawn(found.graph, {edge: effects[edge] for edge in strongest}, scores.change)
    return StoredCircuit(
        label,
        result.key,
        task,
        described(task),
        size(sweeps, task),
        len(found.connected),
        len(found.graph),
        kept(sweeps, task),
        float(scores.clean.mean()),
        float(scores.corrupt.mean()),
        sweeps["metric"].sel(task=task, split="select", run="clean").values.size,
        _sizes(result, task),
        diagram,
    )


def _sizes(result: Result, task: str) -> tuple[KeptBy, ...]:
    whole = len(result["effects"].labels("edge"))
    nothing, model = (float(np.mean(result["ends"].sel(task=task, end=end).values)) for end in ("nothing", "model"))
    means = result["curve"].sel(task=task, ranking="signed").values.mean(-1)
    counts = [max(1, round(float(share) * whole)) for share in result["curve"].labels("share")]
    by_count = dict(zip(counts, means, strict=True))  # of a small model several shares are the same number of edges
    return tuple(KeptBy(count, (float(mean) - nothing) / (model - nothing)) for count, mean in by_count.items())
