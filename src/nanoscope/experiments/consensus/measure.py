"""The numbers of `consensus`: the circuits of several trainings, with the heads of each matched to those of the others by role.

A head's role is its profile of attention on repeated sequences. Heads are matched within their layers, so that a renamed edge
is an edge again. Baselines: heads by number, and by random assignment within layers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nanoscope.analysis.attention import matching
from nanoscope.analysis.circuits.circuit import Circuit
from nanoscope.analysis.circuits.search import top
from nanoscope.analysis.circuits.stability import matched
from nanoscope.errors import NanoscopeError
from nanoscope.evidence.result import Result
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.circuits.stored import exact, main_task, mean_shares, size
from nanoscope.experiments.experiment import Group, Sweeps
from nanoscope.interventions.edges.graph import Graph
from nanoscope.model.names import head_name
from nanoscope.seeds import seed_for

FEWEST = 2
RANDOM = 50
ASSIGNMENTS = ("by role", "by number", "at random")
FOLLOWED = 6
"""Edges that are followed through the trainings."""


@dataclass(frozen=True)
class Params:
    """No settings: all circuits are compared."""


def measure(group: Group, params: Params) -> Sweeps:
    """Overlaps of the circuits of every two trainings, how many trainings have each edge, and when edges formed.

    NanoscopeError for fewer than two trainings, and for trainings that were studied on different tasks.
    """
    results = sorted(group.of("circuits"), key=lambda result: result.subject.label)
    if len(results) < FEWEST:
        raise NanoscopeError(f"{group.label}: consensus takes at least {FEWEST} trainings, not {len(results)}")
    tasks = {main_task(result.sweeps) for result in results}
    if len(tasks) > 1:
        raise NanoscopeError(f"{group.label}: their circuits are of different tasks: {', '.join(sorted(tasks))}")
    names = tuple(result.subject.label for result in results)
    circuits = same_size(results)
    overlaps = np.array([[_overlaps(results, circuits, a, b) for b in range(len(names))] for a in range(len(names))])
    renamed = [matched(circuit, by_role(result, results[0])) for circuit, result in zip(circuits, results, strict=True)]
    edges = tuple(map(str, circuits[0].graph.edges))
    shares = np.array([_shares(result, by_role(result, results[0])) for result in results])
    return {
        "overlaps": Sweep(
            overlaps, ("training", "other", "assignment"), "share",
            {"training": names, "other": names, "assignment": ASSIGNMENTS},
        ),
        "has": Sweep(
            np.array([one.on.T[one.graph.exists.T] for one in renamed]), ("training", "edge"), "whether",
            {"training": names, "edge": edges},
        ),
        "shares": Sweep(shares, ("training", "edge"), "share", {"training": names, "edge": edges}),
        "size": Sweep(np.array([len(one) for one in circuits]), ("training",), "edges", {"training": names}),
        **_formed(results, shares.mean(0), edges),
    }  # fmt: skip


def same_size(results: Sequence[Result]) -> list[Circuit]:
    """Each training's best edges on the main task: as many as the circuits have in the middle."""
    task = main_task(results[0].sweeps)
    edges = int(np.median([size(result.sweeps, task) for result in results]))
    return [top(exact(result.sweeps, task), edges) for result in results]


def by_role(one: Result, other: Result) -> dict[str, str]:
    """What each head of one training is called in another: the head of its layer with the most similar role, one to one."""
    profiles = matching.profiles(np.stack([result["head_scores"].values for result in (one, other)]))
    layers, heads = one["head_scores"].values.shape[1:]
    names = {}
    for layer in range(layers):
        rows = slice(layer * heads, (layer + 1) * heads)
        partners = matching.assignment(matching.similarity(profiles[0][rows], profiles[1][rows]))
        names |= {head_name(layer, head): head_name(layer, int(partner)) for head, partner in enumerate(partners)}
    return names


def _overlaps(results: Sequence[Result], circuits: Sequence[Circuit], a: int, b: int) -> list[float]:
    """The Jaccard index of two trainings' circuits under each assignment of heads."""
    drawn = [matched(circuits[a], _at_random(results[a], a, b, draw)).overlap(circuits[b]) for draw in range(RANDOM)]
    return [
        matched(circuits[a], by_role(results[a], results[b])).overlap(circuits[b]),
        circuits[a].overlap(circuits[b]),
        float(np.mean(drawn)),
    ]


def _at_random(result: Result, *labels: int) -> dict[str, str]:
    rng = np.random.default_rng(seed_for("heads at random", *labels))
    layers, heads = result["head_scores"].values.shape[1:]
    return {
        head_name(layer, head): head_name(layer, int(other))
        for layer in range(layers)
        for head, other in enumerate(rng.permutation(heads))
    }


def _shares(result: Result, names: Mapping[str, str]) -> list[float]:
    """Every edge's share of the whole change, in the graph's order, under the names of the first training's heads."""
    shares = mean_shares(result.sweeps, main_task(result.sweeps))
    graph = Graph.named(shares)
    renamed = {str(matched(Circuit.of(graph, [edge]), names).edges[0]): share for edge, share in shares.items()}
    return [renamed[str(edge)] for edge in graph.edges]


def _formed(results: Sequence[Result], shares: np.ndarray, edges: tuple[str, ...]) -> Sweeps:
    """The behaviour, and the effect of the edges that are strongest on average, at each checkpoint; nothing without them."""
    if any("training" not in result.sweeps for result in results):
        return {}
    steps = results[0]["training"].labels("step")
    if any(result["training"].labels("step") != steps for result in results):
        return {}
    followed = [edges[at] for at in np.argsort(-shares, kind="stable")[:FOLLOWED]]
    values = np.array([[_effect(result, by_role(results[0], result), edge) for edge in followed] for result in results])
    gaps = np.array([-np.diff(result["training_ends"].values.mean(-1), axis=1)[:, 0] for result in results])
    names = tuple(result.subject.label for result in results)
    coords = {"training": names, "step": steps}
    return {
        "formed": Sweep(values, ("training", "edge", "step"), "logits", {**coords, "edge": tuple(followed)}),
        "behaviour": Sweep(gaps, ("training", "step"), "logits", coords),
    }


def _effect(result: Result, names: Mapping[str, str], edge: str) -> np.ndarray:
    """The mean effect of an edge over the training, under its name there; NaN if it is none of that training's circuit."""
    graph = Graph.named(mean_shares(result.sweeps, main_task(result.sweeps)))
    here = str(matched(Circuit.of(graph, [edge]), names).edges[0])
    sweep = result["training"]
    if here not in sweep.labels("edge"):
        return np.full(len(sweep.labels("step")), np.nan)
    return sweep.sel(edge=here).values.mean(-1)
