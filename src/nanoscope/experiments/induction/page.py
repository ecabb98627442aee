"""Finding 1 of the report, induction heads, laid out as the page that started the project has it."""

from __future__ import annotations

from collections import Counter

import numpy as np

from nanoscope.evidence.markdown import evidence_table, link, picture, said, status
from nanoscope.evidence.result import Result
from nanoscope.evidence.stored_study import Study
from nanoscope.evidence.wording import Fact, capital, number, percent
from nanoscope.experiments.chapters import FINDING_1
from nanoscope.experiments.induction import literature
from nanoscope.experiments.pages import Page
from nanoscope.model.names import head_name
from nanoscope.statistics.intervals import share_interval

METHOD = """### Methodology

1. **Sequences.** Random characters, none twice, copied behind a random prefix, at several block lengths, so that neither
   counting distance nor the language helps. Each clean text `[c][c]` has a corrupt twin `[c'][c]` with the same answers.
2. **Behaviour**, beside the corrupt run, n-gram tables and untrained models.
3. **Heads** are selected on one set of sequences and reported on another, at the block length where they score worst,
   against uniform attention and a permutation test over all heads. An induction head must lie 0.3 above uniform.
4. **Causes**: patching in both directions, ablation beside layer-matched random heads, the logit lens, and weights.
5. The same code runs on models, on **positive controls**, trained where only copying pays, and on a **planted model**
   whose every answer is known. Each claim's criterion was fixed before the run; the text below is chosen by the verdicts."""


def section(study: Study) -> str:
    """The whole of finding 1."""
    parts = [
        "## Finding 1: Induction heads",
        f"**Status**: {status(study, 'induction', 'heads')}  \n**Notebook**: `experiments/01_induction_heads.ipynb`",
        "### Hypothesis\n\nSmall character-level models learn induction heads, as larger models do (Olsson et al. 2022).",
        METHOD,
        "### Results",
        *(_model(study, label) for label in study.shown),
        _other_data(study),
        literature.section(study),
        _interpretation(study),
    ]
    return "\n\n".join(part for part in parts if part)


def _model(study: Study, label: str) -> str:
    """One model's results, in the template's four parts."""
    result = study.result(label, "induction")
    if result is None:
        return ""
    title = {
        "model": f"#### {capital(label)}",
        "control": f"#### Positive control: {label}",
        "planted": f"#### Known answer: {label}",
    }[study.role(label)]
    parts = {
        "Induction capability": f"{said(result, 'gain', 'accuracy')} {_chance(result)} "
        + f"{_lookups(result)} {said(result, 'natural', 'long_match')}",
        "Layer localisation": f"{said(result, 'localised')} {_key_layers(result)} {said(result, 'and_gate', 'ablation')}",
        "Attention heads": said(result, "heads", "absent", "previous_token", "copying", "k_composition"),
        "Prediction formation": f"{said(result, 'convergence')} {_writers(result)}",
    }
    paragraphs = [f"**{name}.** {text} ([evidence]({link(result)}))" for name, text in parts.items()]
    onset = _onset(study, label)
    pictures = [picture(study, label, name) for name in _pictures(study.role(label))]
    return "\n\n".join(part for part in (title, *paragraphs, onset, *pictures, evidence_table(result)) if part)


def _pictures(role: str) -> tuple[str, ...]:
    everything = ("induction_behaviour", "induction_head_scores", "induction_attention")
    causes = ("induction_patching_effects", "induction_logit_lens")
    return {"model": everything + causes, "control": ("induction_attention", *causes), "planted": causes[:1]}[role]


def _onset(study: Study, label: str) -> str:
    result = study.result(label, "emergence")
    if result is None:
        return ""
    text = " ".join(finding.text for finding in result.findings if finding.verdict != "undecided")
    return f"**Emergence.** {text} ([evidence]({link(result)}))\n\n{picture(study, label, 'emergence_onset')}"


def _chance(result: Result) -> str:
    """Why one in V is not the baseline."""
    symbols, facts = result.subject.config["vocab_size"], result.finding("induction.accuracy").evidence.facts
    bigram, corrupt = _percent(facts["bigram"]), _percent(facts["corrupt"])
    return (
        f"(One in {symbols} symbols would be {100 / symbols:.1f} %; the bigram table's {bigram} and the corrupt "
        f"run's {corrupt} are the baselines that count.)"
    )


