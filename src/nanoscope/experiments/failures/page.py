"""Finding 4d of the report: predicting the model's errors."""

from __future__ import annotations

from collections.abc import Mapping

from nanoscope.evidence.markdown import table
from nanoscope.evidence.result import Result
from nanoscope.evidence.stored_study import Study
from nanoscope.evidence.wording import number
from nanoscope.experiments.failures.judge import other_gains, overconfidence, planted_gain, power_facts
from nanoscope.experiments.failures.measure import ASKED
from nanoscope.experiments.pages import Page


def values(study: Study, result: Result) -> Mapping[str, object]:
    """Whether the model is as sure as it is right, what the heads and others add, and what the comparison can see."""
    return {
        **overconfidence(result.sweeps),
        **other_gains(result.sweeps),
        "planted": planted_gain(result.sweeps),
        "power": power_table(result),
        "asked": ASKED,
    }


def power_table(result: Result) -> str:
    """What is said of planted effects, by their size; empty where it was not measured."""
    rows = [
        [number(size), number(found), *(f"{count} of {draws}" for count in counts)]
        for size, found, draws, *counts in power_facts(result.sweeps)
    ]
    head = ["planted gain in AUROC", "found", "above 0", f"at least {ASKED:g}", f"below {ASKED:g}"]
    return table(head, rows) if rows else ""


PAGE = Page("Finding 4d: Can circuits predict the model's errors?", figures=("failures_auroc",), values=values)
