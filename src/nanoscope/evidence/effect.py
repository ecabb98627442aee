"""Effects: a claim's evidence over all trainings of a recipe, and its verdict among the other claims.

Where several trainings were measured, the training is the unit (`statistics.trainings`): no single one's interval is a
verdict. Trainings in which the question has no object are left out and counted. Where all give the very same value, as a test
of the instrument on a hand-built model does, they are no sample: then the widest of their own intervals stands.

p-values are adjusted within the claim's family (`families`) over the claims of one recipe. The adjustment can only take a
decision back.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from nanoscope.evidence.families import LEVEL, Family, adjusted, family
from nanoscope.evidence.finding import DECIDED, Criterion, Evidence, Finding, Verdict
from nanoscope.evidence.p_value import p_value
from nanoscope.evidence.result import Result
from nanoscope.statistics.trainings import Spread, over_trainings


@dataclass(frozen=True)
class Effect:
    """A claim on one recipe: its evidence, pooled where there are several trainings, and its p-value."""

    claim: str
    """Its id."""
    sentence: str
    criterion: Criterion
    evidence: Evidence
    """Pooled: its unit is then "trainings"."""
    findings: tuple[Finding, ...]
    """Each training's own."""
    spread: Spread | None
    """None where no sample of trainings was measured."""
    p: float
    """Not adjusted; NaN without an interval."""
    adjusted: float = math.nan

    @property
    def family(self) -> Family:
        return family(self.claim)

    @property
    def plain(self) -> Verdict:
        """The verdict of the claim alone."""
        return self.criterion.verdict(*self.evidence.interval) if self.evidence.measured else self.evidence.instead

    @property
    def verdict(self) -> Verdict:
        """The verdict among the family's claims: a decision that the adjusted p-value does not bear is none."""
        return "straddles the criterion" if self.taken_back else self.plain

    @property
    def taken_back(self) -> bool:
        """Whether the adjustment changes the verdict."""
        return self.plain in DECIDED and self.adjusted > LEVEL

    @property
    def measured(self) -> tuple[Finding, ...]:
        """The trainings' findings that have an interval."""
        return tuple(finding for finding in self.findings if finding.evidence.measured)

    @property
    def supporting(self) -> int:
        """How many trainings support the claim, each by its own interval."""
        return sum(finding.verdict == "supported" for finding in self.findings)

    @property
    def agreeing(self) -> int:
        """How many trainings have this verdict, each by its own interval."""
        return sum(finding.verdict == self.verdict for finding in self.findings)


def effects(results: Sequence[Result]) -> dict[str, Effect]:
    """The effects of one recipe by claim, in the results' order, with p-values adjusted over them. Timings and withdrawn
    claims are none."""
    claims: dict[str, list[Finding]] = {}
    for finding in (finding for result in results for finding in result.findings):
        if finding.kind == "measurement" and not finding.withdrawn:
            claims.setdefault(finding.id, []).append(finding)
    return among({claim: pooled(findings) for claim, findings in claims.items()})


def among(found: Mapping[str, Effect]) -> dict[str, Effect]:
    """The same effects with p-values adjusted over those that have one."""
    after = adjusted({claim: effect.p for claim, effect in found.items() if not math.isnan(effect.p)})
    return {claim: replace(effect, adjusted=after.get(claim, math.nan)) for claim, effect in found.items()}


def pooled(findings: Sequence[Finding]) -> Effect:
    """The effect of one claim over trainings of one recipe; of findings by another criterion than the first, none counts."""
    first = findings[0]
    alike = tuple(finding for finding in findings if finding.criterion == first.criterion)
    evidence, spread = _evidence(alike)
    return Effect(first.id, first.claim, first.criterion, evidence, alike, spread, p_value(first.criterion, evidence))


def _evidence(findings: Sequence[Finding]) -> tuple[Evidence, Spread | None]:
    measured = [finding.evidence for finding in findings if finding.evidence.measured]
    if len(findings) == 1 or not measured:
        return findings[0].evidence, None
    if len(measured) == 1:
        why = f"it was measured in one of {len(findings)} trainings"
        return Evidence.too_little(why, 1, "trainings", measured[0].null), None
    values = np.array([one.value for one in measured])
    halves = np.array([_width(one) / 2 for one in measured])
    if np.ptp(values) == 0:
        return max(measured, key=_width), None
    spread = over_trainings(values, halves)
    null = float(np.mean([one.null for one in measured]))
    return Evidence(spread.mean, spread.interval, len(measured), "trainings", null), spread


def _width(evidence: Evidence) -> float:
    low, high = evidence.interval
    return high - low
