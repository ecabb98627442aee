"""The claims of induction: their arithmetic on planted numbers, and their page on published ones."""

import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nanoscope.analysis.attention import prefix_matching
from nanoscope.analysis.prediction import copying
from nanoscope.evidence.claim import Sweeps, judged
from nanoscope.evidence.result import Result, load_results
from nanoscope.evidence.stored_study import Study
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.induction import judge, literature, page, routes
from nanoscope.experiments.induction.beside import MEASURED, beside_table
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
    """The same values, intervals, nulls and verdicts, to rounding, of what that version measured in today's way."""
    result = published[role]
    for found in judged([claim for claim in CLAIMS if not claim.sound_from], result.sweeps):
        stored, today = result.finding(found.id).evidence, found.evidence
        numbers = [(e.value, *e.interval, e.n, e.null) for e in (today, stored)]
        np.testing.assert_allclose(numbers[0], numbers[1], rtol=1e-12, err_msg=found.id)
        assert found.verdict == result.finding(found.id).verdict


@pytest.mark.parametrize("role", ["model", "control", "planted"])
def test_what_an_older_version_did_not_measure_is_said_and_its_numbers_stand_beside(
    role: str, published: dict[str, Result]
) -> None:
    result = published[role]
    if result.identity["version"] >= 5:
        pytest.skip("published by today's version")
    for found in judged([claim for claim in CLAIMS if claim.sound_from], result.sweeps):
        assert (found.verdict, found.evidence.why) == ("too little data", judge.OLDER)
    beside = beside_table([("it", result)])
    assert ("patching, ms per layer" in beside) == (len(beside.split("\n")) == 2 + len(MEASURED))
    assert not re.search(r"nan|undefined|None", beside)


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


COSTS = (1.0, 1.75, 1.25, 2.0)
"""The loss of each run of `copying.RUNS` at every place."""


