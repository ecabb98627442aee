"""Finding 4e of the report: when copying pays enough for induction heads to form."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from nanoscope.errors import NanoscopeError
from nanoscope.evidence.claim import Sweeps
from nanoscope.evidence.markdown import table
from nanoscope.evidence.result import Result
from nanoscope.evidence.stored_study import Study
from nanoscope.evidence.wording import number
from nanoscope.experiments.doses.judge import committed_law
from nanoscope.experiments.doses.law import (
    FACTOR,
    TRAININGS,
    Law,
    Seen,
    fitted,
    fitted_law,
    foretold,
    from_dose,
    gain,
    held_out,
    holds,
    iterations,
    seen,
    times_of,
    when,
)
from nanoscope.experiments.pages import Page

COLUMNS = (
    "dose",
    "gain, nats",
    "heads form in",
    "median iteration",
    "10 to 90 %, factor",
    "by the law: heads in",
    "by the law: iteration",
    "foretold",
)


def values(study: Study, result: Result) -> Mapping[str, object]:
    """The law, its threshold, and a table of doses."""
    law = law_of(result.sweeps)
    return {
        "law": law,
        "from_dose": from_dose(result.sweeps, law) if law else "",
        "iterations": int(iterations(result.sweeps)),
        "committed": "committed" in result.sweeps,
        "margins": (f"{FACTOR:g}", f"{TRAININGS:g}"),
        "miss": largest_miss(result.sweeps, law) if law else None,
        "doses": doses_table(result.sweeps, law),
    }


def law_of(sweeps: Sweeps) -> Law | None:
    """The committed law or, before there is one, that of the fitted doses; None where too few heads form for one."""
    try:
        return committed_law(sweeps) or fitted_law(sweeps)
    except NanoscopeError:
        return None


def largest_miss(sweeps: Sweeps, law: Law) -> tuple[float, str]:
    """By how many trainings the law is furthest from what was seen, over all doses that were run, and at which dose."""
    found = ((dose, seen(sweeps, dose)) for dose in (*fitted(sweeps), *held_out(sweeps)))
    missed = [(abs(one.forming - foretold(sweeps, law, dose).forming), f"{dose:g}") for dose, one in found if one]
    return max(missed)


def doses_table(sweeps: Sweeps, law: Law | None) -> str:
    """What each held-out dose offers, what was seen, and what the law said; every dose before any of them is run."""
    judged = [dose for dose in held_out(sweeps) if seen(sweeps, dose)]
    doses = judged or (*fitted(sweeps), *held_out(sweeps))
    return table(list(COLUMNS), [_row(sweeps, law, dose) for dose in sorted(doses)])


def _row(sweeps: Sweeps, law: Law | None, dose: float) -> list[str]:
    found, said = seen(sweeps, dose), foretold(sweeps, law, dose) if law else None
    row = [f"{dose:g}", f"{gain(sweeps, dose):.3f}", *(_seen(sweeps, dose, found) if found else ["not run", "", ""])]
    row += [f"{said.forming:.1f}", when(sweeps, said.median)] if said else ["", ""]
    if dose not in held_out(sweeps) or said is None or found is None:
        return [*row, ""]
    return [*row, "yes" if holds(sweeps, said, found) else "no"]


def _seen(sweeps: Sweeps, dose: float, found: Seen) -> list[str]:
    factor = "" if math.isnan(found.factor) else number(found.factor)
    return [f"{found.forming} of {found.trainings}", _median(sweeps, dose, found), factor]


def _median(sweeps: Sweeps, dose: float, found: Seen) -> str:
    """The median iteration; where half of the trainings or more form none, what it is later than."""
    times = np.sort(times_of(sweeps, dose))
    low, high = times[(len(times) - 1) // 2], times[len(times) // 2]
    return when(sweeps, found.median) if math.isfinite(high) else f"after {min(low, iterations(sweeps)):,.0f}"


PAGE = Page(
    "Finding 4e: What does it take for copying to form?", figures=("doses_formation", "doses_curves"), values=values
)