def _percent(share: Fact) -> str:
    return percent(share) if isinstance(share, float) else str(share)


def _lookups(result: Result) -> str:
    """Accuracy where only the last one, two or three characters together decide what follows, and its n."""
    accuracy = result["behaviour_lookup"].sel(measure="accuracy", run="clean")
    shares = ", ".join(f"{100 * share:.1f} %" for share in accuracy.mean("example").values)
    return (
        f"Where only the last one, two or three characters together tell what followed before, it is right {shares} of the "
        f"time ({accuracy.values.shape[1]} texts each)."
    )


def _writers(result: Result) -> str:
    """Who writes the answer: the largest direct contributions."""
    parts = result["attribution"].mean("example")
    order = sorted(zip(parts.values, parts.labels("component"), strict=True), reverse=True)[:3]
    named = ", ".join(f"{component} ({value:+.2f})" for value, component in order)
    return (
        f"Directly written into the right character's logit, beyond an absent character's: most by {named}, of "
        f"{parts.values.sum():+.2f} in all."
    )


def _key_layers(result: Result) -> str:
    """Where, before the output, a single patched position changes the answer most."""
    change = result["position_change"]
    inner = change.values[:, :-1]
    clean, corrupt = result["position_plain"].values.mean(-1)
    if not result["position_informative"].values:
        return "No layer stands out: the copy makes too small a difference at the one query that was followed."
    places = []
    for d, verb in enumerate(("restores", "destroys")):
        layer, place = divmod(int(inner[d].argmax()), inner.shape[2])
        role = _role(result, int(change.labels("pos")[place]))
        places.append(f"the stream into L{layer} at {role} {verb} {number(inner[d, layer, place] / (clean - corrupt))}")
    needed = _most_needed(result)
    return f"Of single places in the residual stream, {' and '.join(places)} of the difference at one query.{needed}"


def _most_needed(result: Result) -> str:
    """The heads whose noising destroys most, so that none that matters goes unnamed."""
    if not result["patch_informative"].values:
        return ""
    clean, _ = result["patch_plain"].values
    lost = (clean - result["patch_heads"].values[1]).mean(-1) / (clean - result["patch_plain"].values[1]).mean()
    order = sorted(((float(x), head_name(*at)) for at, x in np.ndenumerate(lost)), reverse=True)[:4]
    return " Head by head, noising destroys most at " + ", ".join(f"{name} ({number(x)})" for x, name in order) + "."


def _role(result: Result, position: int) -> str:
    roles = dict(zip(result["position_roles"].labels("role"), result["position_roles"].values, strict=True))
    names = {"matched": "the query token's earlier place", "followed": "the place after the query token's earlier one"}
    names["query"] = "the query"
    return next((text for role, text in names.items() if int(roles[role]) == position), f"position {position}")


def _other_data(study: Study) -> str:
    """Finding 1 on other texts: the same claims, and which of their verdicts differ from the main model's."""
    main = study.result(study.main, "induction")
    others = [(label, study.result(label, "induction")) for label in study.with_role("other data")]
    found = [(label, result) for label, result in others if result is not None]
    if main is None or not found:
        return ""
    columns = [(study.main, main), *found]
    head = f"| claim | {' | '.join(label for label, _ in columns)} |\n|---|" + "---|" * len(columns)
    claims = [finding for finding in main.findings if finding.kind == "measurement"]
    rows = [
        f"| {claim.claim} | {' | '.join(_verdict(result, claim.id) for _, result in columns)} |" for claim in claims
    ]
    told = [f"{capital(label)}: {_differing(main, result)}. ([evidence]({link(result)}))" for label, result in found]
    return "\n\n".join(["#### Does it differ on other texts?", " ".join(told), head + "\n" + "\n".join(rows)])


def _verdict(result: Result, claim: str) -> str:
    finding = result.finding(claim)
    return f"{number(finding.evidence.value)}: {finding.verdict}"


def _differing(main: Result, other: Result) -> str:
    """The claims whose verdicts are opposite."""
    opposite = {"supported", "not supported"}
    measured = [finding for finding in main.findings if finding.kind == "measurement"]
    differ = [f.claim.rstrip(".") for f in measured if {f.verdict, other.finding(f.id).verdict} == opposite]
    return (
        f"opposite verdicts on {len(differ)} claims ({'; '.join(differ)})" if differ else "no verdict is the opposite"
    )


