"""Negative results: claims not supported on the main model, compared with models where the effect exists.

A negative result is only as good as the method's power to detect the effect. Each such claim is therefore listed with its
interval, the verdicts on the positive control and the hand-built model, and the number of trainings that agree.
"""

from __future__ import annotations

from nanoscope.evidence.finding import Finding
from nanoscope.evidence.markdown import link
from nanoscope.evidence.stored_study import Study
from nanoscope.evidence.wording import number

HEAD = (
    "| claim not supported | value [95 % interval] | would count | seen elsewhere | trainings that agree | evidence |\n"
    "|---|---|---|---|---|---|"
)

SEEN = {"supported": "yes", "not supported": "no", "undecided": "undecided"}


def section(study: Study) -> str:
    """The section with one row for each claim that is not supported on the main model."""
    absent = [
        (result.key, link(result), finding)
        for result in study.results
        if result.subject.label == study.main
        for finding in result.findings
        if finding.kind == "measurement" and finding.verdict == "not supported"
    ]
    title = "### What was not found, and how sure we are"
    if not absent:
        return f"{title}\n\nEvery claim about {study.main} is supported or undecided."
    seen = [finding for _, _, finding in absent if "yes" in _elsewhere(study, finding)]
    text = (
        f"{len(absent)} claims are not supported on {study.main}. (Where the criterion is a margin or a bound from above, what "
        f"was not found is that something is small.) For {len(seen)} of them the same code finds the thing in "
        "a model that has it, so that an instrument that cannot see is no explanation; for the others an absence is only as "
        "good as the interval."
    )
    rows = [_row(study, where, finding) for _, where, finding in absent]
    return f"{title}\n\n{text}\n\n{HEAD}\n" + "\n".join(rows)


def _row(study: Study, where: str, finding: Finding) -> str:
    e = finding.evidence
    interval = f"{number(e.value)} [{number(e.interval[0])}, {number(e.interval[1])}]"
    cells = (
        finding.claim,
        interval,
        str(finding.criterion),
        _elsewhere(study, finding),
        _agree(study, finding),
        f"[{finding.id}]({where})",
    )
    return f"| {' | '.join(cells)} |"


def _elsewhere(study: Study, finding: Finding) -> str:
    """The claim's verdicts on the positive controls and the hand-built model; `-` if it was not tested there."""
    verdicts = []
    for label in (one for one in study.shown if study.role(one) in ("control", "planted")):
        result = study.result(label, finding.id.split(".")[0])
        if result is not None and any(other.id == finding.id for other in result.findings):
            verdicts.append(f"{label}: {SEEN[result.finding(finding.id).verdict]}")
    return "; ".join(verdicts) or "-"


def _agree(study: Study, finding: Finding) -> str:
    """How many of the model's trainings do not support the claim, as `3 of 8`."""
    verdicts = [found.verdict for found in study.findings("model", finding.id)]
    return f"{verdicts.count('not supported')} of {len(verdicts)}"
