"""The report's first screen: what was asked, the plain answers with one figure, what to trust and what is unknown."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from nanoscope.evidence.answer import Answer
from nanoscope.evidence.finding import DECIDED
from nanoscope.evidence.markdown import picture, table
from nanoscope.evidence.result import Result
from nanoscope.evidence.stored_study import Study
from nanoscope.evidence.subject import StoredSubject
from nanoscope.evidence.wording import fill_file
from nanoscope.experiments.claims_table import beside, interval
from nanoscope.experiments.pages import main_result, study_answers
from nanoscope.report.frame import PUBLISHED

NANOGPT, ITS_TEXT = 5000 * 64 * 256, "tiny-shakespeare"
"""Characters that nanoGPT's own recipe reads of its text: iterations x windows x characters."""
FIRST_FIGURE = (
    ("profile", "profile_parts"),
    ("evolution", "evolution_curves"),
    ("heads", "heads_taxonomy"),
    ("induction", "induction_head_scores"),
    ("lenses", "lenses_example"),
    ("neurons", "neurons_statistics"),
    ("failures", "failures_auroc"),
)
"""An experiment and its figure, in order of preference."""
WORDS = 1000
"""A vocabulary of as many symbols is not one of characters."""
SHOWN = 12
"""The most answers on the first screen."""


def overview(study: Study) -> str:
    """The first screen, for a study of a preset or for a user's own results."""
    found = [(one, count) for one, count in study_answers(study) if one.reply != "does not apply"]
    keys = [(one, count) for one, count in found if one.key] or found
    shown = sorted(keys, key=lambda each: _about(study, each[0]) != "")[:SHOWN]  # those of the main model first
    subject = study.subject(study.main)
    return fill_file(
        Path(__file__).with_suffix(".md.j2"),
        {
            "main": study.main,
            "family": subject.family or study.main,
            "date": study.date,
            "config": subject.config,
            "parameters": subject.parameters,
            "corpus": subject.corpus,
            "training": _training(subject),
            "models": len(study.replicates),
            "beside": _beside(study),
            "answers": _table(study, shown),
            "unit": "character" if subject.config["vocab_size"] < WORDS else "token",
            "uniform": math.log(subject.config["vocab_size"]),
            "heads": any("H" in one.size for one, _ in shown),
            "published": study.name == PUBLISHED,
            "otherwise": _otherwise(study, [one for one, _ in found]),
            "picture": _figure(study),
            "decided": _decided(study),
            "withdrawn": _asked(study, [one for one, _ in found if one.reply == "withdrawn"]),
            "unclear": _asked(study, [one for one, _ in found if one.reply == "cannot tell"]),
            "absences": _absences(study),
        },
    )


def of_comparisons(study: Study) -> str:
    """The first screen of a study that compares trainings and describes none of them."""
    found = study_answers(study)
    return f"# What was found over {study.main}\n\n{_table(study, found)}\n\nResults as of {study.date}."


def _table(study: Study, answers: list[tuple[Answer, str]]) -> str:
    rows = [
        [one.ask, f"**{one.reply}**", one.size + _about(study, one), _over(study, one, count)] for one, count in answers
    ]
    return table(["question", "answer", "size of the effect", "trainings"], rows)


def _about(study: Study, one: Answer) -> str:
    """The models that an answer is about, in brackets; an empty text if it is the main model."""
    result = study.main_result(one.claim.split(".", maxsplit=1)[0])
    return "" if result is None or result.subject.label == study.main else f" ({result.subject.label})"


def _over(study: Study, one: Answer, count: str) -> str:
    """The mean over trainings with its interval, and how many trainings alone say the same."""
    effect = study.spread.get(one.claim)
    return f"{interval(effect)}; {count}" if effect and effect.spread else count


def _beside(study: Study) -> StoredSubject | None:
    """The first of the trainings that tell how results vary, where they are of another recipe than the main model's."""
    return None if study.main in study.replicates else study.subject(study.replicates[0])


def _otherwise(study: Study, answers: list[Answer]) -> tuple[str, ...]:
    """What is asked where the trainings beside the main model decide a claim the other way."""
    both = [(one, study.effects.get(one.claim), study.spread.get(one.claim)) for one in answers]
    return _asked(
        study,
        [
            one
            for one, own, over in both
            if own and over and {own.verdict, over.verdict} <= set(DECIDED) and own.verdict != over.verdict
        ],
    )


def _training(subject: StoredSubject) -> Mapping[str, object]:
    """Iterations, tokens and their share of nanoGPT's recipe, if it is of the same text; an empty mapping for a checkpoint
    that does not say."""
    training, context = subject.training, subject.config["block_size"]
    if "accumulation" not in training:
        return {}
    batch = training["batch_size"] * training["accumulation"]
    tokens = training["step"] * batch * context
    return {
        "step": training["step"],
        "batch": batch,
        "context": context,
        "tokens": tokens / 1e6,
        "share": tokens / NANOGPT if subject.corpus == ITS_TEXT else None,
        "loss": training.get("val_loss"),
    }


def _figure(study: Study) -> str:
    results = ((main_result(study, name), figure) for name, figure in FIRST_FIGURE)
    found = next(((result, figure) for result, figure in results if result is not None), None)
    return picture(study, found[0].subject.label, found[1]) if found else ""


def _decided(study: Study) -> tuple[int, int]:
    """Of the claims over the main model's trainings that are decided: how many there are, and how many each training alone
    decides the same way."""
    found = [one for one in study.spread.values() if len(one.findings) > 1 and one.verdict in DECIDED]
    return len(found), sum(one.agreeing == len(one.findings) for one in found)


def _absences(study: Study) -> tuple[int, int]:
    """How many claims the main model does not support, and how many of these a model of known answer supports."""
    absent = [
        (result, claim)
        for claim, effect in study.effects.items()
        if effect.verdict == "not supported"
        and (result := study.main_result(claim.split(".", maxsplit=1)[0])) is not None
        and result.subject.label == study.main
    ]
    return len(absent), sum(_seen(study, result, claim) for result, claim in absent)


def _seen(study: Study, result: Result, claim: str) -> bool:
    """Whether the same code supports a claim on a positive control or the hand-built model."""
    known = [other for other in beside(study, result) if other.subject.role in ("control", "planted")]
    return any(found.verdict == "supported" for other in known if (found := study.recipe(other).get(claim)))


def _asked(study: Study, answers: list[Answer]) -> tuple[str, ...]:
    """The questions, without their question marks, for a list in a sentence; of which models, if not of the main one."""
    return tuple(one.ask.rstrip("?") + _about(study, one) for one in answers)
