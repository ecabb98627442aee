"""The sections of the report around its findings. Their texts are in `frame.md.j2`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from nanoscope import experiments
from nanoscope.evidence.markdown import table
from nanoscope.evidence.stored_study import Study, drawn
from nanoscope.evidence.subject import StoredSubject
from nanoscope.evidence.wording import fill_block
from nanoscope.experiments import open_experiment
from nanoscope.experiments.pages import main_result, study_answers
from nanoscope.report.figure_files import KEY_FIGURES, figure_paths
from nanoscope.text.corpora import SHAKESPEARE, data_option
from nanoscope.training.stretches import Stretch, repeatable

TEMPLATE = Path(__file__).with_suffix(".md.j2")
PUBLISHED = "published"
"""The study whose report is kept with the code, in `results/`."""
REPORT_COMMANDS = {None: "nanoscope report runs/mine", "quick": "make findings"}
MOST_UPDATES = 4


def models(study: Study) -> str:
    """The analysed models with their training and losses, and what was not measured."""
    subjects = [study.subject(label) for label in study.labels]
    columns = ("model", "shape", "trained", "on", "validation loss")
    families = dict.fromkeys(study.subject(label).family or label for label in study.labels)
    rows = [_models([about for about in subjects if name in (about.family, about.label)]) for name in families]
    machines = trained_on([study.subject(label) for label in study.labels])
    return _block("models", models=table(columns, rows), machines=machines, **_not_measured(study))


def _not_measured(study: Study) -> Mapping[str, object]:
    """The experiments on single models that this report lacks."""
    names = [name for name in experiments.EXPERIMENTS if open_experiment(name).questions]
    missing = [name for name in names if main_result(study, name) is None]
    alone = [name for name in missing if not open_experiment(name).reads and not open_experiment(name).twinned]
    return {"own": study.name is None, "missing": alone}


def _models(trainings: Sequence[StoredSubject]) -> list[str]:
    """One row: trainings that differ only in their seed, with each one's loss."""
    subject = trainings[0]
    config = subject.config
    shape = f"{config['n_layer']} layers x {config['n_head']} heads, width {config['n_embd']}"
    kind = ", attention only" if config["attention_only"] else ""
    name = (subject.family or subject.label).removeprefix("the ")
    count = f", {len(trainings)} trainings" if len(trainings) > 1 else ""
    losses = ", ".join(loss for one in trainings if (loss := _loss(one.training)))
    return [f"{name}{count}", f"{shape}{kind}; {subject.parameters:,}", *_training(subject), losses]


def _training(subject: StoredSubject) -> tuple[str, str]:
    """How long it was trained, and on what."""
    training = subject.training
    if "planted" in training:
        return "not: its weights were written by hand", "nothing"
    if "accumulation" not in training:
        return "not recorded", subject.corpus
    batch = training["batch_size"] * training["accumulation"]
    done = f"{training['step']:,}" + (
        f" of {training['iterations']:,}" if training["step"] != training["iterations"] else ""
    )
    kind = {"text": subject.corpus, "echo": f"{subject.corpus}, with {_spans(training.get('copied', 1.0))}"}
    return f"{done} x {batch} x {subject.config['block_size']}", kind[training["data"]]


def _spans(copied: float) -> str:
    """What the control's windows hold, by the share of them in which the second span is a copy."""
    if copied == 1:
        return "a random span and its copy in each window"
    return f"two random spans in each window, in {copied:.0%} of them copies"


def _loss(training: Mapping[str, Any]) -> str:
    """The loss on held-out text; on its own kind of data for a control that was trained on another."""
    name = "val_loss_own_data" if training.get("data") == "echo" else "val_loss"
    return f"{training[name]:.3f}" if name in training else ""


