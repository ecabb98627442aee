"""Finding 1 of the report, induction heads: the values that `page.md.j2` is filled with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np

from nanoscope.evidence.finding import VERDICTS, Finding
from nanoscope.evidence.markdown import evidence_table, link, picture, said, status, table
from nanoscope.evidence.result import Result
from nanoscope.evidence.stored_study import Study
from nanoscope.evidence.wording import capital, fill_file, number
from nanoscope.experiments.chapters import FINDING_1
from nanoscope.experiments.induction.literature import comparison
from nanoscope.experiments.pages import Page
from nanoscope.model.names import head_name
from nanoscope.statistics.intervals import share_interval

TEMPLATE = Path(__file__).with_name("page.md.j2")
TITLES = {"control": "Positive control: ", "planted": "Known answer: "}
CAUSES = ("induction_patching_effects", "induction_logit_lens")
ALL = ("induction_behaviour", "induction_head_scores", "induction_attention", *CAUSES)
PICTURES = {"control": ("induction_attention", *CAUSES), "planted": CAUSES[:1]}
"""The figures of a model by its role; a role that is not listed gets all of them."""
ROLES = {
    "matched": "the query token's earlier place",
    "followed": "the place after the query token's earlier one",
    "query": "the query",
}
LONG = 5
"""The number of characters from which an earlier match counts as long."""

Values = Mapping[str, object]


def section(study: Study) -> str:
    """The whole of finding 1."""
    main, shown = study.result(study.main, "induction"), _results(study, study.shown)
    others = () if main is None else _results(study, study.with_role("other data"))
    values = {
        "main": study.main,
        "status": status(study, "induction", "heads"),
        "models": [_model(study, result) for result in shown],
        "others": [_other(main, other) for other in others if main],
        "verdicts": _verdicts((main, *others)) if main else "",
        "literature": comparison(study),
        "meaning": _meaning(study, main) if main else None,
    }
    return fill_file(TEMPLATE, values)


def _results(study: Study, labels: tuple[str, ...]) -> tuple[Result, ...]:
    return tuple(result for label in labels if (result := study.result(label, "induction")) is not None)


# ---- one model -----------------------------------------------------------------------------------------------------


def _model(study: Study, result: Result) -> Values:
    """The template's values for one model."""
    label, role = result.subject.label, result.subject.role
    lookups = result["behaviour_lookup"].sel(measure="accuracy", run="clean")
    writers = result["attribution"].mean("example")
    written = sorted(zip(writers.values.tolist(), writers.labels("component"), strict=True), reverse=True)
    return {
        "title": capital(TITLES.get(role, "") + label),
        "said": partial(said, result),
        "link": link(result),
        "symbols": result.subject.config["vocab_size"],
        "accuracy": result.finding("induction.accuracy").evidence.facts,
        "lookups": lookups.mean("example").values.tolist(),
        "lookup_texts": lookups.values.shape[1],
        "places": _best_positions(result) if result["position_informative"].values else None,
        "needed": _needed(result) if result["patch_informative"].values else (),
        "writers": tuple((component, share) for share, component in written[:3]),
        "written": float(writers.values.sum()),
        "onset": _onset(study, label),
        "pictures": [picture(study, label, name) for name in PICTURES.get(role, ALL)],
        "evidence": evidence_table(result),
    }


def _best_positions(result: Result) -> Values:
    """The position and layer before the output where a single patch restores, or destroys, the most."""
    change = result["position_change"]
    clean, corrupt = result["position_plain"].values.mean(-1)
    positions = {}
    for verb, inner in zip(("restores", "destroys"), change.values[:, :-1], strict=True):
        layer, column = np.unravel_index(inner.argmax(), inner.shape)
        share = float(inner[layer, column] / (clean - corrupt))
        positions[verb] = {
            "layer": int(layer),
            "role": _role(result, int(change.labels("pos")[column])),
            "share": share,
        }
    return positions


def _role(result: Result, position: int) -> str:
    at = dict(zip(result["position_roles"].labels("role"), result["position_roles"].values, strict=True))
    return next((text for role, text in ROLES.items() if at[role] == position), f"position {position}")


def _needed(result: Result) -> tuple[tuple[str, float], ...]:
    """The four heads whose noising destroys the most, selected or not."""
    clean, corrupt = result["patch_plain"].values
    lost = (clean - result["patch_heads"].values[1]).mean(-1) / (clean - corrupt).mean()
    order = sorted(((float(share), head_name(*at)) for at, share in np.ndenumerate(lost)), reverse=True)
    return tuple((head, share) for share, head in order[:4])


