"""What the results show about the methods: do they see what is there, what do they cost, do they come out alike?

The text is in `methods.md.j2`; this module computes its values.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from nanoscope.evidence.finding import Finding
from nanoscope.evidence.stored_study import Study
from nanoscope.evidence.wording import fill_file
from nanoscope.report.frame import PUBLISHED

Quality = Mapping[str, Mapping[str, bool]]
"""Figure path -> check of `plots.quality` -> whether the figure passes it."""


def section(study: Study, quality: Quality) -> str:
    """The section on the methods; empty for a user's own results, which say little about methods."""
    if study.name is None:
        return ""
    values = {
        "localised": _localised(study),
        "found": partial(_main, study),
        "agreement": partial(_agreement, study),
        "published": study.name == PUBLISHED,
        **_pictures(quality),
    }
    return fill_file(Path(__file__).with_suffix(".md.j2"), values)


def _main(study: Study, claim: str) -> Finding | None:
    """A finding on the main model; None where it was not measured."""
    result = study.result(study.main, claim.split(".", maxsplit=1)[0])
    return result.finding_if_any(claim) if result else None


def _localised(study: Study) -> list[Mapping[str, object]]:
    """The control and the hand-built model, whose parts are known: the share that the selected heads restore."""
    labels = (*study.with_role("control")[:1], *study.with_role("planted"))
    results = ((label, study.result(label, "induction")) for label in labels)
    found = ((label, result.finding_if_any("induction.localised")) for label, result in results if result)
    return [{"label": label, "value": one.evidence.value, "verdict": one.verdict} for label, one in found if one]


def _agreement(study: Study, role: str, claim: str) -> str:
    """The most frequent verdict of a claim among trainings of one recipe: `supported in 5 of 6 trainings`."""
    labels = study.replicates if role == "model" else study.with_role(role)
    results = [result for label in labels if (result := study.result(label, claim.split(".", maxsplit=1)[0]))]
    found = [finding for result in results if (finding := result.finding_if_any(claim))]
    if len(found) < 2:
        return "not measured over trainings"
    verdict, count = Counter(finding.verdict for finding in found).most_common(1)[0]
    return f"{verdict} in {count} of {len(found)} trainings"


def _pictures(quality: Quality) -> dict[str, object]:
    """The figures that fail a check, with the checks that they fail."""
    failed = {figure: [check for check, passed in checks.items() if not passed] for figure, checks in quality.items()}
    return {"failing": [f"{figure} ({', '.join(checks)})" for figure, checks in failed.items() if checks]}
