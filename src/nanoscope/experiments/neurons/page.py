"""A part of the report: what the hidden units know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from nanoscope.analysis.neurons.output_weights import ROLES
from nanoscope.analysis.neurons.selectivity import best_of_layers
from nanoscope.evidence.markdown import evidence_table, link, picture, said
from nanoscope.evidence.result import Result
from nanoscope.evidence.stored_study import Study
from nanoscope.evidence.wording import capital, number
from nanoscope.experiments.chapters import FINDING_3
from nanoscope.experiments.neurons.claims import SELECTIVE
from nanoscope.experiments.neurons.judge import best_neurons, corrected_p, neuron_of
from nanoscope.experiments.neurons.labels import CONTEXT, FAMILIES, KIND, WRITTEN
from nanoscope.experiments.pages import Page

METHOD = """Which concepts do single neurons tell (the units of the MLPs after their activation function)? For every concept and
layer the best neuron is chosen on training text and measured on validation text, by AUROC: the chance that a character
with the concept activates it more than one without. Beside it stand labels shifted along the text (over all neurons and
concepts), an untrained model, as many random directions of the same activations, and a linear probe of what the neurons
read. A neuron planted in a copy of the model shows whether the search finds one that is there."""
LITERATURE = (
    "In Gurnee et al. (2024), over five seeds, 4.2 % were in GPT-2 small, 1.2 % in GPT-2 medium, 1.3 % in Pythia-160M."
)
PICTURES = ("neurons_concepts", "neurons_cards", "neurons_ablation", "neurons_statistics")
RAISED = 4
IN_A_TABLE = {**WRITTEN, "|": "bar", "`": "backtick"}


def section(study: Study) -> str:
    """What was found on each model; nothing where the experiment was run on none."""
    if not any(study.result(label, "neurons") for label in study.shown):
        return ""
    parts = [_model(study, label) for label in study.shown]
    return "\n\n".join(["### What the hidden units know", METHOD, *(part for part in parts if part)])


def _model(study: Study, label: str) -> str:
    result = study.result(label, "neurons")
    if result is None:
        alone = study.subject(label).config["attention_only"]
        return f"#### {capital(label)}\n\nAttention-only: it has no neurons." if alone else ""
    paragraphs = {
        "The search.": said(result, "planted"),
        "Concepts.": said(result, "selective", "learned", "basis", "depth"),
        "Nested concepts.": said(result, "conditional"),
        "What they say.": f"{_roles(result)} {said(result, 'ablation')}",
        "All neurons.": said(result, "dead"),
    }
    texts = [f"**{name}** {text} ([evidence]({link(result)}))" for name, text in paragraphs.items()]
    twinned = study.result(label, "universality")
    pictures = [picture(study, label, name) for name in PICTURES[: len(PICTURES) if label == study.main else 1]]
    parts = [*texts, _best(result), _families(result), *pictures, evidence_table(result)]
    return "\n\n".join([f"#### {capital(label)}", *parts, *(_universality(study, twinned) if twinned else ())])


def _universality(study: Study, result: Result) -> list[str]:
    """Whether other trainings grow the same neurons."""
    said_here = f"{said(result, 'some', 'alike', 'sees')} {LITERATURE}{_other_weights(study, result)}"
    text = f"**Across trainings.** {said_here} ([evidence]({link(result)}))"
    label = result.subject.label
    return [text, picture(study, label, "universality_neurons"), evidence_table(result)]


def _roles(result: Result) -> str:
    """How many neurons name what comes next, or what does not, by their weights."""
    shares = [100 * float((result["roles"].values == ROLES.index(role)).mean()) for role in ROLES[1:]]
    return (
        f"By their weights {shares[0]:.1f} % of the neurons raise a few characters far beyond the others (prediction) and "
        f"{shares[1]:.1f} % lower a few (suppression; Gurnee et al. 2024); Gaussian weights would give 1 % of both together."
    )


def _best(result: Result) -> str:
    """The best neuron of every concept of the text."""
    value, error = best_neurons(result.sweeps)
    untrained, p = best_neurons(result.sweeps, "untrained")[0], corrected_p(result.sweeps)
    details, chance = result["details"], result["chance"].sel(quantile=0.95).values
    families, names = result["families"].values, result["families"].labels("concept")
    wanted = [FAMILIES.index(CONTEXT), FAMILIES.index(KIND)]
    rows = [
        f"| {names[c]} | {neuron_of(result.sweeps, c)} | {value[c]:.3f} ± {1.96 * error[c]:.3f} | {number(float(p[c]))} "
        f"| {chance[c]:.2f} | {untrained[c]:.2f} | {details.values[0, c]:.2f} | {details.values[1, c]:.2f} "
        f"| {details.values[2, c]:.2f} | {raised(result, neuron_of(result.sweeps, c))} |"
        for c in np.lexsort((-value, families))
        if families[c] in wanted
    ]
    head = (
        "| concept | best neuron | AUROC | p | shifted, 95 % | untrained | bits | r | F1 | raises most |\n"
        "|---|---|---|---|---|---|---|---|---|---|"
    )
    rare = int(result["counts"].sel(part="rare").values)
    return (
        "\n".join([head, *rows])
        + "\n\nAll on validation text; p is corrected for all neurons (max-T) and the concepts of a family (Holm); "
        f"bits: mutual information of the concept and the tenth of the activations; r: point-biserial; {rare} concepts "
        "were too rare in one of the texts."
    )


def raised(result: Result, neuron: str) -> str:
    """The characters whose logits a neuron raises most."""
    layer, unit = (int(part) for part in neuron.removeprefix("L").split("N"))
    weights = result["logit_weights"]
    order = np.argsort(-weights.values[layer, unit], kind="stable")[:RAISED]
    return " ".join(IN_A_TABLE.get(symbol := str(weights.labels("token")[i]), f"`{symbol}`") for i in order)


def _families(result: Result) -> str:
    """By family of concepts, for how many an AUROC of 0.8 is reached on validation text, and by what."""
    families = result["families"].values
    sources = ("neurons", "untrained", "directions")
    best = {source: best_of_layers(result["selected"], result["report"], source).mean(1) for source in sources}
    best["probe"] = result["report"].sel(source="probe").mean("window").values.max(axis=0)
    rows = [
        f"| {name} | {int((families == f).sum())} | "
        + " | ".join(str(int((values[families == f] >= SELECTIVE).sum())) for values in best.values())
        + " |"
        for f, name in enumerate(FAMILIES)
        if (families == f).any()
    ]
    head = "| family | concepts | a neuron | an untrained model's | a random direction | a probe |\n|---|---|---|---|---|---|"
    return "Concepts told with an AUROC of at least 0.8, by what:\n\n" + "\n".join([head, *rows])


def _other_weights(study: Study, result: Result) -> str:
    """Where the other trainings are not the very weights that the rest of the study tells of: said, with their losses."""
    told = {study.subject(label).training.get("seed"): label for label in study.with_role("model")}
    twins = list(zip(result.subject.twins, result.identity["twins"], strict=True))
    differ = [
        twin for twin, sha256 in twins if (label := told.get(twin["seed"])) and sha256 not in _weights(study, label)
    ]
    if not differ:
        return ""
    seeds = ", ".join(str(twin["seed"]) for twin in differ)
    here = ", ".join(_loss(twin) for twin in differ)
    there = ", ".join(_loss(study.subject(told[twin["seed"]]).training) for twin in differ)
    return (
        " For this the other trainings were run once more, and not all ended in the very same weights "
        f"(seed{'s' * (len(differ) > 1)} {seeds}: validation loss {here}; in the other sections {there})."
    )


def _weights(study: Study, label: str) -> set[str]:
    """Checksums of what the study's results about one model were measured on."""
    mine = (result for result in study.results if result.subject.label == label)
    return {str(result.identity["checkpoint"]) for result in mine if "checkpoint" in result.identity}


def _loss(training: Mapping[str, Any]) -> str:
    return f"{training['val_loss']:.4f}" if "val_loss" in training else "unknown"


PAGE = Page(FINDING_3, section)
