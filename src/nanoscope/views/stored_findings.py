"""A study's findings as values: the report for those who look rather than read.

Every claim comes with its question and answer, its effect over all trainings with interval, criterion and null, what each
training alone says, and what models of known answer say. Nothing is measured here, and nothing is read from a written report:
the numbers are those of the stored results, by the functions that the report uses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nanoscope import experiments
from nanoscope.evidence.answer import Answer, answers
from nanoscope.evidence.effect import Effect
from nanoscope.evidence.finding import Criterion, Evidence, Finding
from nanoscope.evidence.result import Result
from nanoscope.evidence.stored_study import Study
from nanoscope.experiments import open_experiment
from nanoscope.experiments.claims_table import beside, over_trainings
from nanoscope.experiments.experiment import Experiment
from nanoscope.experiments.pages import Page


@dataclass(frozen=True)
class Told:
    """What one training, or one recipe, says of a claim; NaN where it was not measured."""

    name: str
    verdict: str
    value: float
    low: float
    high: float
    n: int
    unit: str
    """What `n` counts."""
    why: str
    """The reason for a missing interval."""


@dataclass(frozen=True)
class ShownClaim:
    """A claim with all that speaks for and against it."""

    id: str
    sentence: str
    question: str
    """The question that it answers; empty where none is asked."""
    reply: str
    size: str
    key: bool
    """Whether the question stands on the report's first screen."""
    trainings_agree: str
    """`5 of 6`; empty for a single training."""
    effect: Told
    """Over all trainings; its verdict is that among all claims."""
    alone: str
    """The verdict of the claim alone, where the p-value adjusted for all claims takes its decision back."""
    adjusted: float
    """The adjusted p-value."""
    criterion: str
    region: tuple[float, float]
    """The least and the greatest value that meet the criterion; infinite where there is no such end."""
    null: float
    null_is: str
    words: str
    """The first training's evidence as a sentence."""
    trainings: tuple[Told, ...]
    beside: tuple[Told, ...]
    """Models of known answer, other texts, other recipes."""
    figure: str
    """The figure that shows it, one of its section's; empty for none."""


@dataclass(frozen=True)
class Figure:
    """A figure of a stored result."""

    result: str
    """The result's key."""
    name: str
    of: str
    """The model that it shows."""


@dataclass(frozen=True)
class ShownSection:
    """One experiment's findings on the model that the study is about."""

    experiment: str
    title: str
    asks: str
    subject: str
    result: str
    date: str
    note: str
    claims: tuple[ShownClaim, ...]
    figures: tuple[Figure, ...]


def sections(study: Study) -> tuple[ShownSection, ...]:
    """The findings of every experiment that was measured, in the report's order."""
    opened = ((open_experiment(name), study.main_result(name)) for name in experiments.EXPERIMENTS)
    return tuple(_section(study, one, one.page, result) for one, result in opened if one.page and result)


def _section(study: Study, experiment: Experiment, page: Page, result: Result) -> ShownSection:
    found = [finding for finding in result.findings if finding.kind == "measurement"]
    asked = {one.claim: one for one in answers(experiment.questions, result, study.recipe(result))}
    figures = _figures(study, page, result, found)
    drawn = tuple(figure.name for figure in figures if figure.result == result.key)
    return ShownSection(
        result.experiment,
        page.title,
        experiment.question,
        result.subject.family or result.subject.label,
        result.key,
        str(result.provenance["date"]),
        result.note,
        tuple(_claim(study, result, finding, asked.get(finding.id), drawn) for finding in found),
        figures,
    )


def _figures(study: Study, page: Page, result: Result, found: list[Finding]) -> tuple[Figure, ...]:
    """The figures that the report's section shows and those that its claims name, then the control's."""
    named = dict.fromkeys([*page.figures, *(finding.figure for finding in found if finding.figure)])
    control = next(
        (r for label in study.with_role("control")[:1] if (r := study.result(label, result.experiment))), None
    )
    return (
        *_drawable(result, [name for name in named if name]),
        *(_drawable(control, page.control) if control and control is not result else ()),
    )


def _drawable(result: Result, names: list[str] | tuple[str, ...]) -> tuple[Figure, ...]:
    drawn = open_experiment(result.experiment).drawable(result)
    return tuple(Figure(result.key, name, result.subject.label) for name in names if name in drawn)


def _claim(study: Study, result: Result, finding: Finding, asked: Answer | None, drawn: tuple[str, ...]) -> ShownClaim:
    effect = study.recipe(result).get(finding.id)
    criterion = effect.criterion if effect else finding.criterion
    evidence = effect.evidence if effect else finding.evidence
    return ShownClaim(
        finding.id,
        finding.claim,
        asked.ask if asked else "",
        asked.reply if asked else "",
        asked.size if asked else "",
        asked.key if asked else False,
        over_trainings(study, result, finding.id),
        _effect("all trainings" if effect and effect.spread else result.subject.label, effect, finding),
        effect.plain if effect and effect.taken_back else "",
        effect.adjusted if effect else float("nan"),
        str(criterion),
        criterion.region,
        evidence.null,
        finding.null_is,
        finding.withdrawn or finding.text,
        _trainings(study, result, criterion, finding.id),
        _beside(study, result, finding.id),
        finding.figure if finding.figure in drawn else next(iter(drawn), ""),
    )  # fmt: skip


def _effect(name: str, effect: Effect | None, finding: Finding) -> Told:
    """The effect over trainings; a withdrawn claim has none."""
    if effect is None:
        return _told(
            name, "withdrawn", Evidence.too_little(finding.withdrawn, finding.evidence.n, finding.evidence.unit)
        )
    return _told(name, effect.verdict, effect.evidence)


def _trainings(study: Study, result: Result, criterion: Criterion, claim: str) -> tuple[Told, ...]:
    """Each training alone; one judged by another criterion is not comparable and left out."""
    found = ((other.subject, other.finding_if_any(claim)) for other in study.trainings(result))
    return tuple(
        _told(subject.label if subject.seed is None else f"seed {subject.seed}", one.verdict, one.evidence)
        for subject, one in found
        if one is not None and one.criterion == criterion and not one.withdrawn
    )


def _beside(study: Study, result: Result, claim: str) -> tuple[Told, ...]:
    there: list[tuple[Result, Mapping[str, Effect]]] = [(other, study.recipe(other)) for other in beside(study, result)]
    return tuple(
        _told(other.subject.family or other.subject.label, found[claim].verdict, found[claim].evidence)
        for other, found in there
        if claim in found
    )


def _told(name: str, verdict: str, evidence: Evidence) -> Told:
    low, high = evidence.interval
    return Told(name, verdict, evidence.value, low, high, evidence.n, evidence.unit, evidence.why)
