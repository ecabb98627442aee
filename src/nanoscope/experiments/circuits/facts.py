"""What the page says of the main circuit beside its claims: is anything missing, which edges to believe, what is read.

Facts have no criterion. Each function gives the numbers from stored sweeps.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nanoscope.analysis.circuits.stability import inclusion, resampled
from nanoscope.experiments.circuits.stored import Sweeps, circuit, exact, first_faithful, labels, main_task
from nanoscope.statistics.intervals import mean_interval

NEARLY_ALWAYS = 0.95


class Missing(NamedTuple):
    """How differently circuit and model lose, as shares of the behaviour, when the same edges are taken from both."""

    mean: float
    most: float
    removed: str
    """The set of edges without which they differ most."""


class Stability(NamedTuple):
    """How alike circuits of resampled examples are."""

    overlap: float
    """The mean Jaccard index with the circuit."""
    always: int
    """Edges of the circuit that are in nearly all of them."""
    edges: int


def kept(sweeps: Sweeps, name: str) -> float:
    """The share of a task that its circuit keeps, on the text on which nothing was chosen."""
    nothing, whole = (sweeps["ends"].sel(task=name, end=end).values.mean() for end in ("nothing", "model"))
    return float((sweeps["circuit"].sel(task=name).values.mean() - nothing) / (whole - nothing))


def suffices(sweeps: Sweeps, name: str, ranking: str) -> float:
    """The smallest share of all edges, of the sizes tried, from which on the best by a ranking keep nine tenths of a task on
    that text."""
    nothing, whole = (sweeps["ends"].sel(task=name, end=end).values.mean() for end in ("nothing", "model"))
    curve = sweeps["curve"].sel(task=name, ranking=ranking)
    sizes = np.array(curve.labels("share"), dtype=float)
    return first_faithful((curve.mean("example").values - nothing) / (whole - nothing), sizes)


def missing(sweeps: Sweeps) -> Missing:
    gaps = np.abs(np.subtract(*sweeps["completeness"].values))
    return Missing(float(gaps.mean()), float(gaps.max()), labels(sweeps["completeness"], "removed")[int(gaps.argmax())])


def stability(sweeps: Sweeps) -> Stability:
    name = main_task(sweeps)
    chosen = circuit(sweeps, name)
    drawn = resampled(exact(sweeps, name), len(chosen), "signed", 100, name)
    always = inclusion(drawn) >= NEARLY_ALWAYS
    overlap = float(np.mean([chosen.overlap(one) for one in drawn]))
    return Stability(overlap, int((always & chosen.on).sum()), len(chosen))


def reach(sweeps: Sweeps) -> dict[int, tuple[float, bool]]:
    """By how many logits one token decides between two continuations, by its distance back, and whether that is beyond 0."""
    names = [name for name in labels(sweeps["metric"], "task") if name.startswith("distance-")]
    gaps = {
        int(name[9:]): -np.diff(sweeps["metric"].sel(task=name, split="report").values, axis=0)[0] for name in names
    }
    return {far: (float(gap.mean()), mean_interval(gap, "distance")[0] > 0) for far, gap in sorted(gaps.items())}
