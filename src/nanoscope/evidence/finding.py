"""Findings: sentences that cannot exist without their evidence.

A `Claim` is declared before any run: a sentence, a criterion, and what is to be said under each verdict. Measured
evidence turns it into a `Finding`, which computes its own verdict: *supported* where the interval lies wholly inside
the criterion, *not supported* where it lies wholly outside, *undecided* else. Nobody types a number or a verdict.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from nanoscope import files
from nanoscope.errors import NanoscopeError

Verdict = Literal["supported", "not supported", "undecided"]
VERDICTS: tuple[Verdict, ...] = ("supported", "not supported", "undecided")


@dataclass(frozen=True)
class Criterion:
    """What an interval must lie inside: `>=` or `<=` a threshold, or `within` a margin of it (an equivalence)."""

    op: Literal[">=", "<=", "within"]
    threshold: float
    margin: float = 0.0

    def verdict(self, low: float, high: float) -> Verdict:
        """Where an interval lies. An interval with a NaN in it decides nothing."""
        if math.isnan(low) or math.isnan(high):
            return "undecided"
        least, most = {
            ">=": (self.threshold, math.inf),
            "<=": (-math.inf, self.threshold),
            "within": (self.threshold - self.margin, self.threshold + self.margin),
        }[self.op]
        if least <= low and high <= most:
            return "supported"
        return "not supported" if high < least or low > most else "undecided"

    def __str__(self) -> str:
        return f"{self.threshold:g} ± {self.margin:g}" if self.op == "within" else f"{self.op} {self.threshold:g}"

    @property
    def hash(self) -> str:
        return files.sha256(files.canonical_json(asdict(self)).encode())[:12]


@dataclass(frozen=True)
class Evidence:
    """What was measured: a value with its interval, over how many of what, beside a null."""

    value: float
    interval: tuple[float, float]
    n: int
    unit: str
    """What n counts: "sequences", "heads", "trainings"."""
    null: float
    facts: Mapping[str, str] = field(default_factory=dict)
    """Further measured things that the prose names, such as which head."""


@dataclass(frozen=True)
class Claim:
    """A sentence with its criterion. `prose` has one fragment per verdict, with {value}, {low}, {high}, {n}, {null},
    {threshold} and the evidence's facts to fill in; `null_is` says what the null is."""

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
        low, high = evidence.interval
        verdict = self.criterion.verdict(low, high)
        numbers = {"value": evidence.value, "low": low, "high": high, "null": evidence.null}
        written = {name: number(x) for name, x in numbers.items()} | {"n": f"{evidence.n:,}"}
        text = self.prose[verdict].format(**written, threshold=f"{self.criterion.threshold:g}", **evidence.facts)
        return Finding(self.id, self.sentence, self.criterion, evidence, self.null_is, text, self.figure, self.kind)


@dataclass(frozen=True)
class Finding:
    """A claim with its evidence, made by `Claim.found`."""

    id: str
    claim: str
    criterion: Criterion
    evidence: Evidence
    null_is: str
    text: str
    figure: str | None
    kind: str

    @property
    def verdict(self) -> Verdict:
        return self.criterion.verdict(*self.evidence.interval)

    def to_json(self) -> dict[str, Any]:
        """Plain values, in the order in which a reader wants them."""
        return {
            "id": self.id,
            "claim": self.claim,
            "criterion": {**asdict(self.criterion), "hash": self.criterion.hash},
            "value": _storable(self.evidence.value),
            "interval": [_storable(end) for end in self.evidence.interval],
            "n": self.evidence.n,
            "unit": self.evidence.unit,
            "null": _storable(self.evidence.null),
            "null_is": self.null_is,
            "verdict": self.verdict,
            "text": self.text,
            "facts": dict(self.evidence.facts),
            "figure": self.figure,
            "kind": self.kind,
        }

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Finding:
        """Read back; the verdict is computed again, and a stored one that differs is an error."""
        criterion = Criterion(**{k: v for k, v in value["criterion"].items() if k != "hash"})
        middle, low, high, null = (_restored(x) for x in (value["value"], *value["interval"], value["null"]))
        evidence = Evidence(middle, (low, high), value["n"], value["unit"], null, value["facts"])
        finding = Finding(
            value["id"],
            value["claim"],
            criterion,
            evidence,
            value["null_is"],
            value["text"],
            value["figure"],
            value["kind"],
        )
        if finding.verdict != value["verdict"]:
            raise NanoscopeError(f"finding {finding.id} says {value['verdict']}, but its numbers say {finding.verdict}")
        return finding


def _storable(x: float) -> float | None:
    """JSON has no NaN and no infinity: what is undefined is stored as null."""
    return x if math.isfinite(x) else None


def _restored(x: float | None) -> float:
    return math.nan if x is None else x


def number(x: float, digits: int = 3) -> str:
    """A measured number for a sentence: three significant digits, no more than four decimals, no scientific notation."""
    if not math.isfinite(x):
        return "undefined"
    if abs(x) < 5e-5:
        return "0"
    size = math.floor(math.log10(float(f"{abs(x):.{digits - 1}e}")))
    return f"{x:,.{max(0, min(4, digits - 1 - size))}f}"
