"""The circuit of a behaviour: found by a method, of the asked size or the smallest that is faithful, and what each edge does.

Whatever method found the edges, their effects are measured: each alone is taken from the corrupt text.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from nanoscope.analysis.circuits.acdc import acdc
from nanoscope.analysis.circuits.circuit import Circuit
from nanoscope.analysis.circuits.cost import forward_seconds
from nanoscope.analysis.circuits.faithfulness import FAITHFUL, Ablation, Faithfulness, faithfulness
from nanoscope.analysis.circuits.learned import learned
from nanoscope.analysis.circuits.methods import ESTIMATES
from nanoscope.analysis.circuits.scores import EdgeScores, exact_scores, whole_runs
from nanoscope.analysis.circuits.search import Ranking, ranked, top
from nanoscope.errors import NanoscopeError
from nanoscope.interventions.edges.graph import Edge, Graph, graph_of
from nanoscope.model.gpt import GPT
from nanoscope.progress import Progress, silent
from nanoscope.tasks.metrics import logit_diff
from nanoscope.tasks.task import Task
from nanoscope.views.patch import LEAST

Method = Literal["exact", "eap", "eap-ig", "mask-ig", "eap-qk", "held-qk", "relp", "gim", "acdc", "learned"]
FALLBACK = 40
"""How many edges are taken where no size is faithful."""
DRAWN = 60
"""The most edges that are measured after an estimate, and drawn."""
THRESHOLD = 0.01
"""Of ACDC, in nats, unless another is given."""


@dataclass(frozen=True)
class Wanted:
    """How to look for a circuit."""

    method: Method = "exact"
    edges: int | None = None
    """None: the smallest number of 1, 2, 4, ... up to half of the model that is faithful."""
    ranking: Ranking = "signed"
    ablation: Ablation = "resample"
    """What edges outside the circuit carry while it is judged."""
    threshold: float = THRESHOLD


@dataclass(frozen=True, eq=False)
class FoundCircuit:
    """A circuit, how faithful it and others on the way to it are, and what it cost."""

    method: str
    circuit: Circuit
    effects: Mapping[Edge, float]
    """The measured effect of its edges, in logits: the change when the edge alone is taken from the corrupt text."""
    scores: EdgeScores | None
    """The scores of all edges by which its own were chosen, exact or estimated, if there are any."""
    clean: float
    corrupt: float
    """The mean logit difference of both texts."""
    sizes: Faithfulness
    at: int
    """Which of `sizes` is the circuit."""
    seconds: float
    forward: float
    """Seconds that it took, and that one plain forward of the clean texts takes."""

    @property
    def is_exact(self) -> bool:
        """Are the scores the effects themselves?"""
        return self.scores is not None and self.scores.method == "exact"

    @property
    def change(self) -> float:
        return self.corrupt - self.clean

    @property
    def faithful(self) -> float:
        return float(self.sizes.share[self.at])

    @property
    def strongest(self) -> tuple[Edge, ...]:
        """The measured edges, the largest effect first."""
        return tuple(sorted(self.effects, key=lambda edge: -abs(self.effects[edge])))

    @property
    def drawn(self) -> dict[Edge, float]:
        """The strongest edges without dead ends, with their effects."""
        alive = [edge for edge in self.strongest if edge in self.circuit.connected]
        return {edge: self.effects[edge] for edge in alive[:DRAWN]}


def require_findable(model: GPT, task: Task, wanted: Wanted) -> None:
    """NanoscopeError for what no method could find a circuit of: a model without edges, more edges than it has, and texts
    between which nothing differs. Ask before the long part."""
    graph = graph_of(model.config)
    if wanted.edges is not None and not 1 <= wanted.edges <= len(graph):
        raise NanoscopeError(f"--edges must be 1 to {len(graph):,}, the edges of this model, not {wanted.edges:,}")
    if torch.equal(task.clean, task.corrupt):
        raise NanoscopeError(
            "both texts are the same up to the two symbols compared, so no edge differs; change something before the "
            "last symbol"
        )
    clean, corrupt = whole_runs(model, task, logit_diff)
    if clean.mean() == corrupt.mean():
        raise NanoscopeError("the logit difference is the same in both texts; choose texts that differ in it")


def find(model: GPT, task: Task, judged: Task, wanted: Wanted, progress: Progress = silent) -> FoundCircuit:
    """The circuit of a task, whose faithfulness is measured on another task of the same kind (or the same, of two texts)."""
    began = time.perf_counter()
    progress(wanted.method, 0, 100)
    scores, circuits = _candidates(model, task, judged, wanted, _share(progress, wanted.method, 0, 80))
    at_sizes = _share(progress, "faithfulness", 80, 90)
    sizes = faithfulness(model, judged, circuits, ablation=wanted.ablation, progress=at_sizes)
    at = _chosen(sizes, wanted, len(circuits[0].graph))
    if at is None and scores is not None:
        fallback = top(scores, min(FALLBACK, len(scores.graph)), wanted.ranking)
        circuits = sorted([*circuits, fallback], key=len)
        sizes, at = faithfulness(model, judged, circuits, ablation=wanted.ablation), circuits.index(fallback)
    assert at is not None
    return _measured(model, task, wanted.method, circuits[at], scores, (sizes, at), (began, progress))


def judge(
    model: GPT,
    task: Task,
    judged: Task,
    circuit: Circuit,
    ablation: Ablation = "resample",
    progress: Progress = silent,
) -> FoundCircuit:
    """A circuit that was found before, on these texts."""
    began = time.perf_counter()
    progress("faithfulness", 0, 100)
    sizes = faithfulness(model, judged, [circuit], ablation=ablation)
    return _measured(model, task, "file", circuit, None, (sizes, 0), (began, progress))


def doubt(found: FoundCircuit) -> str | None:
    """Why shares and faithfulness may mislead, with what to do; None if they mean what they say."""
    by = f"{abs(found.change):.3g} logits"
    if abs(found.change) < LEAST:
        return f"the texts differ by {by} only, less than {LEAST}: shares and faithfulness say little; choose others"
    if found.change > 0:
        return (
            f"the wrong way round: the clean text favours its answer less than the corrupt text does, by {by}; choose other "
            "texts or answers"
        )
    return None


def doubling(graph: Graph) -> list[int]:
    """1, 2, 4, ... below the number of edges."""
    return [2**n for n in range(len(graph).bit_length()) if 2**n < len(graph)]


def _candidates(
    model: GPT, task: Task, judged: Task, wanted: Wanted, progress: Callable[[int, int], None]
) -> tuple[EdgeScores | None, Sequence[Circuit]]:
    """The scores, if the method has any, and circuits of several sizes, the smallest first."""
    if wanted.method == "acdc":
        return None, [acdc(model, task, wanted.threshold, progress=progress).circuit]
    if wanted.method == "learned":
        return _learned(model, task, judged, wanted, progress)
    estimate = ESTIMATES.get(wanted.method)
    scores = exact_scores(model, task, progress=progress) if estimate is None else estimate(model, task, logit_diff)
    sizes = {*doubling(scores.graph), *([] if wanted.edges is None else [wanted.edges])}
    return scores, [top(scores, size, wanted.ranking) for size in sorted(sizes)]


def _learned(
    model: GPT, task: Task, judged: Task, wanted: Wanted, progress: Callable[[int, int], None]
) -> tuple[EdgeScores, Sequence[Circuit]]:
    """The circuit of the asked size; or circuits of more and more edges, up to the first that is faithful or `FALLBACK`."""
    start = ESTIMATES["mask-ig"](model, task, logit_diff)
    sizes = [n for n in doubling(start.graph) if n < FALLBACK] + [min(FALLBACK, len(start.graph))]
    found: list[Circuit] = []
    asked = sizes if wanted.edges is None else [wanted.edges]
    for number, size in enumerate(asked):
        show = lambda done, total, n=number: progress(n * total + done, len(asked) * total)  # noqa: E731
        found.append(learned(model, task, start, size, wanted.ranking, progress=show))
        if faithfulness(model, judged, found[-1:], ablation=wanted.ablation).share[0] >= FAITHFUL:
            break
    return start, found


def _chosen(sizes: Faithfulness, wanted: Wanted, whole: int) -> int | None:
    """The size that was asked for, or the smallest that is faithful, up to half of the model; None if none is. ACDC and learned
    circuits come last in their list."""
    if wanted.method in ("acdc", "learned"):
        return len(sizes.edges) - 1
    if wanted.edges is not None:
        return sizes.edges.tolist().index(wanted.edges)
    enough = [n for n, share in enumerate(sizes.share) if share >= FAITHFUL and 2 * sizes.edges[n] <= whole]
    return enough[0] if enough else None


def _measured(
    model: GPT,
    task: Task,
    method: str,
    circuit: Circuit,
    scores: EdgeScores | None,
    sizes: tuple[Faithfulness, int],
    began: tuple[float, Progress],
) -> FoundCircuit:
    """With the effects of the circuit's edges: all, or after an estimate the best `DRAWN`."""
    edges, exact = circuit.edges, scores
    if scores is not None and scores.method != "exact":
        edges = tuple(edge for edge in ranked(scores, "absolute") if edge in circuit)[:DRAWN]
    if edges and (scores is None or scores.method != "exact"):
        exact = exact_scores(model, task, edges=edges, progress=_share(began[1], "effects", 90, 100))
    effects = {} if exact is None else {edge: float(exact.of(edge).mean()) for edge in edges}
    clean, corrupt = (float(values.mean()) for values in whole_runs(model, task, logit_diff))
    forward = forward_seconds(model, task)
    seconds = time.perf_counter() - began[0]
    return FoundCircuit(method, circuit, effects, scores, clean, corrupt, *sizes, seconds, forward)


def _share(progress: Progress, part: str, begin: int, end: int) -> Callable[[int, int], None]:
    """Progress of one part as percents of the whole."""

    def show(done: int, of: int) -> None:
        progress(part, begin + round((end - begin) * done / max(of, 1)), 100)

    return show
