"""A stored result's figure as a picture: the file that the report wrote, or drawn from the numbers."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Literal

from nanoscope.errors import NanoscopeError
from nanoscope.evidence.stored_study import Study, figure_path
from nanoscope.experiments import open_experiment
from nanoscope.plots.saving import save

Kind = Literal["png", "svg"]


def picture(study: Study, folder: Path, key: str, figure: str, kind: Kind = "png") -> bytes:
    """One figure of one of the study's results. NanoscopeError if there is no such result, or no such figure of it."""
    result = next((result for result in study.results if result.key == key), None)
    if result is None:
        raise NanoscopeError(f"the study has no result {key}")
    draw = open_experiment(result.experiment).drawable(result).get(figure)
    if draw is None:
        raise NanoscopeError(f"{key} has no figure {figure}")
    written = folder / figure_path(study, result.subject.label, figure)
    if kind == "png" and written.exists():
        return written.read_bytes()
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / f"figure.{kind}"
        save(draw(result), path)
        return path.read_bytes()
