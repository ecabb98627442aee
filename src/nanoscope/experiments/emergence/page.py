"""Finding 1b of the report: when in training heads appear."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial

from nanoscope.evidence.finding import Evidence
from nanoscope.evidence.markdown import table
from nanoscope.evidence.result import Result
from nanoscope.evidence.stored_study import Study
from nanoscope.evidence.wording import number
from nanoscope.experiments.emergence.events import FORMED, HEADS, INDUCTION, PREVIOUS, Event
from nanoscope.experiments.emergence.judge import delay_of_induction, factor_of_change, final_score
from nanoscope.experiments.pages import Page

MEASURED = {
    "10 to 90 % of the previous-token head, as a factor": partial(factor_of_change, PREVIOUS),
    "that of the induction head": partial(factor_of_change, INDUCTION),
    "induction head's iteration over the previous-token head's": delay_of_induction,
}
"""What was measured beside the claims, and how it is computed."""


def values(study: Study, result: Result) -> Mapping[str, object]:
    """When everything happens, what else was measured, and whether a previous-token head formed."""
    controls = [study.result(label, "emergence") for label in study.with_role("control")[:1]]
    results = [result, *(one for one in controls if one is not None and one.key != result.key)]
    return {
        "previous": final_score(PREVIOUS, result.sweeps).value >= FORMED,
        "beside": table(["measured beside", *(one.subject.label for one in results)], _rows(results)),
    }


def _rows(results: list[Result]) -> list[list[str]]:
    """When heads form in any of the results, and the numbers beside the claims. The figure has every event."""
    nearest = ["nearest to tables of 1-, 2-, 3-grams ..., iterations", *(_nearest(one) for one in results)]
    when = [[f"{name}, iteration", *(_step(one, name) for one in results)] for name in HEADS]
    also = [[said, *(_cell(how(one.sweeps)) for one in results)] for said, how in MEASURED.items()]
    return [row for row in (nearest, *when, *also) if any(row[1:])]


def _nearest(result: Result) -> str:
    """The iterations of the least distance to each table that is not the last one."""
    grams = [name for name in result["events"].labels("event") if str(name).endswith("-grams")]
    events = [Event.stored(result["events"], str(name)) for name in grams]
    return ", ".join(f"{event.step:,.0f}" for event in events if event.happens)


def _step(result: Result, name: str) -> str:
    """The iteration at half of a change; empty where it does not happen."""
    event = Event.stored(result["events"], name) if name in result["events"].labels("event") else Event()
    return f"{event.step:,.0f} [{event.low:,.0f}, {event.high:,.0f}]" if event.happens else ""


def _cell(found: Evidence) -> str:
    if math.isnan(found.value):
        return ""
    return f"{number(found.value)} [{number(found.interval[0])}, {number(found.interval[1])}]"


PAGE = Page("Finding 1b: When they form", figures=("emergence_onset",), control=("emergence_onset",), values=values)