def _interpretation(study: Study) -> str:
    """What may be said, by the verdicts on the model and on its positive controls."""
    main = study.result(study.main, "induction")
    if main is None:
        return ""
    sentence = {
        "supported": f"Induction heads form in {study.main}.",
        "not supported": f"No head of {study.main} is an induction head.",
        "undecided": f"Whether {study.main} has an induction head is not decided by this run.",
    }[main.finding("induction.heads").verdict]
    parts = [sentence, _instrument(study), _seeds(study), _worth(main)]
    return (
        f"### Interpretation\n\n{' '.join(part for part in parts if part)}\n\n### Implications for AI safety\n\nModest "
        "ones. A mechanism can be looked for with a criterion fixed beforehand and with controls that show whether the "
        f"instrument can see it, and its absence can be stated with a margin. {_warning(study)}Nothing here bears on "
        "deception or on models of another size."
    )


def _instrument(study: Study) -> str:
    """Could the instrument have seen an induction head?"""
    controls = [study.result(label, "induction") for label in study.with_role("control") if label != study.main]
    verdicts = [result.finding("induction.heads").verdict for result in controls if result is not None]
    planted = [study.result(label, "induction") for label in study.with_role("planted")]
    known = [result.finding("induction.heads").verdict == "supported" for result in planted if result is not None]
    if not verdicts and not known:
        return (
            "No positive control was analysed here (`nanoscope study quick` trains one), so an absence proves nothing."
        )
    seen = f"in {verdicts.count('supported')} of {len(verdicts)} positive controls" if verdicts else ""
    must = "in the planted model, where they must be" if known and all(known) else ""
    found = " and ".join(part for part in (seen, must) if part)
    return (
        f"The same instrument finds induction heads {found}." if found else "The instrument misses the planted model's."
    )


def _seeds(study: Study) -> str:
    """How many trainings the finding rests on."""
    labels = study.with_role("model")
    if len(labels) < 3:
        return "One or two trainings of a model say nothing about trainings in general."
    results = [result for label in labels if (result := study.result(label, "induction")) is not None]
    verdicts = [result.finding("induction.heads").verdict for result in results]
    low, _ = share_interval(verdicts.count("supported"), len(verdicts))
    _, high = share_interval(len(verdicts) - verdicts.count("not supported"), len(verdicts))
    unclear = verdicts.count("undecided")
    return (
        f"Over {len(verdicts)} trainings that differ in their seed, induction heads form in {verdicts.count('supported')} and "
        f"do not form in {verdicts.count('not supported')}{f', undecided in {unclear}' if unclear else ''} (the share that "
        f"forms them: 95 % interval {100 * low:.0f} to "
        f"{100 * high:.0f} %)."
    )


def _worth(result: Result) -> str:
    """What copying could buy on ordinary text: how often what followed the last match is right, by its length."""
    totals = result["match_length"]
    sums = totals.values.sum(-1)
    right, count = (sums[totals.labels("source").index(name)] for name in ("copy", "count"))
    share = 100 * count / count.sum()
    return (
        f"In ordinary text ({result.subject.corpus}), where the longest earlier match in the window is one character "
        f"({share[1]:.0f} % of positions), what followed it is right {100 * right[1] / max(1, count[1]):.0f} % of the time; "
        f"where it is five or more ({share[5:].sum():.0f} %), {100 * right[5:].sum() / max(1, count[5:].sum()):.0f} %. That is "
        "what looking up is worth to a character model."
    )


def _warning(study: Study) -> str:
    """Said only where an abrupt onset was measured."""
    results = [study.result(label, "emergence") for label in study.labels]
    abrupt = [r for r in results if r is not None and r.finding("emergence.sharp").verdict == "supported"]
    if not abrupt:
        return ""
    count = Counter(result.subject.family or result.subject.label for result in abrupt)
    told = ", ".join(name if times == 1 else f"{name}, {times} trainings" for name, times in count.items())
    return f"An induction head can form abruptly ({told}), so an early look at a training does not settle what it will hold. "


PAGE = Page(FINDING_1, section)
