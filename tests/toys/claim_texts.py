"""What a claim says under every verdict, on evidence that was really measured."""

import math
from dataclasses import replace
from pathlib import Path

from nanoscope.evidence.claim import Claim
from nanoscope.evidence.finding import DECIDED, Criterion
from nanoscope.evidence.result import Result, load_results

PUBLISHED = Path(__file__).parents[2] / "results" / "results"


def texts(claim: Claim, result: Result) -> dict[str, str]:
    """The claim's text by verdict, with this result's facts and value, and as it reads where there is no interval."""
    evidence = claim.evidence(result.sweeps)
    verdicts = (*DECIDED, "straddles the criterion")
    intervals = dict(zip(verdicts, _intervals(claim.criterion), strict=True))
    found = {verdict: claim.found(replace(evidence, interval=ends)) for verdict, ends in intervals.items()}
    assert {verdict: finding.verdict for verdict, finding in found.items()} == {
        verdict: verdict for verdict in verdicts
    }
    missing = claim.found(replace(evidence, interval=(math.nan, math.nan), why="there is none"))
    return {**{verdict: finding.text for verdict, finding in found.items()}, "missing": missing.text}


def published(experiment: str, label: str) -> Result:
    """A result of the published study that has all its arrays."""
    found = [r for r in load_results(PUBLISHED) if (r.experiment, r.subject.label) == (experiment, label)]
    assert not found[0].provenance.get("left_out")
    return found[0]


def _intervals(criterion: Criterion) -> tuple[tuple[float, float], ...]:
    """Inside the criterion, outside it, and across its edge."""
    middle, width = criterion.threshold, criterion.margin
    if criterion.op == "within":
        return (middle, middle), (middle + 2 * width, middle + 3 * width), (middle, middle + 2 * width)
    sign = 1 if criterion.op == ">=" else -1
    ends = (
        (middle + sign * 0.1, middle + sign * 0.2),
        (middle - sign * 0.2, middle - sign * 0.1),
        (middle - 1, middle + 1),
    )
    return tuple((min(pair), max(pair)) for pair in ends)
