"""Finding 3c of the report: whether other trainings grow the same neurons and features, and what the methods see."""

from __future__ import annotations

from collections.abc import Mapping

from nanoscope.analysis.neurons.universality import UNIVERSAL
from nanoscope.evidence.result import Result
from nanoscope.evidence.stored_study import Study
from nanoscope.experiments.pages import Page
from nanoscope.experiments.universality.judge import CUTS, SAME, found_again, shares_above


def values(study: Study, result: Result) -> Mapping[str, object]:
    """The shares of neurons above Gurnee's cut, and what the planted model shows there; the seeds of the twins that were
    trained again with other weights than in the rest of the study; how many features are found again."""
    own, untrained, found, mistaken = (of[CUTS.index(UNIVERSAL)] for of in shares_above(result.sweeps).values())
    return {
        "other_weights": _other_weights(study, result),
        "own": own,
        "untrained": untrained,
        "found": found,
        "mistaken": mistaken,
        "features": found_again(result.sweeps),
        "same": SAME,
    }


def _other_weights(study: Study, result: Result) -> list[str]:
    mine = [label for label in study.with_role("model") if study.subject(label).family == result.subject.family]
    labels = {study.subject(label).training.get("seed"): label for label in mine}
    twins = zip(result.subject.twins, result.identity["twins"], strict=True)
    return [
        str(twin["seed"])
        for twin, sha256 in twins
        if (label := labels.get(twin["seed"])) and sha256 not in _weights(study, label)
    ]


def _weights(study: Study, label: str) -> set[str]:
    """Checksums of the checkpoints on which the study's results about one model were measured."""
    mine = (result for result in study.results if result.subject.label == label)
    return {str(result.identity["checkpoint"]) for result in mine if "checkpoint" in result.identity}


PAGE = Page(
    "Finding 3c: Do other trainings grow the same neurons and features?",
    figures=("universality_neurons", "universality_features"),
    values=values,
)
