"""The claims of induction: their arithmetic on planted numbers, and their page on published ones."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nanoscope.evidence.claim import Sweeps, judged
from nanoscope.evidence.result import Result, load_results
from nanoscope.evidence.stored_study import Study
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.induction import judge, literature, page
from nanoscope.experiments.induction.claims import CLAIMS

PUBLISHED = Path(__file__).parents[2] / "results" / "results"
RUNS = {"run": ("clean", "corrupt")}


@pytest.fixture(scope="module")
def published() -> dict[str, Result]:
    """The published results of which every array is there, by what kind of model they are of."""
    results = [result for result in load_results(PUBLISHED) if result.experiment == "induction"]
    whole = {r.subject.role: r for r in results if not r.provenance.get("left_out")}
    if not {"model", "control", "planted"} <= set(whole):
        pytest.skip("no study is published in results/ yet")
    return whole


@pytest.mark.parametrize("role", ["model", "control", "planted"])
def test_todays_claims_find_what_is_published(role: str, published: dict[str, Result]) -> None:
    """The same values, intervals, nulls and verdicts, to rounding."""
    result = published[role]
    for found in judged(CLAIMS, result.sweeps):
        stored, today = result.finding(found.id).evidence, found.evidence
        numbers = [(e.value, *e.interval, e.n, e.null) for e in (today, stored)]
        np.testing.assert_allclose(numbers[0], numbers[1], rtol=1e-12, err_msg=found.id)
        assert found.verdict == result.finding(found.id).verdict


def test_the_literature_is_compared_alike_by_stored_and_by_todays_facts(published: dict[str, Result]) -> None:
    """Facts of published results were text once: what a page reads of them is the same number or name."""
    results = tuple(published.values())
    today = tuple(replace(result, findings=judged(CLAIMS, result.sweeps)) for result in results)
    stored, new = Study(None, results), Study(None, today)
    assert literature.comparison(new) == literature.comparison(stored)
    assert page.values(new, results[0]) == page.values(stored, results[0])


def _behaviour(clean: float, corrupt: float) -> Sweep:
    """A log-probability and an accuracy of as much, the same in each of twelve sequences."""
    values = np.array([[[clean] * 12, [corrupt] * 12]] * 2)
    return Sweep(values, ("measure", "run", "example"), "share; nats", {"measure": ("accuracy", "log_prob"), **RUNS})


def _planted() -> Sweeps:
    """Two layers of two heads: L1H0 is an induction head, at 0.6 and 0.5 by block length, and L0H1 feeds it."""
    scores = np.zeros((2, 2, 2, 2, 5))
    scores[:, 0, 1, 0] = np.array([0.6, 0.5])[:, None]
    scores[:, 1, 0, 1] = 0.8
    measured = Sweep(scores, ("length", "score", "layer", "head", "example"), "share above uniform",
                     {"length": (5, 7), "score": ("induction", "previous")})  # fmt: skip
    sets = np.array([[3.6, 2.0, 4.0], [2.2, 2.4, 2.0]])  # clean into corrupt; corrupt into clean; of 4 and 2 logits
    losses = np.array([[1.0, 3.0], [2.5, 3.0], [2.0, 3.0], [1.25, 3.0], [1.75, 3.0]])  # [set, run]
    ablated = ("set", "run", "example")
    return {
        "behaviour": _behaviour(-1.0, -2.0),
        "behaviour_shuffled": _behaviour(-1.0, -1.5),
        "behaviour_places": _behaviour(-0.5, -0.75),
        "random_gain": Sweep(np.zeros((3, 2)), ("seed", "measure"), "nats", {"measure": ("accuracy", "log_prob")}),
        "random_heads": Sweep(np.full((3, 2), 0.02), ("seed", "score"), "share", {"score": ("induction", "previous")}),
        "scores_select": measured,
        "scores_report": measured,
        "permutation_p": Sweep(np.full((2, 2), 0.01), ("layer", "head"), "p"),
        "patch_plain": Sweep(np.array([[4.0] * 6, [2.0] * 6]), ("run", "example"), "logits", RUNS),
        "patch_sets": Sweep(sets[..., None].repeat(6, -1), ("direction", "set", "example"), "logits"),
        "patch_heads": Sweep(np.full((2, 2, 2, 6), 2.5), ("direction", "layer", "head", "example"), "logits"),
        "patch_informative": Sweep(np.array(1.0), (), "yes or no"),
        "ablation_mean_loss": Sweep(losses[..., None].repeat(4, -1), ablated, "nats", RUNS),
        "ablation_zero_accuracy": Sweep(np.full((5, 2, 4), 0.5), ablated, "share", RUNS),
    }


@pytest.mark.parametrize(
    ("evidence", "value", "null", "facts"),
    [
        (judge.gain_from_order, 0.5, 0.0, {"fresh": 1.0}),
        (judge.loss_of_long_match, 0.25, 0.0, {}),
        (judge.best_induction_head, 0.5, 0.02, {"head": "L1H0", "layer": 1, "count": 1, "lengths": (5, 7)}),
        (judge.best_previous_token_head, 0.8, 0.02, {"head": "L0H1"}),
        (judge.distance_from_uniform, 0.6, 0.02, {}),
        (judge.gain_lost_without_heads, 1.0, 0.5, {"heads": ("L1H0",), "alone": 1.5, "sets": 2}),
        (judge.restored_by_heads, 0.8, 0.25, {"heads": ("L1H0",), "difference": 2.0}),
        (judge.weakest_part_of_the_gate, 0.8, 0.0, {"needed": 0.8, "induction_needed": 0.9, "alone": 0.0, "both": 1.0}),
    ],
)
def test_what_is_planted_is_what_is_found(evidence, value: float, null: float, facts: dict) -> None:
    found = evidence(_planted())
    assert (found.value, *found.interval, found.null) == pytest.approx((value, value, value, null))
    for name, fact in facts.items():
        assert found.facts[name] == (pytest.approx(fact) if isinstance(fact, float) else fact), name


def test_where_there_is_nothing_to_judge_the_reason_is_given() -> None:
    planted = dict(_planted())
    alike = {**planted, "patch_informative": Sweep(np.array(0.0), (), "yes or no")}
    unselected = {**planted, "permutation_p": Sweep(np.full((2, 2), 0.5), ("layer", "head"), "p")}
    few = {**planted, "behaviour_places": Sweep(np.zeros((2, 2, 3)), ("measure", "run", "example"), "nats",
                                                dict(planted["behaviour"].coords))}  # fmt: skip
    lone = {name: replace(sweep, values=sweep.values[:3]) for name, sweep in planted.items() if "ablation" in name}
    for evidence, sweeps, why in (
        (judge.restored_by_heads, alike, "ten standard errors"),
        (judge.weakest_part_of_the_gate, alike, "too little to patch"),
        (judge.weakest_part_of_the_gate, unselected, "no induction head"),
        (judge.loss_of_long_match, few, "fewer than ten"),
        (judge.gain_lost_without_heads, {**planted, **lone}, "no other heads"),
    ):
        found = evidence(sweeps)
        assert all(math.isnan(end) for end in found.interval)
        assert why in found.why
