"""Finding 3b of the report: what the hidden units know."""

from __future__ import annotations

from collections.abc import Mapping

from nanoscope.analysis.neurons.output_weights import ROLES
from nanoscope.evidence.result import Result
from nanoscope.evidence.stored_study import Study
from nanoscope.experiments.pages import Page


def values(study: Study, result: Result) -> Mapping[str, object]:
    """The shares of neurons that raise, and that lower, a few characters far beyond the others."""
    return {role: float((result["roles"].values == ROLES.index(role)).mean()) for role in ROLES}


PAGE = Page("Finding 3b: What the hidden units know", figures=("neurons_statistics",), values=values)
