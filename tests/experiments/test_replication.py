"""Replication across trainings: planted heads that moved, heads of noise, and verdicts that are counted."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binomtest
from toys.claim_texts import published, texts

from nanoscope.analysis.attention import matching
from nanoscope.errors import NanoscopeError
from nanoscope.evidence.claim import Claim
from nanoscope.evidence.finding import Criterion, Evidence
from nanoscope.evidence.result import Result
from nanoscope.evidence.subject import StoredSubject
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments import open_experiment
from nanoscope.experiments.experiment import Group
from nanoscope.experiments.replication.judge import (
    previous_token_heads_in_the_first_half,
    similarity_by_index,
    trainings_that_form,
)
from nanoscope.experiments.replication.measure import Params
from nanoscope.experiments.runner import run_comparison
from nanoscope.plots.quality import checklist
from nanoscope.statistics.intervals import pair_interval, seed_interval, share_interval

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
    assert result.finding("replication.index").evidence.value == pytest.approx(mean[1] - mean[2])


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


def test_verdicts_are_counted_per_claim_with_exact_intervals(tmp_path) -> None:
    rng = np.random.default_rng(4)
    truth = rng.standard_normal((len(CLASSES), LAYERS, HEADS))
    order = np.tile(np.arange(HEADS), (LAYERS, 1))
    verdicts = [
        {
            "induction.heads": float(i < 5),
            "induction.previous_token": 1.0,
            "induction.only_here" if i == 0 else "x": 1.0,
        }
        for i in range(8)
    ]
    trainings = [_training(f"seed {i}", _scores(rng, order, truth, 0.1), v) for i, v in enumerate(verdicts)]
    result = run_comparison(REPLICATION, _group(trainings), Params(), tmp_path)
    assert result["verdicts"].labels("claim") == ("induction.heads", "induction.previous_token")
    induction = result.finding("replication.induction").evidence
    assert (induction.value, induction.interval) == (5 / 8, share_interval(5, 8))
    assert result.finding("replication.previous").verdict == "supported"
    same = result.finding("replication.findings").evidence
    assert (same.value, same.n, same.facts["differ"]) == (0.5, 2, ("induction.heads",))
    assert (same.facts["open"], same.facts["opposed"]) == (0, ("induction.heads",))
    for draw in REPLICATION.figures.values():
        assert all(checklist(draw(result)).values())


def test_an_undecided_training_counts_as_neither(tmp_path) -> None:
    """Three that form, two undecided, one that does not: the interval reaches from none of the two to both."""
    rng = np.random.default_rng(6)
    shape, told = (len(CLASSES), LAYERS, HEADS), [1.0, 1.0, 1.0, np.nan, np.nan, 0.0]
    trainings = [
        _training(f"seed {i}", (rng.random(shape), rng.random(shape)), {"induction.heads": x, "induction.gain": np.nan})
        for i, x in enumerate(told)
    ]
    result = run_comparison(REPLICATION, _group(trainings), Params(), tmp_path)
    evidence = result.finding("replication.induction").evidence
    assert evidence.interval == (share_interval(3, 6)[0], share_interval(5, 6)[1])
    assert evidence.facts == {"count": 3, "undecided": 2}
    same = result.finding("replication.findings").evidence.facts
    assert (same["open"], same["decided"], same["agreed"]) == (1, 1, 0)


def test_layers_and_similarities_worked_by_hand() -> None:
    """Best heads in layers 0, 1 and 2 of 3; the first half is two of them. Heads of one index: 0.3 beyond their layers'."""
    verdicts = Sweep(np.zeros((1, 3)), ("claim", "training"), "verdict", {"claim": ("heads.classified",)})
    agreement = np.tile([0.9, 0.5, 0.2, 0.0], (3, 3, 1))
    agreement[np.eye(3, dtype=bool)] = np.nan
    sweeps = {
        "verdicts": verdicts,
        "depth": Sweep(np.array([[0], [1], [2]]), ("training", "cls"), "layer", {"cls": ("previous token",)}),
        "layers": Sweep(np.array(3), (), "layers"),
        "agreement": Sweep(
            agreement, ("training", "other", "assignment"), "cosine", {"assignment": matching.ASSIGNMENTS}
        ),
    }
    depth, index = previous_token_heads_in_the_first_half(sweeps), similarity_by_index(sweeps)
    assert (depth.value, depth.interval, depth.null) == (2 / 3, share_interval(2, 3), 2 / 3)
    assert depth.facts == {"count": 2, "layers": (0, 1, 2)}
    assert (index.value, index.null, index.n) == (pytest.approx(0.3), pytest.approx(0.2), 3)
    unmeasured = {"verdicts": verdicts}
    assert previous_token_heads_in_the_first_half(unmeasured).why == similarity_by_index(unmeasured).why != ""
    assert trainings_that_form("induction.heads", unmeasured).why == "not every training was judged"


def test_every_claim_is_said_under_every_verdict() -> None:
    result = published("replication", "the echo controls")
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
