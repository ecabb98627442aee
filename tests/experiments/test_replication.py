"""Replication across trainings: planted heads that moved, heads of noise, and verdicts that are counted."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binomtest
from toys.claim_texts import texts

from nanoscope.analysis.attention import matching
from nanoscope.errors import NanoscopeError
from nanoscope.evidence.claim import Claim
from nanoscope.evidence.finding import Criterion, Evidence
from nanoscope.evidence.result import Result
from nanoscope.evidence.subject import StoredSubject
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments import open_experiment
from nanoscope.experiments.experiment import Group
from nanoscope.experiments.replication.judge import functions_by_layer
from nanoscope.experiments.replication.measure import Params
from nanoscope.experiments.replication.page import alike, formed
from nanoscope.experiments.runner import run_comparison
from nanoscope.plots.quality import checklist
from nanoscope.statistics.intervals import pair_interval, seed_interval

LAYERS, HEADS = 4, 6
CLASSES = ("previous token", "induction", "spaces", "newline", "current token")
REPLICATION = open_experiment("replication")


def _claim(name: str) -> Claim:
    never = Evidence.too_little("it is not measured", 0, "texts")
    return Claim(
        name, "A sentence.", "present", "observed", Criterion(">=", 0.5), lambda _: never, "nothing", "{value}"
    )


def _training(name: str, scores: tuple[np.ndarray, np.ndarray], verdicts: dict[str, float]) -> list[Result]:
    """What the heads and induction experiments would leave of one training."""
    findings = tuple(_claim(id).found(Evidence(x, (x, x), 9, "texts", 0.0)) for id, x in verdicts.items())
    sweeps = {
        half: Sweep(value, ("cls", "layer", "head"), "share", {"cls": CLASSES})
        for half, value in zip(("scores_select", "scores_report"), scores, strict=True)
    }
    return [
        Result("heads", {"of": name}, StoredSubject(name), sweeps),
        Result("induction", {"of": name}, StoredSubject(name), {}, findings),
    ]


def _group(trainings: list[list[Result]]) -> Group:
    return Group("the trainings", "seeds", tuple(result for one in trainings for result in one))


def _scores(
    rng: np.random.Generator, order: np.ndarray, truth: np.ndarray, noise: float
) -> tuple[np.ndarray, np.ndarray]:
    moved = np.take_along_axis(truth, order[None], axis=2)
    return moved + noise * rng.standard_normal(moved.shape), moved + noise * rng.standard_normal(moved.shape)


def test_heads_that_moved_within_their_layers_are_found_by_function_and_not_by_index(tmp_path) -> None:
    rng = np.random.default_rng(0)
    truth = rng.standard_normal((len(CLASSES), LAYERS, HEADS))
    orders = [np.stack([rng.permutation(HEADS) for _ in range(LAYERS)]) for _ in range(6)]
    trainings = [
        _training(f"seed {i}", _scores(rng, order, truth, 0.1), {"induction.heads": 0.0})
        for i, order in enumerate(orders)
    ]
    result = run_comparison(REPLICATION, _group(trainings), Params(), tmp_path)
    mean = result["agreement"].values[~np.eye(6, dtype=bool)].mean(0)
    assert mean[0] > 0.95
    assert pair_interval(result["agreement"].values[..., 0] - result["agreement"].values[..., 2])[0] > 0.1
    assert abs(mean[1] - mean[2]) < 0.12
    layers = result.finding("replication.layers")
    assert layers.verdict == "supported"
    assert layers.evidence.facts["same"] > 0.9


def test_heads_that_moved_to_any_layer_are_as_alike_across_layers_as_within_one(tmp_path) -> None:
    """The claim can fail: the same heads in every training, but each in a layer at random."""
    rng = np.random.default_rng(8)
    truth = rng.standard_normal((len(CLASSES), LAYERS * HEADS))
    trainings = []
    for i in range(6):
        moved = truth[:, rng.permutation(LAYERS * HEADS)].reshape(len(CLASSES), LAYERS, HEADS)
        halves = [moved + 0.1 * rng.standard_normal(moved.shape) for _ in range(2)]
        trainings.append(_training(f"seed {i}", (halves[0], halves[1]), {"induction.heads": 0.0}))
    result = run_comparison(REPLICATION, _group(trainings), Params(), tmp_path)
    finding = result.finding("replication.layers")
    assert result["agreement"].values[~np.eye(6, dtype=bool)].mean(0)[0] > 0.95, "they are all found by function"
    assert finding.verdict != "supported"
    low, high = finding.evidence.interval
    assert low < 0.05
    assert high < 0.3


def test_layers_are_matched_block_by_block() -> None:
    """Its slow twin: every two layers cut out, matched on one half by trying all assignments and read on the other."""
    from itertools import permutations

    rng = np.random.default_rng(9)
    select, report = rng.standard_normal((2, 6, 6))
    found = matching.layers_matched(select, report, heads=3)
    for one in range(2):
        for other in range(2):
            rows, columns = slice(3 * one, 3 * one + 3), slice(3 * other, 3 * other + 3)
            chosen, read = select[rows, columns], report[rows, columns]
            best = max(permutations(range(3)), key=lambda order: chosen[range(3), list(order)].sum())
            assert found[one, other] == pytest.approx(read[range(3), list(best)].mean())


def test_noise_has_no_layers() -> None:
    rng = np.random.default_rng(10)
    covered = 0
    for _ in range(60):
        halves = [matching.profiles(rng.standard_normal((6, len(CLASSES), LAYERS, HEADS))) for _ in range(2)]
        table = np.full((6, 6, LAYERS, LAYERS), np.nan)
        for one, other in ((a, b) for a in range(6) for b in range(6) if a != b):
            similar = (matching.similarity(h[one], h[other]) for h in halves)
            table[one, other] = matching.layers_matched(*similar, HEADS)
        low, high = functions_by_layer(_layers(table)).interval
        covered += low <= 0 <= high
    assert binomtest(covered, 60, 0.95, "less").pvalue > 0.01


def _layers(table: np.ndarray) -> dict[str, Sweep]:
    names = tuple(f"seed {i}" for i in range(len(table)))
    return {
        "verdicts": Sweep(np.zeros((1, len(table))), ("claim", "training"), "verdict", {"training": names}),
        "layers_matched": Sweep(table, ("training", "other", "layer", "other_layer"), "cosine"),
    }


def _noise(rng: np.random.Generator, count: int) -> np.ndarray:
    """How much more alike than within layers matched heads of noise are, pair by pair."""
    halves = [matching.profiles(rng.standard_normal((count, len(CLASSES), LAYERS, HEADS))) for _ in range(2)]
    more = np.zeros((count, count))
    for one, other in ((a, b) for a in range(count) for b in range(count) if a != b):
        by_function, _, within, _ = matching.agreement(*(matching.similarity(h[one], h[other]) for h in halves), HEADS)
        more[one, other] = by_function - within
    return more


def test_heads_of_noise_gain_nothing_from_being_matched() -> None:
    """The assignment is made on one half and read on the other; the interval must cover 0 about as often as it says."""
    rng = np.random.default_rng(1)
    intervals = np.array([pair_interval(_noise(rng, 6)) for _ in range(120)])
    covered = ((intervals[:, 0] < 0) & (intervals[:, 1] > 0)).sum()
    assert binomtest(int(covered), 120, 0.95, "less").pvalue > 0.01


def test_the_interval_over_pairs_is_the_plain_jackknife() -> None:
    """Its slow twin: leave each training out, one after another."""
    rng = np.random.default_rng(7)
    pairs = rng.standard_normal((6, 6))
    off = ~np.eye(6, dtype=bool)
    whole = pairs[off].mean()
    left = [np.delete(np.delete(pairs, i, 0), i, 1)[~np.eye(5, dtype=bool)].mean() for i in range(6)]
    pseudo = 6 * whole - 5 * np.array(left)
    assert pair_interval(pairs) == pytest.approx(seed_interval(pseudo))


def test_the_assignment_is_the_best_of_all() -> None:
    """Against every permutation of six heads; and means over assignments against their closed form."""
    from itertools import permutations

    rng = np.random.default_rng(2)
    similar = rng.standard_normal((6, 6))
    every = np.array([similar[np.arange(6), list(order)].mean() for order in permutations(range(6))])
    by_function, by_index, within, anyone = matching.agreement(similar, similar, heads=6)
    assert by_function == pytest.approx(every.max())
    assert by_index == pytest.approx(similar.trace() / 6)
    assert within == anyone == pytest.approx(every.mean())


def test_a_class_in_which_all_heads_are_equal_says_nothing() -> None:
    scores = np.random.default_rng(3).standard_normal((2, 3, 2, 2))
    scores[:, 1] = 0.25
    assert (matching.profiles(scores)[..., 1] == 0).all()
    assert np.isfinite(matching.similarity(np.zeros((2, 3)), np.ones((2, 3)))).all()


def test_verdicts_are_kept_and_heads_counted_that_trainings_form(tmp_path) -> None:
    rng = np.random.default_rng(4)
    truth = rng.standard_normal((len(CLASSES), LAYERS, HEADS))
    order = np.tile(np.arange(HEADS), (LAYERS, 1))
    told = [1.0, 1.0, 1.0, np.nan, np.nan, 0.0]
    verdicts = [
        {"induction.heads": x, "induction.previous_token": 1.0, "induction.only_here" if i == 0 else "x": 1.0}
        for i, x in enumerate(told)
    ]
    trainings = [_training(f"seed {i}", _scores(rng, order, truth, 0.1), v) for i, v in enumerate(verdicts)]
    result = run_comparison(REPLICATION, _group(trainings), Params(), tmp_path)
    assert result["verdicts"].labels("claim") == ("induction.heads", "induction.previous_token")
    assert result["verdicts"].sel(claim="induction.heads").values.tolist() == [1, 1, 1, 0, 0, -1]
    assert formed(result) == ["an induction head: 3 of 6 (undecided in 2)", "a previous-token head: 6 of 6"]
    means = alike(result)
    assert means["by_function"] == pytest.approx(np.nanmean(result["agreement"].values[..., 0]))
    for draw in REPLICATION.figures.values():
        assert all(checklist(draw(result)).values())


def test_cosines_within_and_across_layers_worked_by_hand() -> None:
    """Within a layer 0.8, across 0.2."""
    table = np.tile(np.array([[0.8, 0.1], [0.3, 0.8]]), (4, 4, 1, 1))
    table[np.eye(4, dtype=bool)] = np.nan
    found = functions_by_layer(_layers(table))
    assert (found.value, found.null, found.n) == (pytest.approx(0.6), pytest.approx(0.2), 4)
    assert found.facts == {"same": pytest.approx(0.8)}
    assert found.interval == pytest.approx((0.6, 0.6))


def test_what_was_not_measured_says_why() -> None:
    verdicts = _layers(np.full((3, 3, 2, 2), np.nan))["verdicts"]
    older = {"verdicts": verdicts, "agreement": verdicts}
    assert functions_by_layer({"verdicts": verdicts}).why == "the heads of some training were not measured"
    assert functions_by_layer(older).why == "this version did not measure it"
    assert functions_by_layer(_layers(np.ones((3, 3, 1, 1)))).instead == "not applicable"


def test_every_claim_is_said_under_every_verdict() -> None:
    table = np.tile(np.array([[0.8, 0.1], [0.3, 0.8]]), (4, 4, 1, 1))
    result = Result("replication", {}, StoredSubject("some trainings"), _layers(table))
    for claim in REPLICATION.claims:
        assert len(set(texts(claim, result).values())) == 4, claim.id


def test_one_training_is_too_few(tmp_path) -> None:
    alone = _group([_training("seed 1", (np.zeros((5, 4, 6)), np.zeros((5, 4, 6))), {})])
    with pytest.raises(NanoscopeError, match="at least 2 trainings, not 1"):
        run_comparison(REPLICATION, alone, Params(), tmp_path)


def test_a_comparison_is_named_by_what_it_reads(tmp_path) -> None:
    """Another order of the same results is the same comparison; another result is another one."""
    rng = np.random.default_rng(5)
    shape = (len(CLASSES), LAYERS, HEADS)
    trainings = [
        _training(f"seed {i}", (rng.random(shape), rng.random(shape)), {"induction.heads": 1.0}) for i in range(3)
    ]
    group = _group(trainings)
    key = run_comparison(REPLICATION, group, Params(), tmp_path).key
    assert run_comparison(REPLICATION, replace(group, results=group.results[::-1]), Params(), tmp_path).key == key
    assert run_comparison(REPLICATION, _group(trainings[:2]), Params(), tmp_path).key != key
