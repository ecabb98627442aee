"""Claims: what would count, written down before any run.

A claim is one entry: its sentence and the relation that it asserts, the criterion, the kind of evidence that it takes,
the function that gathers this evidence from stored numbers, and the words in which the answer is given. A causal sentence
("necessary for", "sufficient for") needs an intervention; a correlation never becomes one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from nanoscope.errors import NanoscopeError
from nanoscope.evidence.finding import Criterion, Evidence, Finding, Relation, Source, Verdict
from nanoscope.evidence.sweep import Sweep

Sweeps = Mapping[str, Sweep]
CAUSAL: tuple[Relation, ...] = ("necessary for", "sufficient for")
SHORT: Mapping[str, str] = {
    ">=": ": less than the {threshold} that would count",
    "<=": ": more than the {threshold} that would count",
    "within": ": outside the margin that was set",
}
"""The clause of a claim that is not supported, where it has none of its own."""


@dataclass(frozen=True)
class Claim:
    """A sentence with its criterion, its evidence, and its words.

    `measured` is the sentence in which the numbers are given (without its full stop); `clauses` are what follows it under each
    verdict. Both are wordings (`evidence.wording`) of {value}, {low}, {high}, {n}, {null}, {threshold} and the facts.
    """

    id: str
    sentence: str
    relation: Relation
    source: Source
    criterion: Criterion
    evidence: Callable[[Sweeps], Evidence]
    null_is: str
    """What the null is."""
    measured: str
    clauses: Mapping[Verdict, str] = field(default_factory=dict)
    figure: str | None = None
    kind: str = "measurement"

    def __post_init__(self) -> None:
        if self.relation in CAUSAL and self.source != "intervened":
            raise NanoscopeError(
                f"claim {self.id} says {self.relation!r}, which takes an intervention, not what is {self.source}"
            )

    def wording(self, evidence: Evidence) -> str:
        """The template of the sentence that this evidence leads to."""
        if any(math.isnan(end) for end in evidence.interval):
            return f'Not judged ("{self.sentence.rstrip(".")}"): {{why}}.'
        verdict = self.criterion.verdict(*evidence.interval)
        usual = {
            "not supported": SHORT[self.criterion.op],
            "undecided": ", which leaves it undecided (it takes {criterion})",
        }
        clause = self.clauses.get(verdict, usual.get(verdict, ""))
        return f"{self.measured}{clause}."

    def found(self, evidence: Evidence) -> Finding:
        """The finding that this evidence makes of the claim."""
        return Finding(
            self.id,
            self.sentence,
            self.criterion,
            evidence,
            self.null_is,
            self.wording(evidence),
            self.figure,
            self.kind,
            self.relation,
            self.source,
        )


def judged(claims: Sequence[Claim], sweeps: Sweeps) -> tuple[Finding, ...]:
    """Every claim's finding, from stored numbers alone."""
    return tuple(claim.found(claim.evidence(sweeps)) for claim in claims)