def trained_on(subjects: Sequence[StoredSubject]) -> dict[str, list[str]]:
    """The models by the machines that they were trained on, with a remark if their weights cannot be reproduced because the
    training moved between machines. Models that do not say are left out."""
    found: dict[str, list[StoredSubject]] = {}
    for subject in subjects:
        if stretches := [Stretch(**one) for one in subject.training.get("stretches", [])]:
            moved = [] if repeatable(stretches) else ["no machine can train exactly these weights again"]
            found.setdefault("; ".join([*map(_machine, stretches), *moved]), []).append(subject)
    return {machine: _names(trained) for machine, trained in found.items()}


def _names(subjects: Sequence[StoredSubject]) -> list[str]:
    """The models' names; of trainings that differ only in their seed one name, with their number."""
    families: dict[str, list[str]] = {}
    for subject in subjects:
        families.setdefault(subject.family or subject.label, []).append(subject.label)
    return [labels[0] if len(labels) == 1 else f"{name}, {len(labels)} trainings" for name, labels in families.items()]


def _machine(one: Stretch) -> str:
    after = f"from iteration {one.first:,} " if one.first else ""
    threads = f"{one.threads} thread{'s' * (one.threads > 1)}"
    return f"{after}on {one.processor}: {threads}, {one.precision}, torch {one.torch}"


def limits(study: Study) -> str:
    """What the results are no evidence for."""
    step = study.subject(study.main).training.get("step")
    corpora = ", ".join(sorted({study.subject(label).corpus for label in study.labels}))
    return _block("limits", corpora=corpora, step=step)


def future(study: Study) -> str:
    """Future work; only in a report that is kept with the code."""
    if study.name != PUBLISHED:
        return ""
    return _block("future", first="the canonical model" if study.main in study.replicates else "larger models")


def figures(study: Study) -> str:
    """The key figures as links, and where all figures are."""
    count = sum(len(figure_paths(study, result)) for result in drawn(study))
    return _block("figures", count=count, keys=[name for name, source in KEY_FIGURES.items() if source(study)])


def artifacts(study: Study) -> str:
    """The files of the study and the commands that reproduce them."""
    subjects = [study.subject(label) for label in study.labels]
    released = _names([one for one in subjects if "released_from" in one.training])
    folder = "results" if study.name == PUBLISHED else f"runs/{study.name}" if study.name else "runs/mine"
    return _block(
        "artifacts", released=released, command=_command(study), folder=folder, published=study.name == PUBLISHED
    )


def references() -> str:
    """The references."""
    return _block("references")


def updates(study: Study) -> str:
    """At most four dated discoveries, the newest first: what was answered, and when. A user's own results have no log."""
    if study.name is None:
        return ""
    dated = []
    for one, trainings in study_answers(study):
        if one.key and one.reply in ("yes", "no"):
            result = main_result(study, one.claim.split(".")[0])
            date = str(result.provenance["date"]) if result else ""
            dated.append((date, f"{one.ask} {one.reply.capitalize()}{_count(trainings)}"))
    newest: Sequence[tuple[str, str]] = sorted(dated, key=lambda pair: pair[0], reverse=True)[:MOST_UPDATES]
    told = groupby(newest, key=lambda pair: pair[0])
    return (
        _block("updates", lines=[f"{date}: {'. '.join(line for _, line in days)}." for date, days in told])
        if newest
        else ""
    )


def _count(trainings: str) -> str:
    """`6 of 6` as ` (6 of 6 trainings)`; a comparison names its trainings itself."""
    named = trainings if trainings.endswith("trainings") else f"{trainings} trainings"
    return f" ({named})" if trainings else ""


def _command(study: Study) -> str:
    command = REPORT_COMMANDS.get(study.name) or f"nanoscope study {study.name}"
    corpus = study.subject(study.main).corpus
    if study.name is None or corpus == SHAKESPEARE:
        return command
    return f"nanoscope study {study.name} --data {data_option(corpus)}"


def _block(name: str, **values: object) -> str:
    """One section of the template."""
    return fill_block(TEMPLATE, name, values)
