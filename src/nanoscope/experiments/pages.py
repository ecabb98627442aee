"""An experiment's section of the report: its answers, a table of its claims, figures, what they mean, and the method.

All sections have one form (`section.md.j2`). What is an experiment's own lies in its folder, in `page.md.j2`: a block
`meaning` of about three sentences, a block `method`, and if it has further tables a block `more`. They are filled with the
values of `Page.values` and those of `_words`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path

from nanoscope import experiments
from nanoscope.evidence.answer import Answer, Question, Reply, answers, reply
from nanoscope.evidence.finding import Finding
from nanoscope.evidence.markdown import link, picture
from nanoscope.evidence.result import Result
from nanoscope.evidence.stored_study import Study
from nanoscope.evidence.wording import fill_block, fill_file
from nanoscope.experiments import open_experiment
from nanoscope.experiments.claims_table import claims_table, lent, over_trainings, told_in_a_line

SECTION = Path(__file__).with_name("section.md.j2")


def _nothing(study: Study, result: Result) -> Mapping[str, object]:
    return {}


@dataclass(frozen=True)
class Page:
    """How an experiment appears in the report."""

    title: str
    figures: tuple[str, ...]
    """The two or three of its figures that the section shows, for the model (or the group) that the report is about."""
    values: Callable[[Study, Result], Mapping[str, object]] = _nothing
    """Further values of its template, from the study and the result that the section is about."""
    control: tuple[str, ...] = ()
    """Figures that are shown for the positive control instead."""


def main_result(study: Study, experiment: str) -> Result | None:
    """The result that a section is about: on the main model, or the first comparison of trainings; None if there is none."""
    return study.main_result(experiment)


def study_answers(study: Study) -> list[tuple[Answer, str]]:
    """All answers on the main model in the order of the sections, each with the number of trainings that agree."""
    found = []
    for name in experiments.EXPERIMENTS:
        experiment, result = open_experiment(name), main_result(study, name)
        if result is not None:
            replies = answers(experiment.questions, result, study.effects)
            found += [(one, over_trainings(study, result, one.claim)) for one in replies]
    return found


def section(study: Study, name: str) -> str:
    """The section of one experiment; an empty text if it has none or was not measured."""
    experiment, result = open_experiment(name), main_result(study, name)
    page = experiment.page
    if page is None or result is None:
        return ""
    values = {**_words(study, experiment.questions, result), **page.values(study, result)}
    template = Path(str(import_module(experiment.module).__file__)).with_name("page.md.j2")
    controls = [label for label in study.with_role("control")[:1] if study.result(label, name)]
    drawn = experiment.drawable(result)
    line = told_in_a_line(study, result)
    return fill_file(
        SECTION,
        {
            "title": page.title,
            "answers": _to_show(answers(experiment.questions, result, study.effects)),
            "line": line,
            "table": "" if line else claims_table(study, result),
            "pictures": [
                *(picture(study, result.subject.label, figure) for figure in page.figures if figure in drawn),
                *(picture(study, label, figure) for label in controls for figure in page.control),
            ],
            **{block: fill_block(template, block, values) for block in ("meaning", "method", "more")},
            "evidence": _evidence(study, result),
        },
    )


def _to_show(found: Sequence[Answer]) -> Sequence[Answer]:
    """The answers without those to questions that have no object or are withdrawn: the table of claims says why. If none has
    an object, all."""
    told = [one for one in found if one.reply != "withdrawn"]
    return [one for one in told if one.reply != "does not apply"] or told


def _words(study: Study, questions: Sequence[Question], result: Result) -> Mapping[str, object]:
    """What every page template may use: `reply("heads")`, `found("heads")` and the subject's name."""
    return {
        "main": result.subject.label,
        "reply": partial(_reply, study, questions, result),
        "found": partial(_found, result),
        "models": len(study.replicates),
    }


def _reply(study: Study, questions: Sequence[Question], result: Result, claim: str) -> Reply | None:
    """The reply to the question about a claim, over all trainings; None if it was not judged."""
    found = _found(result, claim)
    asked = next(question for question in questions if question.claim == f"{result.experiment}.{claim}")
    return reply(asked, found, study.recipe(result).get(found.id)) if found else None


def _found(result: Result, claim: str) -> Finding | None:
    return result.finding_if_any(f"{result.experiment}.{claim}")


def _evidence(study: Study, result: Result) -> str:
    """A link to the stored numbers, where those of other models are, and remarks on their versions."""
    measured = [other for other in study.results if other.experiment == result.experiment]
    notes = sorted({f"{other.subject.family or other.subject.label}: {other.note}" for other in measured if other.note})
    again = dict.fromkeys(
        other.subject.family or other.subject.label for other in measured if _trained_again(study, other)
    )
    notes += [
        f"{name} was trained again for this, by the same recipe and seeds but on another machine, so its weights are not those "
        "of the other findings"
        for name in again
    ]
    known = ", ".join(other.subject.family or other.subject.label for other in lent(study, result))
    notes += [f"the columns of {known} come with the package"] if known else []
    others = "; those of the other models: [findings.json](findings.json)" if len(measured) > 1 else ""
    return f"Stored numbers: [{result.subject.label}]({link(result)}){others}." + "".join(
        f" ({note[:1].upper()}{note[1:]}.)" for note in notes
    )


def _trained_again(study: Study, result: Result) -> bool:
    """Whether most results on the model of this name are on other weights."""
    weights = [
        other.identity["checkpoint"]
        for other in study.results
        if other.subject.label == result.subject.label and "checkpoint" in other.identity
    ]
    mine = result.identity.get("checkpoint")
    return mine is not None and 2 * weights.count(mine) <= len(weights) and len(set(weights)) > 1
