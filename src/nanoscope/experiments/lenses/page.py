"""Finding 3 of the report: how predictions form, through the layers and through training."""

from __future__ import annotations

import numpy as np

from nanoscope.evidence.finding import Finding
from nanoscope.evidence.markdown import (
    evidence_table,
    heading,
    link,
    not_measured,
    over_trainings,
    picture,
    said,
    status,
)
from nanoscope.evidence.result import Result
from nanoscope.evidence.stored_study import Study
from nanoscope.evidence.wording import number
from nanoscope.experiments.chapters import FINDING_3
from nanoscope.experiments.pages import Page

METHOD = """### Methodology

1. **Lenses.** Each layer's residual stream goes through the model's own final norm and unembedding (the logit lens), and once
   more after a learned affine translation into the last layer's basis (the tuned lens), chosen by its KL to the output on
   text it was not fitted on. What such a map can learn by itself is measured on an untrained model's streams.
2. **How much context would a table need to know that much?** Each reading, and the whole model at every checkpoint of its
   training, is compared with Witten-Bell n-gram tables of the training text. Nearest is the n with the smallest
   KL(table || lens).
3. **When is a prediction made?** It has settled at the first reading from which on KL(model || lens) stays below 0.1 nats.
   "Above one half", the usual criterion, is printed beside it: characters are too uncertain for it. Whether settling means
   anything is tested by exchanging later layers' outputs for another window's.
4. **Kinds.** Everything is split by what is predicted: speakers' names, first characters of lines, first letters of words,
   later letters, spaces and punctuation, and what continues a passage that stood in the window before.
5. **Who writes it**: direct contributions of every component to the next character's logit, which sum to it."""

PARTS = {
    "Through the layers": ("gradual", "deeper"),
    "What a table could know": ("first_layer", "beyond"),
    "When it is made": ("settles", "kinds"),
    "Who writes it": ("writers",),
    "Through training": ("training",),
    "The instrument": ("tuned", "computed", "reveals", "meaningful"),
}
PICTURES = {
    "model": ("formation", "ngrams", "settling", "training", "writers", "example"),
    "control": ("formation", "training"),
    "planted": (),
}


def section(study: Study) -> str:
    """The whole of finding 3."""
    parts = [
        "## Finding 3: Layer-wise prediction formation",
        f"**Status**: {status(study, 'lenses', 'gradual')}  \n**Notebook**: `experiments/03_logit_lens_analysis.ipynb`",
        "### Hypothesis\n\nPredictions form gradually across layers: early layers know what a bigram table knows, late layers "
        "what takes a longer context.",
        METHOD,
        "### Results",
        *(_model(study, label) for label in study.shown),
        _interpretation(study),
    ]
    return "\n\n".join(part for part in parts if part)


def _model(study: Study, label: str) -> str:
    """One model's results."""
    result = study.result(label, "lenses")
    if result is None:
        return not_measured(study, label, "lenses")
    texts = {name: said(result, *claims) for name, claims in PARTS.items()}
    texts["What a table could know"] += f" {_floor(result)}"
    paragraphs = [f"**{name}.** {text} ([evidence]({link(result)}))" for name, text in texts.items()]
    pictures = [picture(study, label, f"lenses_{name}") for name in PICTURES[study.role(label)]]
    return "\n\n".join([heading(study, label), *paragraphs, *pictures, evidence_table(result)])


def _floor(result: Result) -> str:
    """How near the tables of two halves of the text are to each other."""
    floor = result["table_floor"].values
    listed = ", ".join(f"n = {n} {number(float(x))}" for n, x in enumerate(floor, start=1))
    return (
        f"(Tables of two halves of the text lie this far from each other: {listed} nats. Differences below these cannot be "
        "told, and long tables are far from everything for that reason alone.)"
    )


def _interpretation(study: Study) -> str:
    """What may be said, by the verdicts on the model that the report is about."""
    result = study.result(study.main, "lenses")
    if result is None:
        return ""
    hypothesis = [_clause(study, result.finding(f"lenses.{claim}")) for claim in ("gradual", "first_layer", "deeper")]
    places = int(result["places"].sel(kind="all").values.sum())
    return (
        f"### Interpretation\n\nOf the hypothesis: {'; '.join(hypothesis)}. What is not of several trainings is of "
        f"{study.main}, "
        f"read on {places:,} places of validation text.\n\n### Implications for AI safety\n\nSmall. An intermediate reading "
        "is what a "
        "fixed map makes of a layer: it can miss what the unembedding does not see, and a learned map can add what the layer "
        "does not know, which is why both are bounded here by a control. Nothing follows for models of another size."
    )


def _clause(study: Study, finding: Finding) -> str:
    verdicts = {"supported": "holds", "not supported": "does not hold", "undecided": "is not decided"}
    sentence = finding.claim.rstrip(".")
    return f'"{sentence[0].lower()}{sentence[1:]}" {verdicts[finding.verdict]}{over_trainings(study, finding.id)}'


def lens_table(result: Result) -> str:
    """KL(model || lens) after every layer, through both lenses, as a table."""
    kl = result["reading_by_kind"].sel(measure="kl", kind="all")
    names = ["embedding", *(f"after L{layer}" for layer in range(kl.values.shape[1] - 1))]
    head = "| | " + " | ".join(names) + " |\n|---|" + "---|" * len(names)
    rows = [
        f"| {lens} | " + " | ".join(number(float(x)) if abs(x) > 1e-6 else "0" for x in np.asarray(values)) + " |"
        for lens, values in zip(kl.labels("lens"), kl.values, strict=True)
    ]
    return head + "\n" + "\n".join(rows)


PAGE = Page(FINDING_3, section)
