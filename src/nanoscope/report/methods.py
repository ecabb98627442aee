"""Methodological insights: what the results show about the methods, by criteria fixed in advance.

The text is in `methods.md.j2`; this module computes its values.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from nanoscope.evidence.finding import Finding
from nanoscope.evidence.markdown import said
from nanoscope.evidence.result import Result
from nanoscope.evidence.stored_study import Study
from nanoscope.evidence.wording import fill_file
from nanoscope.experiments.lenses.judge import never_above_half
from nanoscope.experiments.lenses.page import lens_table
from nanoscope.statistics.intervals import share_interval

Quality = Mapping[str, Mapping[str, bool]]
"""Figure path -> check of `plots.quality` -> whether the figure passes it."""
ANSWERS = {"supported": "yes", "not supported": "no", "undecided": "not decided"}


def section(study: Study, quality: Quality) -> str:
    """The section on methodological insights."""
    induction, heads, lenses = (study.result(study.main, name) for name in ("induction", "heads", "lenses"))
    values = {
        "main": study.main,
        "induction": induction,
        "heads": heads,
        "lenses": lenses,
        "said": said,
        "agreement": partial(_agreement, study),
        "answers": ANSWERS,
        **_patching(study),
        **_pictures(quality),
        **({} if lenses is None else _lens(lenses)),
    }
    return fill_file(Path(__file__).with_suffix(".md.j2"), values)


def _patching(study: Study) -> dict[str, object]:
    """Values from experiment 01, by model: patching, attention scores, and the lens on copied sequences."""
    results = {label: result for label in study.shown if (result := study.result(label, "induction"))}
    localised = [
        {"label": label, "planted": study.role(label) == "planted", "right": _supported(found), "text": found.text}
        for label, result in results.items()
        if study.role(label) in ("planted", "control") and (found := result.finding_if_any("induction.localised"))
    ]
    gates = [label for label, result in results.items() if _supported(result.finding_if_any("induction.and_gate"))]
    uniform = {label: result["uniform"].sel(score="induction").values for label, result in results.items()}
    kl = {label: result["lens"].sel(measure="kl").mean("example").values for label, result in results.items()}
    return {
        "localised": localised,
        "gates": gates,
        "uniform": [(label, float(scores.min()), float(scores.max())) for label, scores in uniform.items()],
        "copied": [(label, values.tolist()) for label, values in kl.items()],
        "copying": _copying(study),
    }


def _copying(study: Study) -> dict[str, object] | None:
    """The copying score of the first control, if the claim `copying` is supported."""
    for label in study.with_role("control")[:1]:
        result = study.result(label, "induction")
        found = None if result is None else result.finding_if_any("induction.copying")
        if found is not None and _supported(found):
            return {"label": label, "facts": found.evidence.facts, "value": found.evidence.value}
    return None


def _agreement(study: Study, role: str, claim: str) -> dict[str, object] | None:
    """The most frequent verdict of a claim among trainings of one role, and its share; None for fewer than two trainings."""
    found = study.findings(role, claim)
    if len(found) < 2:
        return None
    verdict, count = Counter(finding.verdict for finding in found).most_common(1)[0]
    low, high = share_interval(count, len(found))
    share = {"share": count / len(found), "low": low, "high": high}
    return {"verdict": verdict, "count": count, "trainings": len(found), "role": role, **share}


def _pictures(quality: Quality) -> dict[str, object]:
    """The number of figures that pass each check, and the failing figures."""
    checks = list(next(iter(quality.values()), ()))
    failed = {figure: [check for check in checks if not passed[check]] for figure, passed in quality.items()}
    return {
        "quality": quality,
        "passed": [f"{check} {sum(passed[check] for passed in quality.values())}" for check in checks],
        "failing": [f"{figure} ({', '.join(checks)})" for figure, checks in failed.items() if checks],
    }


def _lens(result: Result) -> dict[str, object]:
    """Values from experiment 03."""
    chances = result["reading_by_kind"].sel(lens="logit lens", layer=0, kind="all")
    return {
        "unexplained": float(result["writers_unexplained"].values),
        "lens_table": lens_table(result),
        "tied": result.subject.config["tied_head"],
        "first": {measure: float(chances.sel(measure=measure).values) for measure in ("current", "next")},
        "never_half": never_above_half(result.sweeps),
    }


def _supported(finding: Finding | None) -> bool:
    return finding is not None and finding.verdict == "supported"
