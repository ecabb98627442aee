"""The sections of the report around its findings. Their texts are in `frame.md.j2`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import StrictUndefined, Template

from nanoscope.evidence.markdown import table
from nanoscope.evidence.result import Result
from nanoscope.evidence.stored_study import Study, drawn
from nanoscope.evidence.subject import StoredSubject
from nanoscope.experiments import open_experiment
from nanoscope.experiments.replication import table as replication
from nanoscope.report import absences
from nanoscope.report.figure_files import figure_paths
from nanoscope.text.corpora import SHAKESPEARE, data_option
from nanoscope.training.stretches import Stretch, repeatable

TEMPLATE = Template(Path(__file__).with_suffix(".md.j2").read_text(encoding="utf-8"), undefined=StrictUndefined)
REPORT_COMMANDS = {
    None: "nanoscope run induction CHECKPOINT --out runs/mine && nanoscope report runs/mine",
    "quick": "make findings",
}


def head(study: Study) -> str:
    """Title and overview."""
    return _block("head", date=study.date, command=_command(study))


def models(study: Study) -> str:
    """The analysed models with their sizes and losses, a table of further trainings, and the range of sizes."""
    subjects = [study.subject(label) for label in study.shown]
    others = [(label, study.subject(label)) for label in study.labels if label not in study.shown]
    scales = [result for result in study.compared("scale") if result["scores"].values.size]
    return _block(
        "models",
        subjects=[
            {"title": about.label.removeprefix("the ").capitalize(), "table": _model(about)} for about in subjects
        ],
        further=others
        and table(
            ("further trainings", "text", "validation loss, nats per character"),
            [(label, about.corpus, _loss(about.training)) for label, about in others],
        ),
        sizes=[len(result.subject.models) for result in scales],
    )


def _loss(training: Mapping[str, Any]) -> str:
    return f"{training['val_loss']:.4f}" if "val_loss" in training else "not recorded"


def _model(subject: StoredSubject) -> str:
    config, training = subject.config, subject.training
    shape = f"{config['n_layer']} layers, {config['n_head']} heads each, width {config['n_embd']}"
    rows = [
        ("Architecture", f"GPT, {shape}" + (", attention only" if config["attention_only"] else "")),
        ("Context length", f"{config['block_size']} characters"),
        ("Vocabulary", f"{config['vocab_size']} symbols"),
        ("Parameters", f"{subject.parameters:,}"),
        *_training_rows(subject.corpus, config, training),
    ]
    return table(("", ""), rows)


def _training_rows(corpus: str, config: Mapping[str, Any], training: Mapping[str, Any]) -> list[tuple[str, str]]:
    if "planted" in training:
        return [("Training", "none: its weights were written by hand, so that every answer is known")]
    if "accumulation" not in training:
        return [("Training", "not recorded in the checkpoint"), ("Measured on", corpus)]
    batch = training["batch_size"] * training["accumulation"]
    kind = {"text": "windows of the text", "echo": "windows with a random span and its copy"}[training["data"]]
    done = f"{training['step']:,} of {training['iterations']:,}" if training["step"] != training["iterations"] else ""
    rows = [
        ("Data", f"{corpus}: {kind}"),
        (
            "Training",
            f"{done or format(training['iterations'], ',')} iterations of {batch} x {config['block_size']} tokens, "
            f"seed {training['seed']}",
        ),
    ]
    if "val_loss" in training:
        rows.append(("Validation loss", f"{_loss(training)} nats per character (the whole validation split)"))
    if "released_from" in training:
        rounded = f"rounded to 16 bits for the release; the loss before was {training['val_loss_float32']:.4f}"
        rows.append(("Weights", rounded))
    rows += trained_on([Stretch(**one) for one in training.get("stretches", [])])
    if training["data"] == "echo" and "val_loss_own_data" in training:
        rows.append(("Loss on its own data", f"{training['val_loss_own_data']:.4f} nats per character"))
    return rows


def trained_on(stretches: Sequence[Stretch]) -> list[tuple[str, str]]:
    """The machines of a training, with a remark if its weights cannot be reproduced because it moved between machines."""
    machines = [
        f"from iteration {one.first:,} on {one.processor}: {one.threads} threads, {one.precision}, torch {one.torch}"
        for one in stretches
    ]
    moved = [] if repeatable(stretches) else ["no machine can train exactly these weights again"]
    return [("Trained", "; ".join([*machines, *moved]))] if machines else []


def reproducibility(study: Study) -> str:
    """Replication over trainings, negative results and limitations."""
    return _block(
        "reproducibility",
        replication=replication.section(study),
        absences=absences.section(study),
        corpora=", ".join(sorted({study.subject(label).corpus for label in study.labels})),
        examples=_examples(study),
    )


def _examples(study: Study) -> str:
    counts = [
        f"{label}: {result.identity['params']['sequences']} sequences per block length and split, "
        f"{result.identity['params']['windows']} windows of text"
        for label in study.shown
        if (result := study.result(label, "induction")) is not None
    ]
    return "; ".join(counts) + "."


def future(study: Study) -> str:
    """Future work."""
    larger = "Longer trainings and larger models"
    canonical = "The canonical model (`nanoscope study shakespeare`, on a GPU)"
    return _block("future", first=larger if study.name == "shakespeare" else canonical)


def figures(study: Study) -> str:
    """The list of figures, each described by the first docstring line of the function that draws it."""
    shown = [
        {"label": result.subject.label, "name": name, "path": path, "shows": _shows(experiment.figures[name])}
        for result in drawn(study)
        for experiment in [open_experiment(result.experiment)]
        for name, path in figure_paths(study, result).items()
    ]
    return _block("figures", drawn=shown)


def _shows(draw: Callable[[Result], object]) -> str:
    line = (draw.__doc__ or "").splitlines()[0].rstrip(".")
    return line[:1].lower() + line[1:]


def artifacts(study: Study) -> str:
    """The files of the study and the commands that reproduce them."""
    return _block("artifacts", released=_released(study), command=_command(study), folder=_folder(study))


def _released(study: Study) -> str:
    """The published models of this study."""
    released = [label for label in study.labels if "released_from" in study.subject(label).training]
    return f"{', '.join(released)}, in half precision, as it is analysed here" if released else "none of this study"


def references() -> str:
    """The references."""
    return _block("references")


def updates(study: Study) -> str:
    """The log of measurements, by the dates of the results."""
    by_date: dict[str, list[str]] = {}
    for result in study.results:
        verdicts = [f"{f.id.split('.')[1]} {f.verdict}" for f in result.findings if f.kind == "measurement"]
        line = f"{result.experiment} on {result.subject.label}: {', '.join(verdicts)}"
        by_date.setdefault(str(result.provenance["date"]), []).append(line)
    days = [{"date": date, "lines": lines} for date, lines in sorted(by_date.items(), reverse=True)]
    return _block("updates", days=days)


def _block(name: str, **values: Any) -> str:
    """One section of the template."""
    return "".join(TEMPLATE.blocks[name](TEMPLATE.new_context(values)))


def _command(study: Study) -> str:
    command = REPORT_COMMANDS.get(study.name) or f"nanoscope study {study.name}"
    corpus = study.subject(study.main).corpus
    if study.name is None or corpus == SHAKESPEARE:
        return command
    return f"nanoscope study {study.name} --data {data_option(corpus)}"


def _folder(study: Study) -> str:
    """The folder of the report; that of a published study is kept with the code."""
    if study.name in ("shakespeare", "shakespeare-cpu"):
        return "results"
    return f"runs/{study.name}" if study.name else "runs/mine"
