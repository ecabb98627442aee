"""The p-value of a finding: the smallest level a at which its interval of level 1 - a still decides the criterion.

At each edge of the criterion the interval has a p-value (`statistics.p_values`); the larger one counts where there are two, as
in two one-sided tests of equivalence. How an interval was made is not stored, but can be told: a share's and a deviation's are
computed again from the value and n, and what counts trainings is Student's. All else is a percentile bootstrap.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from nanoscope.evidence.finding import Criterion, Evidence
from nanoscope.statistics.p_values import bootstrap_p, deviation_p, is_deviation, is_share, share_p, student_p

TRAININGS = ("trainings", "other trainings")
PAIRS = "pairs"
PAIRED = 3
"""Pairs of sizes are averaged within each training first; a size range has three, and no fewer can be compared."""


def p_value(criterion: Criterion, evidence: Evidence) -> float:
    """Below 0.05 exactly where the interval decides the criterion; NaN without an interval."""
    if not evidence.measured:
        return math.nan
    at = _test(evidence)
    return max(at(edge) for edge in criterion.edges)


def _test(evidence: Evidence) -> Callable[[float], float]:
    """The p-value of a number, by the kind of the evidence's interval."""
    value, interval, n = evidence.value, evidence.interval, evidence.n
    if n > 0 and is_share(value, interval, n):
        return lambda edge: share_p(round(value * n), n, edge)
    if evidence.unit in TRAININGS and is_deviation(value, interval, n):
        return lambda edge: deviation_p(value, n, edge)
    if evidence.unit in (*TRAININGS, PAIRS):
        freedom = max(1, (n if evidence.unit in TRAININGS else PAIRED) - 1)
        return lambda edge: student_p(value, interval, edge, freedom)
    return lambda edge: bootstrap_p(value, interval, edge)
