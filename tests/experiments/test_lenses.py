"""The claims about lenses: their values on sweeps with a known answer, their words, and the page of old and new results."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nanoscope.evidence.claim import Claim
from nanoscope.evidence.finding import Evidence
from nanoscope.evidence.stored_study import read_study
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.lenses import judge
from nanoscope.experiments.lenses.claims import CLAIMS

PUBLISHED = Path(__file__).parents[2] / "results"
published = pytest.mark.skipif(not (PUBLISHED / "study.json").exists(), reason="no study is published in results/ yet")
LENSES = ("logit lens", "tuned lens")
KINDS = ("all", "word start", "line start", "other")
WINDOWS = np.array([40.0, 60.0, 80.0, 60.0])
"""Positions in each window; what is summed over them is this often the mean, so that every resample gives the same ratio."""


def _planted() -> dict[str, Sweep]:
    """Three layers. The bigram table is nearest after the first one, the 4-gram table at the output."""
    kl = np.array([[8.0, 2.0, 1.0, 0.0], [4.0, 1.0, 0.5, 0.0]])
    loss = np.array([[9.0, 4.0, 3.0, 1.5]] * 2)
    tables = np.array([3.0, 2.5, 2.0, 2.25])
    to_lens = np.array([[1.0, 3.0, 3.0, 3.0], [2.0, 1.0, 2.0, 2.0], [3.0, 2.0, 1.0, 1.0], [4.0, 3.0, 2.0, 0.5]])
    distance = np.stack([to_lens, np.full_like(to_lens, 4.0)])
    depth = np.array([[2.4, 2.4, 2.4, 2.4], [1.5, 0.6, 1.8, 3.0]])
    positions = np.stack([WINDOWS, WINDOWS / 2, WINDOWS / 2, WINDOWS / 100])
    return {
        "places": Sweep(positions, ("kind", "window"), "places", {"kind": KINDS}),
        "reading": Sweep(np.stack([kl, loss], 1)[..., None] * WINDOWS, ("lens", "measure", "layer", "window"), "nats",
                         {"lens": LENSES, "measure": ("kl", "loss")}),
        "table_loss": Sweep(tables[:, None, None] * positions, ("n", "kind", "window"), "nats", {"kind": KINDS}),
        "distance": Sweep(np.stack([distance] * 2)[..., None] * WINDOWS, ("lens", "direction", "n", "layer", "window"),
                          "nats", {"lens": LENSES, "direction": ("table to lens", "lens to table")}),
        "depth": Sweep(depth[:, None, :, None] * positions, ("lens", "criterion", "kind", "window"), "readings",
                       {"lens": LENSES, "criterion": ("near",), "kind": KINDS}),
        "untrained_depth": Sweep(0.3 * positions[None], ("criterion", "kind", "window"), "readings",
                                 {"criterion": ("near",), "kind": KINDS}),
        "untrained_places": Sweep(positions, ("kind", "window"), "places", {"kind": KINDS}),
        "settled": Sweep(np.full((1, 1, 5, 1), 0.2), ("lens", "criterion", "depth", "kind"), "share",
                         {"lens": LENSES[:1], "criterion": ("half",), "kind": ("all",)}),
        "writers": Sweep(np.array([[1.0], [3.0], [-1.0], [5.0]]) * WINDOWS, ("component", "window"), "logits",
                         {"component": ("embed", "L0H0", "MLP0", "MLP1")}),
        "writers_places": Sweep(WINDOWS, ("window",), "places"),
        "damage": _damage(),
    }  # fmt: skip


def _damage() -> Sweep:
    """Damage and predictions `[layer, state, quantity, window]`: the first layer has too few that are settled."""
    means = np.array([[0.9, 2.0], [0.1, 0.4], [0.3, 0.4]])
    counts = np.array([[0.1, 1.0], [1.0, 1.0], [1.0, 1.0]])[..., None] * WINDOWS
    return Sweep(np.stack([means[..., None] * counts, counts], 2), ("layer", "state", "quantity", "window"), "nats")


@pytest.mark.parametrize(
    ("evidence", "value", "facts"),
    [
        (judge.largest_step, 0.75, {"layer": "L0", "steps": (0.75, 0.125, 0.125)}),
        (judge.rise_of_nearest, 2, {"course": (1, 2, 3, 4), "longest": 4}),
        (judge.gain_over_tables, 0.5, {"loss": 1.5, "best": 3, "table": 2.0}),
        (judge.settling_depth, 0.5, {"readings": 1.5, "layers": 3, "logit": 0.8, "never_half": 0.2}),
        (judge.gap_between_kinds, 0.4, {"early": "word start", "late": "line start"}),
        (judge.mlp_share, 0.5, {"largest": (("MLP1", 5.0), ("L0H0", 3.0), ("embed", 1.0), ("MLP0", -1.0))}),
        (judge.gain_over_bigrams, 2.5, {"table": 4.0, "lens": 1.5}),
        (judge.damage_to_settled, 0.5, {}),
    ],
)
def test_a_planted_answer_is_read(evidence, value: float, facts: dict) -> None:
    found = evidence(_planted())
    assert (found.value, *found.interval) == pytest.approx((value,) * 3)
    assert {name: found.facts[name] for name in facts} == {name: _close(fact) for name, fact in facts.items()}


def _close(fact):
    return pytest.approx(fact) if isinstance(fact, float) else fact


def test_what_is_too_little_is_left_out_and_said() -> None:
    planted = _planted()
    depths, layers = judge.gap_between_kinds(planted).facts["depths"], judge.damage_to_settled(planted).facts["layers"]
    assert depths == (("word start", pytest.approx(0.2)), ("line start", pytest.approx(0.6)))
    assert layers == (("L1", pytest.approx(0.25)), ("L2", pytest.approx(0.75)))
    few = {name: replace(sweep, values=sweep.values / 10) for name, sweep in planted.items()}
    for evidence in (judge.gap_between_kinds, judge.damage_to_settled):
        assert "50" in evidence(few).why
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
