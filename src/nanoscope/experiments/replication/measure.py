"""Finding 4c, the numbers: the similarity of matched heads, and every claim's verdict in every training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from nanoscope.analysis.attention import matching
from nanoscope.errors import NanoscopeError
from nanoscope.evidence.finding import Finding, Verdict
from nanoscope.evidence.result import Result
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.experiment import Group, Sweeps

READS = ("profile", "induction", "emergence", "heads", "lenses", "neurons", "failures")
VERDICT: Mapping[Verdict, int] = {"supported": 1, "not supported": -1}
"""How a verdict is stored; every verdict that decides nothing is `OPEN`."""
OPEN = 0
ENDS = ("value", "low", "high")
FEWEST = 2


@dataclass(frozen=True)
class Params:
    """There are no settings: all measured claims are compared."""


def measure(group: Group, params: Params) -> Sweeps:
    """Verdicts `[claim, training]` of the claims judged in all trainings, and agreement of heads `[training, other,
    assignment]`. NanoscopeError for fewer than two trainings."""
    names = tuple(dict.fromkeys(result.subject.label for result in group.results))
    if len(names) < FEWEST:
        raise NanoscopeError(f"{group.label}: replication needs at least {FEWEST} trainings, not {len(names)}")
    findings = {name: _findings(group, name) for name in names}
    claims = tuple(id for id in findings[names[0]] if all(id in mine for mine in findings.values()))
    verdicts = np.array([[VERDICT.get(findings[name][id].verdict, OPEN) for name in names] for id in claims])
    values = np.array([[_ends(findings[name][id]) for name in names] for id in claims])
    by_claim = {"claim": claims, "training": names}
    return {
        "verdicts": Sweep(verdicts, ("claim", "training"), "1: supported, 0: not decided, -1: not", by_claim),
        "values": Sweep(values, ("claim", "training", "end"), "as in the claim", {**by_claim, "end": ENDS}),
        **_heads(group.of("heads"), names),
    }


def _findings(group: Group, label: str) -> dict[str, Finding]:
    """One model's findings by id, without timings."""
    mine = [result for result in group.results if result.subject.label == label]
    found = [finding for result in mine for finding in result.findings]
    return {finding.id: finding for finding in found if finding.kind == "measurement"}


def _ends(finding: Finding) -> tuple[float, float, float]:
    return (finding.evidence.value, *finding.evidence.interval)


def _heads(results: tuple[Result, ...], names: tuple[str, ...]) -> Sweeps:
    """Agreement of the heads of each pair of trainings, and the layer and score of the best head of each class."""
    if len(results) < len(names):
        return {}
    labels = results[0]["scores_report"].labels("cls")
    select, report = (
        np.stack([result[f"scores_{half}"].values for result in results]) for half in ("select", "report")
    )
    profiles = [matching.profiles(scores) for scores in (select, report)]
    heads, count = report.shape[-1], len(names)
    agreement = np.full((count, count, len(matching.ASSIGNMENTS)), np.nan)
    layers = np.full((count, count, report.shape[2], report.shape[2]), np.nan)
    for one, other in ((a, b) for a in range(count) for b in range(count) if a != b):
        chosen, read = (matching.similarity(half[one], half[other]) for half in profiles)
        agreement[one, other] = matching.agreement(chosen, read, heads)
        layers[one, other] = matching.layers_matched(chosen, read, heads)
    best = report.reshape(*report.shape[:2], -1).argmax(-1) // heads
    return {
        "agreement": Sweep(agreement, ("training", "other", "assignment"), "cosine",
                           {"training": names, "other": names, "assignment": matching.ASSIGNMENTS}),
        "layers_matched": Sweep(layers, ("training", "other", "layer", "other_layer"), "cosine",
                                {"training": names, "other": names}),
        "depth": Sweep(best, ("training", "cls"), "layer", {"training": names, "cls": labels}),
        "best": Sweep(report.max((-2, -1)), ("training", "cls"), "share above chance", {"training": names, "cls": labels}),
        "layers": Sweep(np.array(report.shape[2]), (), "layers"),
    }  # fmt: skip
