"""Finding 4 of the report: four questions whose criteria were written down before the runs that answer them."""

from __future__ import annotations

from nanoscope.evidence.finding import number
from nanoscope.evidence.markdown import capital, evidence_table, link, picture
from nanoscope.evidence.result import Result
from nanoscope.evidence.stored_study import Study
from nanoscope.experiments import open_experiment

QUESTIONS = {
    "evolution": (
        "4a. How do circuits evolve during training?",
        "At every checkpoint the same scores are measured (finding 1's heads, copying, the in-context-learning score, "
        "distances to n-gram tables, the loss where a long passage repeats). Each curve is fitted by a logistic in the "
        "logarithm of the iteration, against a straight line and a power law; a change is called abrupt only where the "
        "logistic wins by more than 10 BIC and goes from 10 to 90 % within a factor of 3, by the logistic and by the curve "
        "itself. (The curve was added after the first two trainings: a previous-token head that formed in two steps had passed "
        "as abrupt, since a steep logistic fits the second.) An event's iteration is where half "
        "of its change is done, or where a distance is least. Orders are compared over pairs of events that are not both "
        "distances to tables, since those come in one order nearly of themselves. Bands and counts are over trainings.",
    ),
    "scale": (
        "4b. How small can a model be?",
        "Models of 1, 2 and 4 layers and widths 64, 128 and 256 are trained on the text and on the control task, three seeds "
        "each, and measured by the same scores. A size has a capability where all its trainings pass the threshold. A "
        "width at which no training of any depth copies is left out of what is said of one layer. (Added after a first run, in "
        "which none of nine trainings of width 256 learned the control task; that width was then trained again at a third of "
        "the learning rate, and these are its results.)",
    ),
    "replication": (
        "4c. What replicates across trainings?",
        "The unit is a training. Verdicts are counted claim by claim with exact intervals. Heads are matched across trainings "
        "by what they attend to (the Hungarian method on their profiles over all classes of attention), on one half of the "
        "text; how alike matched heads are is read on the other half, beside heads of the same layers and heads of the same "
        "index.",
    ),
    "failures": (
        "4d. Can circuit measurements predict the model's failures?",
        "At each position of held-out text, is the model's top character wrong? A logistic regression is fitted on the "
        "model's own confidence, on the state of the copying and previous-token heads, on both, and on controls (as many "
        "random heads of the same layers; what the text alone tells), and read on other windows. (How the positive control is "
        "built was changed after its first run; its criterion and the others were not.)",
    ),
}

NEEDS = {
    "evolution": "several trainings",
    "scale": "models of several sizes",
    "replication": "several trainings",
    "failures": "this experiment on the model",
}


def section(study: Study) -> str:
    """The whole of finding 4."""
    parts = [
        "## Finding 4: How circuits evolve, how small a model can be, what replicates, what fails",
        f"**Status**: {_status(study)}  \n**Notebook**: `experiments/04_novel_findings.ipynb`",
        "Four questions; every criterion is declared in the code that measures it and was committed before the run.",
        *(_question(study, name) for name in QUESTIONS),
    ]
    return "\n\n".join(parts)


def _answers(study: Study, experiment: str) -> tuple[Result, ...]:
    """The results that answer a question: comparisons, or the experiment on the main model."""
    main = study.result(study.main, experiment)
    return study.compared(experiment) + (() if main is None else (main,))


def _status(study: Study) -> str:
    answered = [name for name in QUESTIONS if _answers(study, name)]
    if not answered:
        return "not measured here; it takes several trainings (`nanoscope study shakespeare-cpu`)"
    return f"{len(answered)} of {len(QUESTIONS)} questions answered by this study"


def _question(study: Study, name: str) -> str:
    title, method = QUESTIONS[name]
    answers = [_answer(study, result) for result in _answers(study, name)]
    missing = f"Not measured here: it takes {NEEDS[name]}; `{_command(name)}` does it."
    return "\n\n".join([f"### {title}", method, *(answers or [missing])])


def _command(name: str) -> str:
    return f"nanoscope run {name} CHECKPOINT" if name == "failures" else "nanoscope study shakespeare-cpu"


def _answer(study: Study, result: Result) -> str:
    """One group's (or model's) findings, figures and evidence."""
    label = result.subject.label
    text = " ".join(finding.text for finding in result.findings if finding.kind == "measurement")
    pictures = [picture(study, label, name) for name in open_experiment(result.experiment).figures]
    others = _others(study, result.experiment) if label == study.main else ""
    parts = [
        f"#### {capital(label)}",
        f"{text} ([evidence]({link(result)}))",
        others,
        *pictures,
        evidence_table(result),
    ]
    return "\n\n".join(part for part in parts if part)


def _others(study: Study, experiment: str) -> str:
    """The same claims on the other trainings, as a table: a row a training."""
    results = [(label, study.result(label, experiment)) for label in study.labels if label != study.main]
    found = [(label, result) for label, result in results if result is not None]
    if not found:
        return ""
    claims = [finding for finding in found[0][1].findings if finding.kind == "measurement"]
    head = "| | " + " | ".join(finding.claim.rstrip(".") for finding in claims) + " |\n|---|" + "---|" * len(claims)
    rows = [
        f"| [{label}]({link(result)}) | "
        + " | ".join(
            f"{number(f.evidence.value)} [{number(f.evidence.interval[0])}, {number(f.evidence.interval[1])}]: {f.verdict}"
            for f in result.findings
            if f.kind == "measurement"
        )
        + " |"
        for label, result in found
    ]
    return f"{head}\n" + "\n".join(rows)
