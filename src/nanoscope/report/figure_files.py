"""Where the figures of a result lie."""

from __future__ import annotations

from nanoscope.evidence.result import Result
from nanoscope.evidence.stored_study import Study, figure_path
from nanoscope.experiments import open_experiment


def places(study: Study, result: Result) -> dict[str, str]:
    """Where each figure of a result lies, seen from the report."""
    label = result.subject.label
    return {name: figure_path(study, label, name) for name in open_experiment(result.experiment).figures}
