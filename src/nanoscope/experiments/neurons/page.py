"""The report's section on neurons."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nanoscope.analysis.neurons.output_weights import ROLES
from nanoscope.analysis.neurons.selectivity import SELECTIVE, best_of_layers
from nanoscope.evidence.markdown import evidence_table, link, picture, said, table
from nanoscope.evidence.result import Result
from nanoscope.evidence.stored_study import Study
from nanoscope.evidence.wording import fill_file, number
from nanoscope.experiments.chapters import FINDING_3
from nanoscope.experiments.neurons.judge import best_neuron, best_neurons, corrected_p
from nanoscope.experiments.neurons.labels import CONTEXT, FAMILIES, KIND, WRITTEN
from nanoscope.experiments.pages import Page
from nanoscope.experiments.universality.page import across_trainings
from nanoscope.model.names import neuron_name

PICTURES = ("neurons_concepts", "neurons_cards", "neurons_ablation", "neurons_statistics")
RAISED = 4
IN_A_TABLE = {**WRITTEN, "|": "bar", "`": "backtick"}


def section(study: Study) -> str:
    """The results on each model; an empty text if the experiment was run on none."""
    results = {label: study.result(label, "neurons") for label in study.shown}
    if not any(results.values()):
        return ""
    models = [
        {"label": label, "measured": result and _measured(study, result)}
        for label, result in results.items()
        if result or study.subject(label).config["attention_only"]
    ]
    return fill_file(Path(__file__).with_name("page.md.j2"), {"models": models})


def _measured(study: Study, result: Result) -> dict[str, object]:
    """The values for one model's part of the section."""
    label = result.subject.label
    return {
        "link": link(result),
        "planted": said(result, "planted"),
        "concepts": said(result, "selective", "learned", "basis", "depth"),
        "nested": said(result, "conditional"),
        "ablation": said(result, "ablation"),
        "dead": said(result, "dead"),
        "roles": {role: float((result["roles"].values == ROLES.index(role)).mean()) for role in ROLES},
        "best": _best(result),
        "rare": int(result["counts"].sel(part="rare").values),
        "families": _families(result),
        "pictures": [picture(study, label, name) for name in PICTURES[: None if label == study.main else 1]],
        "table": evidence_table(result),
        "universality": across_trainings(study, label),
    }


def _best(result: Result) -> str:
    """A table of the best neuron for every context concept and kind of character."""
    value, error = best_neurons(result.sweeps)
    untrained, p = best_neurons(result.sweeps, "untrained")[0], corrected_p(result.sweeps)
    details, chance = result["details"].values, result["chance"].sel(quantile=0.95).values
    families, names = result["families"].values, result["families"].labels("concept")
    shown = np.isin(families, [FAMILIES.index(CONTEXT), FAMILIES.index(KIND)])
    rows = []
    for c in (c for c in np.lexsort((-value, families)).tolist() if shown[c]):
        neuron = best_neuron(result.sweeps, c)
        controls = (f"{x:.2f}" for x in (chance[c], untrained[c], *details[:3, c]))
        auroc = f"{value[c]:.3f} ± {1.96 * error[c]:.3f}"
        rows.append(
            [str(names[c]), neuron_name(*neuron), auroc, number(float(p[c])), *controls, raised(result, neuron)]
        )
    head = ("concept", "best neuron", "AUROC", "p", "shifted, 95 %", "untrained", "bits", "r", "F1", "raises most")
    return table(head, rows)


def raised(result: Result, neuron: tuple[int, int]) -> str:
    """The characters whose logits a neuron `(layer, number)` raises most."""
    weights = result["logit_weights"]
    order = np.argsort(-weights.values[neuron], kind="stable")[:RAISED]
    return " ".join(IN_A_TABLE.get(symbol := str(weights.labels("token")[i]), f"`{symbol}`") for i in order)


def _families(result: Result) -> str:
    """A table: for how many concepts of each family an AUROC of 0.8 is reached on validation text, by source."""
    families = result["families"].values
    sources = ("neurons", "untrained", "directions")
    best = [best_of_layers(result["selected"], result["report"], source).mean(1) for source in sources]
    best.append(result["report"].sel(source="probe").mean("window").values.max(axis=0))
    rows = []
    for name, mine in ((name, families == f) for f, name in enumerate(FAMILIES)):
        if mine.any():
            rows.append([name, *(str(int(n)) for n in (mine.sum(), *((of[mine] >= SELECTIVE).sum() for of in best)))])
    head = ("family", "concepts", "a neuron", "an untrained model's", "a random direction", "a probe")
    return table(head, rows)


PAGE = Page(FINDING_3, section)
