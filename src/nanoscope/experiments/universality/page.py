"""A part of the report's section on neurons: whether other trainings grow the same ones."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nanoscope.evidence.markdown import evidence_table, link, picture, said
from nanoscope.evidence.result import Result
from nanoscope.evidence.stored_study import Study
from nanoscope.evidence.wording import fill_file


def across_trainings(study: Study, label: str) -> str:
    """The results on one model; an empty text if it was compared with no other training."""
    result = study.result(label, "universality")
    if result is None:
        return ""
    values = {
        "findings": said(result, "some", "alike", "sees"),
        "other_weights": _other_weights(study, result),
        "link": link(result),
        "picture": picture(study, label, "universality_neurons"),
        "table": evidence_table(result),
    }
    return fill_file(Path(__file__).with_name("page.md.j2"), values)


def _other_weights(study: Study, result: Result) -> list[dict[str, str]]:
    """The twins whose weights differ from those in the rest of the study: their seeds, and their losses in both."""
    labels = {study.subject(label).training.get("seed"): label for label in study.with_role("model")}
    twins = zip(result.subject.twins, result.identity["twins"], strict=True)
    return [
        {"seed": str(twin["seed"]), "here": _loss(twin), "there": _loss(study.subject(label).training)}
        for twin, sha256 in twins
        if (label := labels.get(twin["seed"])) and sha256 not in _weights(study, label)
    ]


def _weights(study: Study, label: str) -> set[str]:
    """Checksums of the checkpoints on which the study's results about one model were measured."""
    mine = (result for result in study.results if result.subject.label == label)
    return {str(result.identity["checkpoint"]) for result in mine if "checkpoint" in result.identity}


def _loss(training: Mapping[str, Any]) -> str:
    return f"{training['val_loss']:.4f}" if "val_loss" in training else "unknown"
