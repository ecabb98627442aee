"""Claims as they are declared: one entry each, causal only where something was changed, worded under every verdict."""

import math
import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from toys import unpublished
from toys.measured_today import measured_today

from nanoscope.evidence.claim import CAUSAL, Claim
from nanoscope.evidence.finding import Criterion, Evidence
from nanoscope.evidence.result import Result, load_result
from nanoscope.experiments import EXPERIMENTS, open_experiment

PUBLISHED = Path(__file__).parents[2] / "results" / "results"
CAUSES = re.compile(
    r"\b(depends? on|needs?|necessary|sufficient|enough to|matters? more|restores?|destroys?|causes?|because of)\b"
)
CLAIMS = [claim for name in EXPERIMENTS for claim in open_experiment(name).claims]


@cache
def _whole(experiment: str) -> tuple[Result, ...]:
    """The published results of an experiment whose arrays are all there."""
    stored = [load_result(path.parent) for path in sorted(PUBLISHED.glob(f"{experiment}-*/result.json"))]
    return tuple(result for result in stored if not result.provenance.get("left_out"))


def _ends(criterion: Criterion) -> dict[str, tuple[float, float]]:
    """An interval of each verdict."""
    inside, outside = {">=": (1.0, -1.0), "<=": (-1.0, 1.0), "within": (0.0, 2.0)}[criterion.op]
    step = max(1.0, criterion.margin)
    ends = {"supported": inside, "not supported": outside}
    found = {verdict: (criterion.threshold + step * by,) * 2 for verdict, by in ends.items()}
    low, high = sorted((found["supported"][0], found["not supported"][0]))
    return {**found, "straddles the criterion": (low, high)}


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_a_causal_sentence_takes_an_intervention(claim: Claim) -> None:
    if claim.relation in CAUSAL or CAUSES.search(claim.sentence):
        assert (claim.relation in CAUSAL, claim.source) == (True, "intervened"), claim.sentence


@pytest.mark.skipif(not PUBLISHED.exists(), reason="no study is published in results/ yet")
@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_every_verdict_of_every_claim_has_its_own_sentence(claim: Claim) -> None:
    """On what was really measured, with the interval moved to where each verdict is: all facts are there.

    A claim about sweeps that no published result has yet is worded on ones made for it (`toys.unpublished`), or on those of a
    small model measured here (`toys.measured_today`).
    """
    experiment = claim.id.split(".")[0]
    sweeps = [*(result.sweeps for result in _whole(experiment)), *unpublished.SWEEPS.get(claim.id, ())]
    found = [claim.evidence(one) for one in sweeps]
    if not (measured := [evidence for evidence in found if not evidence.why]) and (made := measured_today(experiment)):
        measured = [claim.evidence(made)]
    if not measured and all(one.instead == "not applicable" for one in found):
        pytest.skip("nothing published is what this claim is about; its experiment's own tests word it")
    assert measured, "no result has what this claim is judged by"
    for evidence in measured:
        moved = {
            verdict: claim.found(replace(evidence, interval=ends)) for verdict, ends in _ends(claim.criterion).items()
        }
        assert {verdict: finding.verdict for verdict, finding in moved.items()} == {
            verdict: verdict for verdict in moved
        }
        texts = [finding.text for finding in moved.values()]
        assert len(set(texts)) == 3
        assert not any(re.search(r"[{}]|\bNone\b|undefined", text) for text in texts), texts


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_what_could_not_be_measured_says_why(claim: Claim) -> None:
    for missing, verdict in ((Evidence.too_little, "too little data"), (Evidence.not_applicable, "not applicable")):
        found = claim.found(missing("there is one layer", 0, "things"))
        assert found.text == f'Not judged ("{claim.sentence.rstrip(".")}"): there is one layer.'
        assert found.verdict == verdict
        assert math.isnan(found.evidence.value)
