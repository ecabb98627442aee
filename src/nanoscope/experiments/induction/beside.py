"""Experiment 01, what was measured beside the claims: numbers that decide nothing, as a table of the page.

They say how the positive controls look, what a model does elsewhere, and what measuring costs. A row is left out where a
result lacks its numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from nanoscope.evidence.claim import Sweeps
from nanoscope.evidence.finding import Evidence
from nanoscope.evidence.markdown import table
from nanoscope.evidence.result import Result
from nanoscope.evidence.wording import number
from nanoscope.experiments.induction import judge

CHOSEN = ("scores_select", "permutation_p")
"""What tells which heads were chosen."""
MEASURED: dict[str, tuple[tuple[str, ...], Callable[[Sweeps], Evidence]]] = {
    "gain of a passage of real text from a copy before it, nats per character": (
        ("behaviour_natural",),
        judge.gain_on_text,
    ),
    "best previous-token head, above uniform": (("scores_report", *CHOSEN), judge.best_previous_token_head),
    "OV copying score of the first candidate": (
        ("copying_effective", *CHOSEN),
        judge.copying_by_weights,
    ),
    "nats of the copying gain lost without the candidates, beyond random heads": (
        ("ablation_mean_loss", "ablation_zero_accuracy", *CHOSEN),
        judge.gain_lost_without_heads,
    ),
    "layers after which the copy's prediction settles, of the depth": (
        ("lens", "lens_settled"),
        judge.depth_of_settling,
    ),
    "patching, ms per layer": (("seconds", "position_change", "patch_heads"), judge.time_of_patching),
}
"""What a row says, the sweeps it takes, and how it is computed."""


def beside_table(results: Sequence[tuple[str, Result]]) -> str:
    """One row per number, one column per named result; rows without any number are left out."""
    rows = [[said, *(_cell(result, *how) for _, result in results)] for said, how in MEASURED.items()]
    return table(["measured beside", *(name for name, _ in results)], [row for row in rows if any(row[1:])])


def _cell(result: Result, needed: Sequence[str], evidence: Callable[[Sweeps], Evidence]) -> str:
    """The value with its interval; empty where it was not measured, or has no object."""
    if any(name not in result.sweeps for name in needed):
        return ""
    found = evidence(result.sweeps)
    if math.isnan(found.value):
        return ""
    low, high = found.interval
    pointlike = not found.measured or low == high
    return number(found.value) if pointlike else f"{number(found.value)} [{number(low)}, {number(high)}]"
