"""An experiment's section of the report.

A section is a template of the experiment's own (`page.md.j2`) filled from stored results. An experiment without a template
gets the plain section below: question, method, and each answer with its figures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path

from nanoscope.evidence.finding import Finding
from nanoscope.evidence.markdown import evidence_table, link, picture, table, with_interval
from nanoscope.evidence.result import Result
from nanoscope.evidence.stored_study import Study
from nanoscope.evidence.wording import fill_file
from nanoscope.experiments import open_experiment

PLAIN = Path(__file__).with_name("plain_page.md.j2")


@dataclass(frozen=True)
class Chapter:
    """A heading over several experiments' sections. `opening` writes it from the study and the experiments' names."""

    name: str
    opening: Callable[[Study, Sequence[str]], str] | None = None
    """None if the first section brings its own heading."""


@dataclass(frozen=True)
class Page:
    """An experiment's section: the chapter it belongs to, and its text for a study."""

    chapter: Chapter
    section: Callable[[Study], str]


def answers(study: Study, experiment: str) -> tuple[Result, ...]:
    """The results that answer an experiment's question: comparisons, or the experiment on the main model."""
    main = study.result(study.main, experiment)
    return study.compared(experiment) + (() if main is None else (main,))


def plain_page(module: str, chapter: Chapter, needs: str) -> Page:
    """The page of an experiment whose folder holds `method.md`: its title and its method.

    `module` is the experiment's `__name__`; `needs` names what must be trained to measure it, for a study without it.
    """
    return Page(chapter, partial(_plain_section, module, needs))


def _plain_section(module: str, needs: str, study: Study) -> str:
    experiment, folder = module.rpartition(".")[2], Path(str(import_module(module).__file__)).parent
    title, method = (folder / "method.md").read_text(encoding="utf-8").split("\n\n", 1)
    compares = bool(open_experiment(experiment).reads)
    command = "nanoscope study shakespeare-cpu" if compares else f"nanoscope run {experiment} CHECKPOINT"
    found = [_answer(study, result) for result in answers(study, experiment)]
    values = {"title": title, "method": " ".join(method.split()), "needs": needs, "command": command}
    return fill_file(PLAIN, {**values, "answers": found})


def _answer(study: Study, result: Result) -> dict[str, object]:
    """The template's values for one group or model: its findings, and the same claims on the other trainings."""
    label = result.subject.label
    figures = [picture(study, label, name) for name in open_experiment(result.experiment).figures]
    return {
        "label": label,
        "findings": _measured(result),
        "link": link(result),
        "others": _others(study, result.experiment) if label == study.main else "",
        "pictures": figures,
        "table": evidence_table(result),
    }


def _others(study: Study, experiment: str) -> str:
    """The same claims on the other trainings, as a table with one row per training."""
    results = [r for label in study.labels if label != study.main and (r := study.result(label, experiment))]
    if not results:
        return ""
    head = ["", *(finding.claim.rstrip(".") for finding in _measured(results[0]))]
    rows = [
        [f"[{r.subject.label}]({link(r)})", *(f"{with_interval(f)}: {f.verdict}" for f in _measured(r))]
        for r in results
    ]
    return table(head, rows)


def _measured(result: Result) -> list[Finding]:
    return [finding for finding in result.findings if finding.kind == "measurement"]
