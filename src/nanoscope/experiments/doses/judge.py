"""Dose-response of copying, from numbers to evidence. The unit is a held-out dose.

The margins, fixed beforehand, are what trainings of one dose may vary by. The held-out doses are all that was foretold, so
their number has no sampling interval: its ends are the number itself.
"""

from __future__ import annotations

from nanoscope.errors import NanoscopeError
from nanoscope.evidence.claim import Sweeps
from nanoscope.evidence.finding import Evidence
from nanoscope.evidence.wording import Fact
from nanoscope.experiments.doses.law import (
    FACTOR,
    TRAININGS,
    Foretold,
    Law,
    Seen,
    fitted,
    fitted_law,
    foretold,
    held_out,
    holds,
    seen,
    threshold,
)

UNIT = "held-out doses"


def committed_law(sweeps: Sweeps) -> Law | None:
    """The law that was committed; None in a study of the fitted doses alone."""
    return Law(*(float(x) for x in sweeps["committed"].values)) if "committed" in sweeps else None


def doses_foretold(sweeps: Sweeps) -> Evidence:
    """At how many held-out doses the committed law was right; the null is the fitted law that ignores the dose."""
    law, found = committed_law(sweeps), {dose: seen(sweeps, dose) for dose in held_out(sweeps)}
    if law is None:
        return Evidence.too_little("no prediction is committed yet, and the held-out doses come after it", 0, UNIT)
    run = {dose: what for dose, what in found.items() if what is not None}
    if len(run) < len(found):
        return Evidence.too_little("not all held-out doses were trained yet", len(run), UNIT)
    right = _right(sweeps, law, run)
    facts: dict[str, Fact] = {
        "fitted": fitted(sweeps),
        "slope": law.slope,
        "threshold": threshold(sweeps, law),
        "within": FACTOR,
        "margin": TRAININGS,
        "doses": tuple((f"{dose:g}", _said(foretold(sweeps, law, dose), run[dose])) for dose in run),
    }
    return Evidence(float(right), (float(right), float(right)), len(run), UNIT, _blind(sweeps, run), facts)


def _right(sweeps: Sweeps, law: Law, run: dict[float, Seen]) -> int:
    return sum(holds(sweeps, foretold(sweeps, law, dose), what) for dose, what in run.items())


def _blind(sweeps: Sweeps, run: dict[float, Seen]) -> float:
    """How many of the held-out doses a law is right about that is fitted to the same trainings but ignores the dose."""
    try:
        return float(_right(sweeps, fitted_law(sweeps, sloped=False), run))
    except NanoscopeError:
        return float("nan")


def _said(said: Foretold, found: Seen) -> str:
    """`1,420 against 1,380 iterations, 6.0 against 6 trainings`: foretold against seen."""
    return f"{said.median:,.0f} against {found.median:,.0f} iterations, {said.forming:.1f} against {found.forming} trainings"
