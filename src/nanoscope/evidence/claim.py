"""Claims: sentences with the criterion for accepting them, declared before any run.

A claim is one entry: its sentence and the relation it asserts, the criterion, the kind of evidence it needs, the function
that gathers this evidence from stored numbers, and the words of the answer. A causal sentence ("necessary for",
"sufficient for") needs an intervention; a correlation is not enough.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from nanoscope.errors import NanoscopeError
from nanoscope.evidence.finding import Criterion, Evidence, Finding, Relation, Source, Verdict
from nanoscope.evidence.sweep import Sweep

Sweeps = Mapping[str, Sweep]
CAUSAL: tuple[Relation, ...] = ("necessary for", "sufficient for")
SHORT: Mapping[str, str] = {
    ">=": ": below the required {threshold}",
    "<=": ": above the allowed {threshold}",
    "within": ": outside the margin",
}
"""The default clause of a claim that is not supported, by the criterion's operator."""


@dataclass(frozen=True)
class Claim:
    """A sentence with its criterion, the function that gathers its evidence, and the words of its answer.

    `measured` is the sentence that reports the numbers (without its full stop); `clauses` holds what follows it under each
    verdict. Both are wordings (`evidence.wording`) of {value}, {low}, {high}, {n}, {null}, {threshold} and the facts.
    """

    id: str
    sentence: str
    relation: Relation
    source: Source
    criterion: Criterion
    evidence: Callable[[Sweeps], Evidence]
    null_is: str
    """What the null value describes."""
    measured: str
    clauses: Mapping[Verdict, str] = field(default_factory=dict)
    figure: str | None = None
    kind: str = "measurement"
    withdrawn: str = ""
    """Why its number answers nothing until it is measured in another way; empty for a sound claim."""
    sound_from: int = 0
    """The version of the experiment that measures a withdrawn claim in another way; 0 while none does."""

    def __post_init__(self) -> None:
        if self.relation in CAUSAL and self.source != "intervened":
            raise NanoscopeError(
                f"claim {self.id} asserts {self.relation!r}, which takes an intervention; its evidence is only {self.source}"
            )

    def withdrawn_in(self, version: int) -> str:
        """Why a number that this version of the experiment measured answers nothing; empty if it does."""
        return "" if self.sound_from and version >= self.sound_from else self.withdrawn

    def wording(self, evidence: Evidence) -> str:
        """The template of the sentence for this evidence: the measured sentence and the clause of its verdict."""
        if not evidence.measured:
            return f'Not judged ("{self.sentence.rstrip(".")}"): {{why}}.'
        verdict = self.criterion.verdict(*evidence.interval)
        defaults = {
            "not supported": SHORT[self.criterion.op],
            "straddles the criterion": ", which does not decide it (criterion: {criterion})",
        }
        clause = self.clauses.get(verdict, defaults.get(verdict, ""))
        return f"{self.measured}{clause}."

    def found(self, evidence: Evidence) -> Finding:
        """The finding: this claim with its evidence and the words for it."""
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
            "" if self.sound_from else self.withdrawn,
        )


def judged(claims: Sequence[Claim], sweeps: Sweeps) -> tuple[Finding, ...]:
    """Every claim's finding, from stored numbers alone."""
    return tuple(claim.found(claim.evidence(sweeps)) for claim in claims)