def _onset(study: Study, label: str) -> Values | None:
    """The findings on the checkpoints of its training, or None if they were not analysed."""
    result = study.result(label, "emergence")
    if result is None:
        return None
    text = " ".join(finding.text for finding in result.findings if finding.verdict != "undecided")
    return {"text": text, "link": link(result), "picture": picture(study, label, "emergence_onset")}


# ---- other texts ---------------------------------------------------------------------------------------------------


def _other(main: Result, other: Result) -> Values:
    """A model of another text, and the claims whose verdict is the opposite of the main model's."""
    opposite = {"supported", "not supported"}
    differing = [
        finding.claim.rstrip(".")
        for finding in _measured(main)
        if (there := other.finding_if_any(finding.id)) and {finding.verdict, there.verdict} == opposite
    ]
    return {"label": other.subject.label, "differing": differing, "link": link(other)}


def _verdicts(results: tuple[Result, ...]) -> str:
    """Every claim's value and verdict, as a table with one column per model."""
    head = ("claim", *(result.subject.label for result in results))
    rows = [
        (finding.claim, *(_cell(result.finding_if_any(finding.id)) for result in results))
        for finding in _measured(results[0])
    ]
    return table(head, rows)


def _cell(finding: Finding | None) -> str:
    return "-" if finding is None else f"{number(finding.evidence.value)}: {finding.verdict}"


def _measured(result: Result) -> list[Finding]:
    return [finding for finding in result.findings if finding.kind == "measurement"]


# ---- what it means -------------------------------------------------------------------------------------------------


def _meaning(study: Study, main: Result) -> Values:
    """The values of the interpretation: verdicts on the model, its other trainings and its controls."""
    return {
        "verdict": main.finding("induction.heads").verdict,
        **_validation(study),
        "seeds": _seeds(study) if len(study.with_role("model")) > 2 else None,
        "corpus": main.subject.corpus,
        **_accuracy_by_match(main),
        "abrupt": _abrupt(study),
    }


def _seeds(study: Study) -> Values:
    """In how many trainings induction heads form, and the interval of that share in percent."""
    verdicts = _heads(study, study.with_role("model"))
    form, none, unclear = (verdicts.count(verdict) for verdict in VERDICTS)
    low, _ = share_interval(form, len(verdicts))
    _, high = share_interval(form + unclear, len(verdicts))
    counts = {"trainings": len(verdicts), "form": form, "none": none, "unclear": unclear}
    return {**counts, "low": round(100 * low), "high": round(100 * high)}


def _heads(study: Study, labels: tuple[str, ...]) -> list[str]:
    """Each model's verdict on having an induction head."""
    return [result.finding("induction.heads").verdict for result in _results(study, labels)]


def _validation(study: Study) -> Values:
    """Validation: in which models of known answer induction heads were found, and whether any such model was measured."""
    controls = _heads(study, tuple(label for label in study.with_role("control") if label != study.main))
    planted = _heads(study, study.with_role("planted"))
    seen = [f"in {controls.count('supported')} of {len(controls)} positive controls"] if controls else []
    if planted and set(planted) == {"supported"}:
        seen.append("in the planted model, where they must be")
    return {"seen": seen, "tried": bool(controls or planted)}


def _accuracy_by_match(result: Result) -> Values:
    """How often copying from the last match is right on ordinary text, by the match's length, in percent."""
    totals = result["match_length"]
    sums = totals.values.sum(-1)
    right, count = (sums[totals.labels("source").index(name)] for name in ("copy", "count"))
    parts = {"single": slice(1, 2), "long": slice(LONG, None)}
    return {
        name: {
            "share": round(100 * float(count[part].sum() / count.sum())),
            "right": round(100 * float(right[part].sum() / max(1, count[part].sum()))),
        }
        for name, part in parts.items()
    }


def _abrupt(study: Study) -> list[str]:
    """The models whose induction head forms abruptly, with the number of trainings if there are several."""
    results = [result for label in study.labels if (result := study.result(label, "emergence")) is not None]
    abrupt = [r for r in results if (sharp := r.finding_if_any("emergence.sharp")) and sharp.verdict == "supported"]
    count = Counter(result.subject.family or result.subject.label for result in abrupt)
    return [name if times == 1 else f"{name}, {times} trainings" for name, times in count.items()]


PAGE = Page(FINDING_1, section)
