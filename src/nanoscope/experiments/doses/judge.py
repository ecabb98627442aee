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
    from_dose,
    held_out,
    holds,
    seen,
    when,
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
    right, blind = _right(sweeps, law, run), _blind(sweeps, run)
    facts: dict[str, Fact] = {
        "fitted": fitted(sweeps),
        "right": right,
        "blind": blind,
        "slope": law.slope,
        "from_dose": from_dose(sweeps, law),
        "within": f"{FACTOR:g}",
        "margin": f"{TRAININGS:g}",
        "doses": tuple((f"{dose:g}", _said(sweeps, foretold(sweeps, law, dose), run[dose])) for dose in run),
    }
    return Evidence(float(right), (float(right), float(right)), len(run), UNIT, float(blind), facts)


def _right(sweeps: Sweeps, law: Law, run: dict[float, Seen]) -> int:
    return sum(holds(sweeps, foretold(sweeps, law, dose), what) for dose, what in run.items())


def _blind(sweeps: Sweeps, run: dict[float, Seen]) -> int:
    """How many of the held-out doses a law is right about that is fitted to the same trainings but ignores the dose; of a law
    that too few trainings form for, none."""
    try:
        return _right(sweeps, fitted_law(sweeps, sloped=False), run)
    except NanoscopeError:
        return 0


def _said(sweeps: Sweeps, said: Foretold, found: Seen) -> str:
    """`1,420 and 6.0, 1,380 and 6`: iterations and trainings, foretold and seen."""
    return f"{when(sweeps, said.median)} and {said.forming:.1f}, {when(sweeps, found.median)} and {found.forming}"
