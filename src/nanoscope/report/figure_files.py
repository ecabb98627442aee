"""Paths of a result's figures."""

from __future__ import annotations

from nanoscope.evidence.result import Result
from nanoscope.evidence.stored_study import Study, figure_path
from nanoscope.experiments import open_experiment


def figure_paths(study: Study, result: Result) -> dict[str, str]:
    """The path of each figure of a result, relative to the report."""
    label = result.subject.label
    return {name: figure_path(study, label, name) for name in open_experiment(result.experiment).figures}
