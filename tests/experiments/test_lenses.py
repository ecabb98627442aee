"""The claims about lenses: their values on sweeps with a known answer, their words, and the page of old and new results."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nanoscope.evidence.claim import Claim
from nanoscope.evidence.finding import Evidence
from nanoscope.evidence.result import Result
from nanoscope.evidence.stored_study import Study, read_study
from nanoscope.evidence.subject import StoredSubject
from nanoscope.evidence.sweep import Sweep
from nanoscope.evidence.wording import fill_block
from nanoscope.experiments import open_experiment
from nanoscope.experiments.lenses import judge, page, stored
from nanoscope.experiments.lenses.claims import CLAIMS

PUBLISHED = Path(__file__).parents[2] / "results"
published = pytest.mark.skipif(not (PUBLISHED / "study.json").exists(), reason="no study is published in results/ yet")
LENSES = ("logit lens", "tuned lens")
KINDS = ("all", "word start")
WINDOWS = np.array([40.0, 60.0, 80.0, 60.0])
"""Positions in each window; what is summed over them is this often the mean, so that every resample gives the same ratio."""
KL = np.array([[8.0, 2.0, 1.0, 0.0], [4.0, 1.0, 0.5, 0.0]])
LOSS = np.array([[9.0, 4.0, 3.0, 1.5], [2.9, 2.6, 1.9, 1.5]])
TABLES = np.array([3.0, 2.5, 2.0, 2.25])
DEPTH = np.array([2.4, 1.5])
SETTLED = np.array([[0.1, 0.2, 0.3, 0.4, 0.0], [0.2, 0.3, 0.4, 0.1, 0.0]])
NEAREST = {"table to lens": (1, 2, 3, 4), "lens to table": (1, 2, 4, 4)}


def _older() -> dict[str, Sweep]:
    """Three layers, as version 3 stored them."""
    positions = np.stack([WINDOWS, WINDOWS / 2])
    means = np.stack([KL, LOSS, np.full_like(KL, 0.9)], 1)
    measures = {"lens": LENSES, "measure": ("kl", "loss", "current")}
    near, half = SETTLED, np.full((2, 5), 0.2)
    both = np.stack([_distances(n) for n in NEAREST.values()])
    direction = {"lens": LENSES, "direction": tuple(NEAREST)}
    return {
        "places": Sweep(positions, ("kind", "window"), "places", {"kind": KINDS}),
        "reading": Sweep(means[..., None] * WINDOWS, ("lens", "measure", "layer", "window"), "nats", measures),
        "reading_by_kind": Sweep(means[..., None], ("lens", "measure", "layer", "kind"), "nats", measures | {"kind": ("all",)}),
        "table_loss": Sweep(TABLES[:, None, None] * positions, ("n", "kind", "window"), "nats", {"kind": KINDS}),
        "distance_by_kind": Sweep(np.stack([both] * 2)[..., None], ("lens", "direction", "n", "layer", "kind"), "nats",
                                  direction | {"kind": ("all",)}),
        "depth": Sweep(DEPTH[:, None, None, None] * positions, ("lens", "criterion", "kind", "window"), "readings",
                       {"lens": LENSES, "criterion": ("near",), "kind": KINDS}),
        "settled": Sweep(np.stack([near, half], 1)[..., None], ("lens", "criterion", "depth", "kind"), "share",
                         {"lens": LENSES, "criterion": ("near", "half"), "kind": ("all",)}),
        "writers": Sweep(np.array([[1.0], [3.0], [-1.0], [5.0]]) * WINDOWS, ("component", "window"), "logits",
                         {"component": ("embed", "L0H0", "MLP0", "MLP1")}),
        "writers_places": Sweep(WINDOWS, ("window",), "places"),
        "writers_unexplained": Sweep(np.array(1e-7), (), "share"),
        "damage": _damage(),
        "cost": Sweep(np.array([[0.1, 0.1], [0.2, 0.3], [0.03, 0.03]]), ("what", "repeat"), "s",
                      {"what": ("plain forward", "forward with the lens", "lens alone")}),
    }  # fmt: skip


def _newer() -> dict[str, Sweep]:
    """The same as version 4 stores them: the logit lens sees twice the damage to what it calls settled."""
    tuned = _damage()
    logit = replace(tuned, values=tuned.values * np.array([[2.0, 1.0], [1.0, 1.0]])[..., None])
    return _older() | {
        "damage": Sweep(np.stack([logit.values, tuned.values]), ("lens", *tuned.dims), "nats", {"lens": LENSES}),
        "tuned_course": Sweep(np.array([[8.0, 2.0], [4.0, 1.5], [4.5, 1.0]]), ("look", "layer"), "nats", {"look": (0, 25, 40)}),
        "tuned_stopped": Sweep(np.array(1.0), (), ""),
        "tuned_train": Sweep(np.array([3.0, 1.0]), ("layer",), "nats"),
        "table_distance": Sweep(np.stack([_by_tables()] * 2), ("lens", "tables", "measure", "n", "layer"), "nats",
                                {"lens": LENSES, "tables": TABLE_NAMES, "measure": (*NEAREST, "loss")}),
        "known_readers": Sweep(np.stack([[_distances((1, 2, 3, 3)), _distances((1, 2, 3, 4)), _distances((1, 1, 1, 1))]] * 3),
                               ("tables", "measure", "n", "k"), "nats",
                               {"tables": TABLE_NAMES, "measure": (*NEAREST, "loss")}),
    }  # fmt: skip


TABLE_NAMES = ("whole text", "first half", "second half")


def _distances(nearest: tuple[int, ...]) -> np.ndarray:
    """Distances `[n, reading]` with these nearest tables."""
    found = np.ones((4, len(nearest)))
    found[np.array(nearest) - 1, range(len(nearest))] = 0.5
    return found


def _by_tables() -> np.ndarray:
    """`[tables, measure, n, layer]`: the tables of the halves are farther by 0.1 for all n, so that no gap moves."""
    whole = np.stack([*(_distances(n) for n in NEAREST.values()), np.abs(TABLES[:, None] - LOSS[0])])
    return np.stack([whole, whole + 0.1, whole + 0.1])


def _damage() -> Sweep:
    """Damage and predictions `[layer, state, quantity, window]`: the first layer has too few that are settled."""
    means = np.array([[0.9, 2.0], [0.1, 0.4], [0.3, 0.4]])
    counts = np.array([[0.1, 1.0], [1.0, 1.0], [1.0, 1.0]])[..., None] * WINDOWS
    return Sweep(np.stack([means[..., None] * counts, counts], 2), ("layer", "state", "quantity", "window"), "nats")


# ---- what is judged --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sweeps", [_older(), _newer()], ids=["version 3", "version 4"])
@pytest.mark.parametrize(
    ("evidence", "value", "facts"),
    [
        (judge.gain_over_tables, 0.5, {"loss": 1.5, "best": 3, "table": 2.0}),
        (judge.mlp_share, 0.5, {"largest": (("MLP1", 5.0), ("L0H0", 3.0), ("embed", 1.0), ("MLP0", -1.0))}),
        (judge.damage_to_settled, 0.5, {}),
    ],
)
def test_a_planted_answer_is_read(evidence, value: float, facts: dict, sweeps: dict[str, Sweep]) -> None:
    found = evidence(sweeps)
    assert (found.value, *found.interval) == pytest.approx((value,) * 3)
    assert {name: found.facts[name] for name in facts} == {name: _close(fact) for name, fact in facts.items()}


def _close(fact):
    return pytest.approx(fact) if isinstance(fact, float) else fact


def test_both_lenses_say_what_settled_means_side_by_side() -> None:
    new, old = judge.damage_to_settled(_newer()), judge.damage_to_settled(_older())
    assert new.facts["layers"] == (("L1", pytest.approx(0.25)), ("L2", pytest.approx(0.75)))
    assert new.facts["logit"] == (("L1", pytest.approx(0.5)), ("L2", pytest.approx(1.5)))
    assert old.facts["logit"] == ()
    meaningful = next(claim for claim in CLAIMS if claim.id == "lenses.meaningful")
    assert "in the logit lens: L1 0.500, L2 1.50" in meaningful.found(new).text
    assert "logit" not in meaningful.found(old).text


def test_what_is_too_little_or_not_there_is_said() -> None:
    planted = _newer()
    few = planted | {"damage": replace(planted["damage"], values=planted["damage"].values / 10)}
    assert "50" in judge.damage_to_settled(few).why
    headed = replace(planted["writers"], coords={"component": ("embed", "L0H0", "L0H1", "L1H0")})
    assert judge.mlp_share({**planted, "writers": headed}).why == "there are no MLPs"


@published
@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_each_verdict_of_a_claim_has_words_of_its_own(claim: Claim) -> None:
    study = read_study(PUBLISHED)
    measured = study.result(study.main, "lenses")
    assert measured is not None
    evidence = claim.evidence(measured.sweeps)
    threshold, wide = claim.criterion.threshold, 2 * claim.criterion.margin + 1
    ends = {"<=": ((-wide, 0), (wide, wide + 1)), ">=": ((0, wide), (-wide, -wide)), "within": ((0, 0), (wide, wide))}
    inside, outside = ends[claim.criterion.op]
    texts = {}
    for low, high in (inside, outside, (-wide, wide)):
        found = claim.found(replace(evidence, interval=(threshold + low, threshold + high)))
        texts[found.verdict] = found.text
    assert len(set(texts.values())) == 3
    missing = claim.found(Evidence.not_applicable("nothing was read", evidence.n, evidence.unit, facts=evidence.facts))
    assert missing.text == f'Not judged ("{claim.sentence.rstrip(".")}"): nothing was read.'


# ---- what is read of a stored result ---------------------------------------------------------------------------------


def test_the_fit_says_how_far_it_went_and_an_older_one_nothing() -> None:
    assert stored.tuned_fit(_newer()) == stored.TunedFit(40, True, 5.0, 2.5, 2.0)
    assert stored.tuned_fit(_older()) is None
    assert stored.sound_lenses(_newer()) == LENSES
    assert stored.sound_lenses(_older()) == LENSES[:1]


def test_settling_is_given_by_both_lenses() -> None:
    assert [stored.mean_depth(_newer(), lens) for lens in LENSES] == pytest.approx([0.8, 0.5])
    assert stored.settled_by(_newer(), "tuned lens") == pytest.approx([0.2, 0.5, 0.9, 1.0])
    found = stored.confident(_newer())
    assert (found.lens, found.layer) == ("tuned lens", 1)
    assert found.share == pytest.approx(0.8)


def test_a_nearest_table_is_said_where_both_directions_tell_the_same_within_what_they_tell() -> None:
    """KL(table || lens) tells up to 3, KL(lens || table) up to 4; they disagree after L1, and the output is beyond 3."""
    assert stored.reaches(_newer()) == {"table to lens": 3, "lens to table": 4, "loss": 1}
    assert stored.said(_newer(), "tuned lens") == ("1", "2", "not told", "not told")
    agreeing = _newer()
    values = agreeing["table_distance"].values.copy()
    values[:, :, 1] = values[:, :, 0]
    agreeing["table_distance"] = replace(agreeing["table_distance"], values=values)
    assert stored.said(agreeing, "tuned lens") == ("1", "2", "3+", "not told")
    moving = values.copy()
    moving[:, 1, :, 0, 0] -= 0.6  # the unigram table of the first half is far nearer: every gap to it moves by 0.6
    agreeing["table_distance"] = replace(agreeing["table_distance"], values=moving)
    assert stored.said(agreeing, "tuned lens") == ("not told", "2", "3+", "not told")


def test_an_older_result_has_distances_and_tells_nothing() -> None:
    for measure, n in NEAREST.items():
        found = stored.nearest(_older(), "logit lens", measure)
        assert found.n.tolist() == list(n)
        assert not found.told.any()
    assert stored.distances(_older(), "logit lens")[2] == pytest.approx(np.abs(TABLES[:, None] - LOSS[0]))
    assert stored.reaches(_older()) == {}


# ---- the page --------------------------------------------------------------------------------------------------------


def _blocks(sweeps: dict[str, Sweep]) -> tuple[str, str]:
    result = Result("lenses", {}, StoredSubject("a model", config={"tied_head": True}), sweeps)
    values = {**page.values(Study(None, (result,)), result), "reply": lambda claim: "yes"}
    template = Path(page.__file__).with_name("page.md.j2")
    meaning, method = (fill_block(template, block, values) for block in ("meaning", "method"))
    return meaning, method


def _rows(text: str) -> dict[tuple[str, ...], list[str]]:
    rows = [row.strip("| ").split(" | ") for row in text.split("\n") if row.startswith("|")]
    return {tuple(row[:2]): row[2:] for row in rows}


def test_the_page_gives_both_lenses_and_a_table_where_it_is_told() -> None:
    meaning, method = _blocks(_newer())
    rows = _rows(meaning)
    assert rows["KL to the output, nats", "tuned"] == ["4.00", "1.00", "0.500", "0"]
    assert rows["loss, nats", "logit"] == ["9.00", "4.00", "3.00", "1.50"]
    assert rows["settled by here", "logit"] == ["10 %", "30 %", "60 %", "100 %"]
    assert rows["nearest n-gram table", "tuned"] == ["1", "2", "not told", "not told"]
    assert "at 80 % of the depth by the logit lens, 50 % of the depth by the tuned lens" in meaning
    assert "in 40 steps; its KL on held-out training text went from 5.00 to 2.50 nats" in method
    assert "had stopped falling" in method
    assert "tells k up to 3, KL(lens, table) up to 4, and the loss up to 1" in method


def test_the_page_of_an_older_result_leaves_out_its_tuned_lens() -> None:
    meaning, method = _blocks(_older())
    assert "tuned" not in meaning
    assert "nearest" not in meaning
    assert "fitted too briefly; what rests on it is left out" in method
    assert "Whether the nearest n-gram table can be told from the next was not measured by that version." in method


def test_a_fit_that_was_still_falling_says_so() -> None:
    sweeps = _newer() | {"tuned_stopped": Sweep(np.array(0.0), (), "")}
    assert "was still falling" in _blocks(sweeps)[1]


def test_there_are_three_claims_and_no_costs_among_them() -> None:
    experiment = open_experiment("lenses")
    assert [claim.id for claim in experiment.claims] == ["lenses.beyond", "lenses.writers", "lenses.meaningful"]
    assert not any(claim.withdrawn for claim in experiment.claims)
    assert {claim.kind for claim in experiment.claims} == {"measurement"}
