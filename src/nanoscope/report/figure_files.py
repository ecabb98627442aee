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
    return {name: figure_path(study, label, name) for name in open_experiment(result.experiment).drawable(result)}


def _shown(experiment: str, figure: str, study: Study) -> str | None:
    """The path of a figure: the first control's where there is one, since it has what the figure shows."""
    labels = (*study.with_role("control")[:1], *study.with_role("planted"), study.main)
    found = [(label, study.result(label, experiment)) for label in labels]
    drawn = [label for label, one in found if one and figure in open_experiment(experiment).drawable(one)]
    return figure_path(study, drawn[0], figure) if drawn else None


KEY_FIGURES: Mapping[str, Callable[[Study], str | None]] = {
    "induction_patching_effects.png": partial(_shown, "induction", "induction_patching_effects"),
    "induction_logit_lens.png": partial(_shown, "induction", "induction_logit_lens"),
    "attention_pattern_grid.png": partial(_shown, "heads", "heads_grid"),
    "circuit_diagram.png": partial(_shown, "circuits", "circuits_diagram"),
}
"""Figures that are copied beside the report under these names, and where each comes from."""
