"""The report as a whole: the order of its sections, and the files that are written."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from nanoscope import files
from nanoscope.evidence.result import Result
from nanoscope.evidence.stored_study import Study, drawn, read_study
from nanoscope.experiments import open_experiment
from nanoscope.experiments.heads import page as finding_two
from nanoscope.experiments.induction import page as finding_one
from nanoscope.experiments.lenses import page as finding_three
from nanoscope.experiments.neurons import page as neurons
from nanoscope.plots.quality import checklist
from nanoscope.plots.style import save_png
from nanoscope.report import finding_four, frame, methods
from nanoscope.report.figure_files import places

DRAWERS = 2
"""Processes that draw: figures take most of a report's time."""


def render(study: Study, quality: methods.Quality) -> str:
    """FINDINGS.md as text. `quality` says of each figure which checks it passes."""
    sections = (
        frame.head(study),
        frame.models(study),
        finding_one.section(study),
        finding_two.section(study),
        f"{finding_three.section(study)}\n\n{neurons.section(study)}",
        finding_four.section(study),
        methods.section(study, quality),
        frame.reproducibility(study),
        frame.future(study),
        frame.figures(study),
        frame.artifacts(study),
        frame.references(),
        frame.updates(study),
    )
    return "\n\n---\n\n".join(section.strip() for section in sections) + "\n"


def write(folder: Path) -> Path:
    """Render everything into a study's folder: figures, findings.json, the analysis file, and FINDINGS.md last."""
    study = read_study(folder)
    quality = _draw(study, folder)
    findings = [
        {"model": result.subject.label, **finding.to_json(), "result": result.key}
        for result in study.results
        for finding in result.findings
    ]
    files.write_json(folder / "findings.json", findings)
    files.write_json(folder / "induction_heads_analysis.json", _analysis(study))
    files.write_bytes(folder / "FINDINGS.md", render(study, quality).encode())
    return folder / "FINDINGS.md"


def _draw(study: Study, folder: Path) -> dict[str, dict[str, bool]]:
    """Write every figure of every result, in two processes; gives which checks each one passes."""
    results = drawn(study)
    paths = [places(study, result) for result in results]
    with ProcessPoolExecutor(DRAWERS, mp_context=get_context("spawn")) as pool:
        checked = pool.map(_draw_result, results, paths, repeat(folder))
        return dict(sorted((path, passed) for one in checked for path, passed in one.items()))


def _draw_result(result: Result, places: dict[str, str], folder: Path) -> dict[str, dict[str, bool]]:
    quality = {}
    for name, path in places.items():
        figure = open_experiment(result.experiment).figures[name](result)
        save_png(figure, folder / path)
        quality[path] = checklist(figure)
    return quality


def _analysis(study: Study) -> dict[str, Any]:
    """Experiment 01 in one file that any program can read: per model its findings and every head's scores."""
    parts = {}
    for label in study.shown:
        result = study.result(label, "induction")
        if result is not None:
            parts[label] = {
                "result": result.key,
                "findings": [finding.to_json() for finding in result.findings],
                "heads": _heads(result),
            }
    return parts


def _heads(result: Result) -> list[dict[str, Any]]:
    scores = result["scores_report"].mean("example")
    lowest = scores.values.min(axis=0)
    copying, p = result["copying_effective"].values, result["permutation_p"].values
    rows = []
    for layer in range(lowest.shape[1]):
        for head in range(lowest.shape[2]):
            named = {str(s): float(lowest[i, layer, head]) for i, s in enumerate(scores.labels("score"))}
            weights = {"copying": float(copying[layer, head]), "p": float(p[layer, head])}
            rows.append({"layer": layer, "head": head, **named, **weights})
    return rows
