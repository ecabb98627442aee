"""Finding 3c of the report: whether other trainings grow the same neurons."""

from __future__ import annotations

from collections.abc import Mapping

from nanoscope.evidence.result import Result
from nanoscope.evidence.stored_study import Study
from nanoscope.experiments.pages import Page


def values(study: Study, result: Result) -> Mapping[str, object]:
    """The seeds of the twins that were trained again and came out with other weights than in the rest of the study."""
    return {"other_weights": _other_weights(study, result)}


def _other_weights(study: Study, result: Result) -> list[str]:
    labels = {study.subject(label).training.get("seed"): label for label in study.with_role("model")}
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


PAGE = Page("Finding 3c: Do other trainings grow the same neurons?", figures=("universality_neurons",), values=values)
