"""Claims as they were declared: goes when every experiment's are entries of `evidence.claim`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nanoscope.errors import NanoscopeError
from nanoscope.evidence.finding import VERDICTS, Criterion, Evidence, Finding, Verdict


@dataclass(frozen=True)
class Claim:
    """A sentence with its criterion and a fragment of prose per verdict."""

    id: str
    sentence: str
    criterion: Criterion
    prose: Mapping[Verdict, str]
    null_is: str
    figure: str | None = None
    kind: str = "measurement"

    def __post_init__(self) -> None:
        if set(self.prose) != set(VERDICTS):
            raise NanoscopeError(f"claim {self.id} needs one fragment of prose for each verdict")

    def found(self, evidence: Evidence) -> Finding:
        """The finding that this evidence makes of the claim."""
        text = self.prose[self.criterion.verdict(*evidence.interval)]
        return Finding(self.id, self.sentence, self.criterion, evidence, self.null_is, text, self.figure, self.kind)
