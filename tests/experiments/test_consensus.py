"""Circuits of several trainings: the same one under other names of the heads is the same; another one is not."""

from dataclasses import replace

import numpy as np
import pytest

from nanoscope.analysis.circuits.circuit import Circuit
from nanoscope.analysis.circuits.stability import matched
from nanoscope.errors import NanoscopeError
from nanoscope.evidence.result import Result
from nanoscope.evidence.subject import StoredSubject
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments import open_experiment
from nanoscope.experiments.consensus.measure import Params
from nanoscope.experiments.experiment import Group
from nanoscope.interventions.edges.graph import graph_of
from nanoscope.model.config import GPTConfig

EXPERIMENT = open_experiment("consensus")
GRAPH = graph_of(GPTConfig(2, 4, 16, 16, 20, attention_only=True))
EDGES = tuple(map(str, GRAPH.edges))
SIZE = 12
STEPS = (0, 10, 100)


def _training(name: str, seed: int, order: list[int] | None = None, task: str = "induction") -> Result:
    """A training whose effects and roles are drawn with a seed, with its heads of every layer in another order."""
    rng = np.random.default_rng(seed)
    shares, roles = np.sort(rng.random(len(EDGES)))[rng.permutation(len(EDGES))], rng.standard_normal((4, 2, 4))
    order = list(range(4)) if order is None else order
    names = {f"L{layer}H{old}": f"L{layer}H{new}" for layer in (0, 1) for new, old in enumerate(order)}
    at = [EDGES.index(str(matched(Circuit.of(GRAPH, [edge]), names).edges[0])) for edge in EDGES]
    effects = np.empty(len(EDGES))
    effects[at] = -shares
    ends = np.stack([np.ones(2), np.zeros(2)])
    best = [EDGES[n] for n in np.argsort(effects)[:SIZE]]
    grown = np.array([[effects[EDGES.index(edge)] * part for edge in best] for part in (0.0, 0.5, 1.0)])
    sweeps = {
        "main": Sweep(np.array([1]), ("task",), "whether", {"task": (task,)}),
        "effects_by_example": Sweep(
            np.repeat(effects[None, :, None], 2, 2),
            ("task", "edge", "example"),
            "logits",
            {"task": (task,), "edge": EDGES},
        ),
        "effects": Sweep(effects[None], ("task", "edge"), "logits", {"task": (task,), "edge": EDGES}),
        "metric": Sweep(
            np.stack([[ends, ends]]),
            ("task", "split", "run", "example"),
            "logits",
            {"task": (task,), "split": ("select", "report"), "run": ("clean", "corrupt")},
        ),
        "size": Sweep(
            np.array([[SIZE, SIZE]]), ("task", "count"), "edges", {"task": (task,), "count": ("asked", "connected")}
        ),
        "head_scores": Sweep(roles[:, :, order], ("score", "layer", "head"), "share"),
        "training": Sweep(
            grown[..., None], ("step", "edge", "example"), "logits", {"step": STEPS, "edge": tuple(best)}
        ),
        "training_ends": Sweep(
            np.stack([ends * part for part in (0, 0.5, 1)]),
            ("step", "run", "example"),
            "logits",
            {"step": STEPS, "run": ("clean", "corrupt")},
        ),
    }
    return Result("circuits", {}, StoredSubject(name), sweeps)


def _group(*results: Result) -> Group:
    return Group("trainings", "control", results)


def test_one_circuit_under_other_names_is_the_same_by_role_and_not_by_number() -> None:
    orders = [[0, 1, 2, 3], [2, 0, 3, 1], [3, 2, 1, 0]]
    sweeps = EXPERIMENT.measure(_group(*(_training(f"seed {n}", 1, order) for n, order in enumerate(orders))), Params())
    role, number, random = np.moveaxis(sweeps["overlaps"].values, -1, 0)
    assert (role == 1).all()
    assert number[0, 1] < 1
    assert random[0, 1] < 0.9
    assert set(sweeps["has"].values.sum(0)) == {0, 3}
    np.testing.assert_allclose(sweeps["shares"].values, np.tile(sweeps["shares"].values[0], (3, 1)))
    (finding,) = EXPERIMENT.judge(sweeps)
    assert finding.verdict == "supported"
    assert finding.evidence.facts["everywhere"] == SIZE


def test_edges_are_followed_through_the_trainings_by_role() -> None:
    sweeps = EXPERIMENT.measure(
        _group(*(_training(f"seed {n}", 1, o) for n, o in enumerate([[0, 1, 2, 3], [1, 2, 3, 0]]))), Params()
    )
    formed = sweeps["formed"].values
    np.testing.assert_allclose(formed[0], formed[1])
    np.testing.assert_allclose(formed[..., 1], formed[..., 2] / 2)
    np.testing.assert_allclose(sweeps["behaviour"].values, [[0, 0.5, 1]] * 2)


def test_unrelated_circuits_share_what_chance_gives() -> None:
    sweeps = EXPERIMENT.measure(_group(*(_training(f"seed {n}", n) for n in range(4))), Params())
    role, _, random = np.moveaxis(sweeps["overlaps"].values, -1, 0)
    off = ~np.eye(4, dtype=bool)
    assert abs(role[off].mean() - random[off].mean()) < 0.1
    (finding,) = EXPERIMENT.judge(sweeps)
    assert finding.verdict == "not supported"


def test_two_trainings_give_no_interval_and_different_tasks_are_refused() -> None:
    pair = EXPERIMENT.measure(_group(_training("a", 1), _training("b", 2)), Params())
    assert EXPERIMENT.judge(pair)[0].verdict == "too little data"
    with pytest.raises(NanoscopeError, match="takes at least 2 trainings, not 1"):
        EXPERIMENT.measure(_group(_training("a", 1)), Params())
    with pytest.raises(NanoscopeError, match="are of different tasks: distance-3, induction"):
        EXPERIMENT.measure(_group(_training("a", 1), _training("b", 1, task="distance-3")), Params())


def test_figures_are_drawn_with_and_without_checkpoints() -> None:
    results = [_training(f"seed {n}", n % 2) for n in range(3)]
    bare = [
        replace(one, sweeps={k: s for k, s in one.sweeps.items() if not k.startswith("training")}) for one in results
    ]
    for group in (results, bare):
        sweeps = EXPERIMENT.measure(_group(*group), Params())
        result = Result("consensus", {}, StoredSubject("trainings"), sweeps, EXPERIMENT.judge(sweeps))
        assert ("consensus_formation" in EXPERIMENT.drawable(result)) == (group is results)
        for draw in EXPERIMENT.drawable(result).values():
            assert draw(result).axes
