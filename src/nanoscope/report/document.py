"""The whole report: the order of its sections and the files it consists of."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from nanoscope import experiments, files
from nanoscope.evidence.finding import published
from nanoscope.evidence.result import Result
from nanoscope.evidence.stored_study import Study, drawn, read_study
from nanoscope.experiments import open_experiment
from nanoscope.experiments.pages import section
from nanoscope.experiments.todays_words import in_todays_words
from nanoscope.plots.forest import forest
from nanoscope.plots.quality import checklist
from nanoscope.plots.saving import save
from nanoscope.progress import Progress, silent
from nanoscope.report import effects, frame, meaning, methods
from nanoscope.report.figure_files import KEY_FIGURES, figure_paths
from nanoscope.report.overview import of_comparisons, overview

PAGE, FINDINGS, EFFECTS, ANALYSIS = FILES = (
    "FINDINGS.md",
    "findings.json",
    "effects.json",
    "induction_heads_analysis.json",
)
DRAWERS = 2
"""Number of drawing processes: figures take most of a report's time."""


def render(study: Study, quality: methods.Quality) -> str:
    """FINDINGS.md as text. `quality` has the checks of each figure. A study of comparisons alone has no model to describe."""
    findings = [section(study, name) for name in experiments.EXPERIMENTS]
    rest = (frame.figures(study), frame.artifacts(study), frame.references(), frame.updates(study))
    if study.labels:
        before = (overview(study), frame.models(study), effects.section(study))
        after = (meaning.section(study), methods.section(study, quality), frame.limits(study), frame.future(study))
        sections = (*before, *findings, *after, *rest)
    else:
        sections = (of_comparisons(study), *findings, *rest)
    return "\n\n".join(section.strip() for section in sections if section) + "\n"


def write(folder: Path, progress: Progress = silent) -> Path:
    """Write the report into a study's folder: figures, findings.json, effects.json, the analysis file, and FINDINGS.md last."""
    progress("reading the results", 0, 100)
    study = in_todays_words(read_study(folder))
    quality = _draw(study, folder, progress)
    progress("writing the page", 95, 100)
    findings = [
        {"model": result.subject.label, **published(finding), "result": result.key}
        for result in study.results
        for finding in result.findings
    ]
    files.write_json(folder / FINDINGS, findings)
    files.write_json(folder / EFFECTS, effects.stored(study))
    files.write_json(folder / ANALYSIS, _analysis(study))
    for name, source in KEY_FIGURES.items():
        if path := source(study):
            files.write_bytes(folder / name, (folder / path).read_bytes())
    files.write_bytes(folder / PAGE, render(study, quality).encode())
    return folder / PAGE


def _draw(study: Study, folder: Path, progress: Progress) -> dict[str, dict[str, bool]]:
    """Write every figure of every result; returns the checks of each figure by its path."""
    results = drawn(study)
    paths = [figure_paths(study, result) for result in results]
    checked: dict[str, dict[str, bool]] = {}
    with ProcessPoolExecutor(DRAWERS, mp_context=get_context("spawn")) as pool:
        drawing = pool.map(_draw_result, results, paths, repeat(folder))
        for done, result in enumerate(results):
            progress(f"figures of {result.experiment}, {result.subject.label}", 2 + 93 * done // len(results), 100)
            checked |= next(drawing)
    return dict(sorted((checked | _draw_effects(study, folder)).items()))


def _draw_effects(study: Study, folder: Path) -> dict[str, dict[str, bool]]:
    """The forest plot of all effects over trainings, if there are any."""
    rows, title = effects.rows(study)
    if not rows:
        return {}
    figure = forest(rows, title)
    save(figure, folder / effects.FIGURE)
    return {effects.FIGURE: checklist(figure)}


def _draw_result(result: Result, paths: dict[str, str], folder: Path) -> dict[str, dict[str, bool]]:
    quality = {}
    for name, path in paths.items():
        figure = open_experiment(result.experiment).figures[name](result)
        save(figure, folder / path)
        quality[path] = checklist(figure)
    return quality


def _analysis(study: Study) -> dict[str, Any]:
    """Experiment 01 as plain JSON: each model's findings and the scores of all its heads."""
    parts = {}
    for label in study.shown:
        result = study.result(label, "induction")
        if result is not None:
            parts[label] = {
                "result": result.key,
                "findings": [published(finding) for finding in result.findings],
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