def _planted() -> Sweeps:
    """Two layers of two heads: L1H0 is an induction head, at 0.6 and 0.5 by block length, and L0H1 feeds it."""
    scores = np.zeros((2, 2, 2, 2, 5))
    scores[:, 0, 1, 0] = np.array([0.6, 0.5])[:, None]
    scores[:, 1, 0, 1] = 0.8
    measured = Sweep(scores, ("length", "score", "layer", "head", "example"), "share above uniform",
                     {"length": (5, 7), "score": ("induction", "previous")})  # fmt: skip
    sets = np.array([[3.6, 2.0, 4.0], [2.2, 2.4, 2.0]])  # clean into corrupt; corrupt into clean; of 4 and 2 logits
    heads = np.full((2, 2, 2, 6), 2.5)
    heads[1] = np.array([[4.0, 2.4], [2.2, 3.9]])[..., None]
    prefix = np.zeros((2, 5, 2, 2, 120))
    prefix[1, 4, 1, 0] = 0.2
    named = {"baseline": prefix_matching.BASELINES, "match": (1, 2, 3, 4, 5)}
    losses = np.array([[1.0, 3.0], [2.5, 3.0], [2.0, 3.0], [1.25, 3.0], [1.75, 3.0]])  # [set, run]
    ablated = ("set", "run", "example")
    return {
        "behaviour": _behaviour(-1.0, -2.0),
        "behaviour_shuffled": _behaviour(-1.0, -1.5),
        "behaviour_tables": Sweep(np.full((5, 12), 0.1), ("order", "example"), "share"),
        "behaviour_natural": _behaviour(-1.0, -1.2),
        "copy_costs": Sweep(np.array(COSTS)[:, None].repeat(64, 1), ("run", "place"), "nats", {"run": copying.RUNS}),
        "copy_places": Sweep(np.stack([np.arange(64) // 2, np.arange(64) % 8 + 1]), ("part", "place"), "index"),
        "copy_counts": Sweep(np.arange(9), ("match",), "places"),
        "prefix_text": Sweep(prefix, ("baseline", "match", "layer", "head", "window"), "share", named),
        "prefix_text_queries": Sweep(np.ones((2, 5, 120)), ("baseline", "match", "window"), "queries", named),
        "random_gain": Sweep(np.zeros((3, 2)), ("seed", "measure"), "nats", {"measure": ("accuracy", "log_prob")}),
        "random_heads": Sweep(np.full((3, 2), 0.02), ("seed", "score"), "share", {"score": ("induction", "previous")}),
        "scores_select": measured,
        "scores_report": measured,
        "permutation_p": Sweep(np.full((2, 2), 0.01), ("layer", "head"), "p"),
        "patch_plain": Sweep(np.array([[4.0] * 6, [2.0] * 6]), ("run", "example"), "logits", RUNS),
        "patch_sets": Sweep(sets[..., None].repeat(6, -1), ("direction", "set", "example"), "logits"),
        "patch_heads": Sweep(heads, ("direction", "layer", "head", "example"), "logits"),
        "patch_informative": Sweep(np.array(1.0), (), "yes or no"),
        "ablation_mean_loss": Sweep(losses[..., None].repeat(4, -1), ablated, "nats", RUNS),
        "ablation_zero_accuracy": Sweep(np.full((5, 2, 4), 0.5), ablated, "share", RUNS),
    }


@pytest.mark.parametrize(
    ("evidence", "value", "null", "facts"),
    [
        (judge.gain_from_order, 0.5, 0.0, {"fresh": 1.0}),
        (judge.gain_on_text, 0.2, 0.0, {}),
        (
            judge.loss_of_copies,
            0.5,
            0.0,
            {"model": 1.0, "table": 2.0, "copies": 0.75, "others": 0.25, "all": 5 + 6 + 7 + 8},
        ),
        (judge.best_induction_head, 0.5, 0.02, {"head": "L1H0", "layer": 1, "count": 1, "lengths": (5, 7)}),
        (judge.best_previous_token_head, 0.8, 0.02, {"head": "L0H1"}),
        (
            judge.most_attention_to_copies,
            0.6,
            0.02,
            {"head": "L1H0", "where": "copies of 5 random characters", "copies": 0.6},
        ),
        (judge.gain_lost_without_heads, 1.0, 0.5, {"heads": ("L1H0",), "alone": 1.5, "sets": 2}),
        (judge.restored_by_heads, 0.8, 0.25, {"heads": ("L1H0",), "difference": 2.0, "routed": False}),
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
    few = {
        **planted,
        **{name: replace(planted[name], values=planted[name].values[:, :40]) for name in ("copy_costs", "copy_places")},
    }
    lone = {name: replace(sweep, values=sweep.values[:3]) for name, sweep in planted.items() if "ablation" in name}
    for evidence, sweeps, why in (
        (judge.restored_by_heads, alike, "ten standard errors"),
        (judge.loss_of_copies, few, "fewer than 30 such places"),
        (judge.gain_lost_without_heads, {**planted, **lone}, "no other heads"),
    ):
        found = evidence(sweeps)
        assert all(math.isnan(end) for end in found.interval)
        assert why in found.why


# ---- absence is one-sided, and of the best head -------------------------------------------------------------------------


def _scored(selected: np.ndarray, reported: np.ndarray) -> Sweeps:
    """The planted sweeps with these scores of induction `[length, layer, head, example]` on the two splits, none in text."""
    planted = dict(_planted())
    for half, scores in (("select", selected), ("report", reported)):
        old = planted[f"scores_{half}"]
        values = np.stack([scores, np.zeros_like(scores)], axis=1)
        planted[f"scores_{half}"] = replace(old, values=values)
    planted["prefix_text"] = replace(planted["prefix_text"], values=np.zeros_like(planted["prefix_text"].values))
    return planted


def _absent(sweeps: Sweeps) -> str:
    (claim,) = [claim for claim in CLAIMS if claim.id == "induction.absent"]
    return claim.found(judge.most_attention_to_copies(sweeps)).verdict


def test_a_head_that_looks_away_is_no_induction_head() -> None:
    scores = np.zeros((2, 2, 2, 40))
    scores[:, 0, 1] = -0.3
    assert _absent(_scored(scores, scores)) == "supported"
    scores[0, 1, 1] = 0.08
    assert _absent(_scored(scores, scores)) == "not supported", "one block length is enough"


def test_a_head_that_looks_in_text_alone_is_seen() -> None:
    sweeps = dict(_scored(np.zeros((2, 2, 2, 40)), np.zeros((2, 2, 2, 40))))
    assert _absent(sweeps) == "supported"
    sweeps["prefix_text"] = _planted()["prefix_text"]
    assert _absent(sweeps) == "not supported"
    assert judge.most_attention_to_copies(sweeps).facts["where"] == "real text"


def test_the_best_head_is_reported_without_the_winners_curse() -> None:
    """Sixty heads of noise around nothing: the best on its own examples is far above what it scores on others."""
    found, cursed = [], []
    for seed in range(10):
        selected, reported = np.random.default_rng(seed).normal(0, 0.3, (2, 2, 2, 30, 40))
        found.append(judge.most_attention_to_copies(_scored(selected, reported)).value)
        cursed.append(reported.mean(-1).max())
    assert np.mean(cursed) > 0.1
    assert np.mean(found) < 0.06


def test_what_is_needed_is_named_and_a_chain_is_told_from_an_and() -> None:
    sweeps = dict(_planted())
    needed = judge.needed_heads(sweeps)
    assert [name for name, _ in needed] == ["L1H0", "L0H1"]
    assert [share for _, share in needed] == pytest.approx([0.9, 0.8])
    restored = {"q": 2.0, "k": 2.1, "v": 2.2, "qk": 2.0, "qv": 2.0, "kv": 3.8, "qkv": 3.8}
    values = np.stack([list(restored.values()), np.full(7, 2.0)])[..., None].repeat(6, -1)
    sweeps["route_inputs"] = Sweep(values, ("direction", "inputs", "example"), "logits",
                                   {"direction": ("denoise", "noise"), "inputs": routes.INPUTS})  # fmt: skip
    sweeps["route_plain"] = sweeps["patch_plain"]
    facts = judge.restored_by_heads(sweeps).facts
    assert [facts[name] for name in ("keys_restore", "values_restore", "both_restore")] == pytest.approx(
        [0.05, 0.1, 0.9]
    )
    assert facts["routed"] is True


def test_places_of_one_window_count_as_one() -> None:
    """Ten windows of twenty equal places leave as much open as ten places."""
    values = np.repeat(np.random.default_rng(0).normal(size=10), 20)
    low, high = judge.clustered_interval(values, np.repeat(np.arange(10), 20), "test")
    alone = judge.clustered_interval(values, np.arange(200), "test")
    assert high - low > 3 * (alone[1] - alone[0])
