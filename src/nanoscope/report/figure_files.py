"""Paths of a result's figures, and the key figures that also lie beside the report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from nanoscope.evidence.result import Result
from nanoscope.evidence.stored_study import Study, figure_path
from nanoscope.experiments import open_experiment


def figure_paths(study: Study, result: Result) -> dict[str, str]:
    """The path of each figure of a result, relative to the report."""
    label = result.subject.label
    return {name: figure_path(study, label, name) for name in open_experiment(result.experiment).figures}


def _shown(experiment: str, figure: str, study: Study) -> str | None:
    """The path of a figure: the first control's where there is one, since it has what the figure shows."""
    labels = (*study.with_role("control")[:1], *study.with_role("planted"), study.main)
    measured = [label for label in labels if study.result(label, experiment) is not None]
    return figure_path(study, measured[0], figure) if measured else None


KEY_FIGURES: Mapping[str, Callable[[Study], str | None]] = {
    "induction_patching_effects.png": partial(_shown, "induction", "induction_patching_effects"),
    "induction_logit_lens.png": partial(_shown, "induction", "induction_logit_lens"),
    "attention_pattern_grid.png": partial(_shown, "heads", "heads_grid"),
}
"""Figures that are copied beside the report under these names, and where each comes from."""
