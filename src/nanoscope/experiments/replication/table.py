"""The report's section on replication: every training's verdicts, and the agreement on each claim."""

from __future__ import annotations

import numpy as np

from nanoscope.evidence.markdown import link, table
from nanoscope.evidence.result import Result
from nanoscope.evidence.stored_study import Study
from nanoscope.evidence.wording import capital, number
from nanoscope.statistics.intervals import share_interval

SHORT = {1: "yes", 0: "?", -1: "no"}
SECTIONS = {
    "Finding 1": ("induction", "emergence"),
    "Finding 2": ("heads",),
    "Finding 3": ("lenses", "neurons"),
    "Finding 4d": ("failures",),
}
ALONE = {
    "control": "`nanoscope study control` trains eight",
    "model": "`nanoscope study shakespeare-cpu` trains several",
}
TITLES = {"control": "Positive control", "model": "Model"}


def section(study: Study) -> str:
    """All groups of compared trainings, then the kinds of models that were not compared."""
    compared = study.compared("replication")
    groups = [_group(result) for result in compared]
    shown = {model.label for result in compared for model in result.subject.models}
    alone = [_alone(study, role) for role in ("control", "model") if not shown & set(study.with_role(role))]
    return "\n\n".join(["### Replication results", *groups, *alone])


def _group(result: Result) -> str:
    """One group: a table of verdicts by claim and training, with each claim's share of agreement and its exact interval."""
    verdicts = result["verdicts"]
    head = ("claim", *trainings_of(result), "agree")
    named = zip(verdicts.labels("claim"), verdicts.values, strict=True)
    rows = [(str(claim), *(SHORT[int(verdict)] for verdict in row), _agreement(row)) for claim, row in named]
    shares = [line for name, experiments in SECTIONS.items() if (line := _share(result, name, experiments))]
    same = result.finding("replication.findings")
    every = "Every claim in every training (yes: supported, no: not supported, ?: undecided)"
    return "\n\n".join(
        [
            f"**{capital(result.subject.label)}.** {same.text} ([evidence]({link(result)}))",
            "\n".join(shares),
            f"<details><summary>{every}</summary>\n\n{table(head, rows)}\n\n</details>",
        ]
    )


def trainings_of(result: Result) -> list[str]:
    """A short name for each compared training: its seed if it has one, else its label."""
    names = {model.label: model for model in result.subject.models}
    labels = [str(label) for label in result["verdicts"].labels("training")]
    return [label if (of := names.get(label)) is None or of.seed is None else f"seed {of.seed}" for label in labels]


def _agreement(row: np.ndarray) -> str:
    """The share of trainings with the most frequent verdict, in per cent, with the Clopper-Pearson interval."""
    count, total = max(int((row == verdict).sum()) for verdict in SHORT), len(row)
    low, high = share_interval(count, total)
    return f"{100 * count / total:.0f} % [{100 * low:.0f}, {100 * high:.0f}]"


def _share(result: Result, name: str, experiments: tuple[str, ...]) -> str:
    """A list item: how many of one finding's claims get the same verdict in all trainings; empty if there are none."""
    verdicts = result["verdicts"]
    prefixes = tuple(f"{experiment}." for experiment in experiments)
    claims = zip(verdicts.labels("claim"), verdicts.values, strict=True)
    rows = [row for claim, row in claims if str(claim).startswith(prefixes)]
    if not rows:
        return ""
    same = sum(bool((row == row[0]).all()) for row in rows)
    low, high = share_interval(same, len(rows))
    return (
        f"- **{name}: {100 * same / len(rows):.0f} %** of its claims get one verdict in all {len(rows[0])} trainings "
        f"({same} of {len(rows)}; 95 % interval {100 * low:.0f} to {100 * high:.0f} %, Clopper and Pearson)"
    )


def _alone(study: Study, role: str) -> str:
    """Whether induction heads form: each training's verdict, then the share of trainings with its exact interval."""
    results = [(label, study.result(label, "induction")) for label in study.with_role(role)]
    found = [(label, result.finding("induction.heads")) for label, result in results if result is not None]
    if not found:
        return f"No {role} was analysed here."
    lines = [f"- {label}: {finding.verdict} ({number(finding.evidence.value)})" for label, finding in found]
    supported = sum(finding.verdict == "supported" for _, finding in found)
    low, high = share_interval(supported, len(found))
    share = (
        f"**Induction heads in {supported} of {len(found)} trainings** (share {100 * supported / len(found):.0f} %, 95 % "
        f"interval {100 * low:.0f} to {100 * high:.0f} %, Clopper and Pearson)."
    )
    enough = "" if len(found) > 2 else f" One or two trainings say nothing about trainings: {ALONE[role]}."
    return f"**{TITLES[role]}.**\n\n" + "\n".join(lines) + f"\n\n{share}{enough}"
