"""Findings: claims together with their measured evidence.

Measured evidence turns a claim, which was declared before any run, into a `Finding`. Its verdict is computed: *supported*
where the interval lies wholly inside the criterion, *not supported* where it lies wholly outside, *straddles the criterion*
where it lies across. Evidence without an interval says why: *too little data*, or *not applicable* where the question has
no object, such as a copying head that does not exist. No number or verdict is typed by hand. Only numbers and names are
stored; `text` is generated from them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from nanoscope import files
from nanoscope.errors import NanoscopeError
from nanoscope.evidence.wording import Fact, fill

Unanswered = Literal["too little data", "not applicable"]
"""Why evidence has no interval."""
Verdict = Literal["supported", "not supported", "straddles the criterion", "too little data", "not applicable"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
DECIDED: tuple[Verdict, ...] = ("supported", "not supported")

Relation = Literal["present", "absent", "equal", "predicts", "necessary for", "sufficient for"]
"""What a claim asserts about its parts."""
Source = Literal["observed", "attributed", "intervened"]
"""Where the evidence comes from: activations and losses as they are; weights, gradients and shares of a sum; or runs with an
intervention."""


@dataclass(frozen=True)
class Criterion:
    """The region an interval must lie in: `>=` or `<=` a threshold, or `within` a margin of it (an equivalence test)."""

    op: Literal[">=", "<=", "within"]
    threshold: float
    margin: float = 0.0

    def verdict(self, low: float, high: float) -> Verdict:
        """The verdict for an interval; "too little data" if either end is NaN."""
        if math.isnan(low) or math.isnan(high):
            return "too little data"
        least, most = self.region
        if least <= low and high <= most:
            return "supported"
        return "not supported" if high < least or low > most else "straddles the criterion"

    @property
    def region(self) -> tuple[float, float]:
        """The least and the greatest value that meet it; infinite where there is no such end."""
        regions = {
            ">=": (self.threshold, math.inf),
            "<=": (-math.inf, self.threshold),
            "within": (self.threshold - self.margin, self.threshold + self.margin),
        }
        return regions[self.op]

    @property
    def edges(self) -> tuple[float, ...]:
        """The finite ends of its region."""
        return tuple(end for end in self.region if math.isfinite(end))

    def __str__(self) -> str:
        return f"{self.threshold:g} ± {self.margin:g}" if self.op == "within" else f"{self.op} {self.threshold:g}"

    @property
    def hash(self) -> str:
        return files.sha256(files.canonical_json(asdict(self)).encode())[:12]


@dataclass(frozen=True)
class Evidence:
    """A measured value with its interval, its sample size `n`, and a null value to compare it with."""

    value: float
    interval: tuple[float, float]
    n: int
    unit: str
    """What n counts: "sequences", "heads", "trainings"."""
    null: float
    facts: Mapping[str, Fact] = field(default_factory=dict)
    """Further measurements that the wording uses, such as which head."""
    why: str = ""
    """The reason for a missing interval: "there is one layer"."""
    instead: Unanswered = "too little data"
    """The verdict where the interval is missing."""

    @staticmethod
    def too_little(
        why: str, n: int, unit: str, null: float = math.nan, facts: Mapping[str, Fact] | None = None
    ) -> Evidence:
        """Evidence without a value, for want of data: `why` says of what."""
        return Evidence(math.nan, (math.nan, math.nan), n, unit, null, facts or {}, why)

    @staticmethod
    def not_applicable(
        why: str, n: int, unit: str, null: float = math.nan, facts: Mapping[str, Fact] | None = None
    ) -> Evidence:
        """Evidence without a value, since the question has no object here: `why` says which is missing."""
        return Evidence(math.nan, (math.nan, math.nan), n, unit, null, facts or {}, why, "not applicable")

    @property
    def measured(self) -> bool:
        """Whether there is an interval to judge; one without ends is none."""
        return all(math.isfinite(end) for end in self.interval)


@dataclass(frozen=True)
class Finding:
    """A claim with its evidence, made by `Claim.found`."""

    id: str
    claim: str
    criterion: Criterion
    evidence: Evidence
    null_is: str
    wording: str
    """The template of `text` for this verdict."""
    figure: str | None
    kind: str
    relation: Relation | None = None
    source: Source | None = None
    """`relation` and `source` are None in a result of an earlier format, whose words are kept as stored."""
    withdrawn: str = ""
    """Why the number answers no question until it is measured again; empty for a sound one."""

    @property
    def verdict(self) -> Verdict:
        return self.criterion.verdict(*self.evidence.interval) if self.evidence.measured else self.evidence.instead

    @property
    def text(self) -> str:
        """The evidence in words."""
        e = self.evidence
        values: dict[str, Fact] = {
            "value": e.value,
            "low": e.interval[0],
            "high": e.interval[1],
            "null": e.null,
            "n": e.n,
        }
        return fill(
            self.wording,
            {
                **values,
                "criterion": str(self.criterion),
                "threshold": f"{self.criterion.threshold:g}",
                "why": e.why,
                **e.facts,
            },
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values, in an order that suits a human reader."""
        optional = {name: value for name in ("relation", "source") if (value := getattr(self, name)) is not None}
        return {
            "id": self.id,
            "claim": self.claim,
            **optional,
            "criterion": {**asdict(self.criterion), "hash": self.criterion.hash},
            "value": _storable(self.evidence.value),
            "interval": [_storable(end) for end in self.evidence.interval],
            "n": self.evidence.n,
            "unit": self.evidence.unit,
            "null": _storable(self.evidence.null),
            "null_is": self.null_is,
            "verdict": self.verdict,
            "wording": self.wording,
            "facts": {name: _storable(fact) for name, fact in self.evidence.facts.items()},
            **({"why": self.evidence.why} if self.evidence.why else {}),
            **({"withdrawn": self.withdrawn} if self.withdrawn else {}),
            "figure": self.figure,
            "kind": self.kind,
        }

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Finding:
        """Read back. The verdict is computed again; NanoscopeError if the stored one differs."""
        criterion = Criterion(**{k: v for k, v in value["criterion"].items() if k != "hash"})
        middle, low, high, null = (
            math.nan if x is None else float(x) for x in (value["value"], *value["interval"], value["null"])
        )
        facts = {name: _restored(fact) for name, fact in value["facts"].items()}
        instead = "not applicable" if value["verdict"] == "not applicable" else "too little data"
        evidence = Evidence(middle, (low, high), value["n"], value["unit"], null, facts, value.get("why", ""), instead)
        finding = Finding(
            value["id"],
            value["claim"],
            criterion,
            evidence,
            value["null_is"],
            value["wording"],
            value["figure"],
            value["kind"],
            value.get("relation"),
            value.get("source"),
            value.get("withdrawn", ""),
        )
        if finding.verdict != value["verdict"]:
            raise NanoscopeError(
                f"finding {finding.id} is stored as {value['verdict']}, but its numbers say {finding.verdict}"
            )
        return finding


def published(finding: Finding) -> dict[str, Any]:
    """A finding as plain values for `findings.json`: its text replaces the wording."""
    content = finding.to_json() | {"wording": finding.text}
    return {("text" if name == "wording" else name): value for name, value in content.items()}


def _storable(fact: Any) -> Any:
    """JSON has no NaN and no infinity: undefined values are stored as null."""
    if isinstance(fact, tuple):
        return [_storable(one) for one in fact]
    return None if isinstance(fact, float) and not math.isfinite(fact) else fact


def _restored(fact: Any) -> Fact:
    if isinstance(fact, list):
        return tuple(_restored(one) for one in fact)
    return math.nan if fact is None else fact
