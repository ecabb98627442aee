"""Other ways to find the main task's circuit, at the same size where that can be asked for.

What they find, how faithful it is, and how much each two have in common.
"""

from __future__ import annotations

import numpy as np

from nanoscope.analysis.circuits.acdc import acdc
from nanoscope.analysis.circuits.circuit import Circuit
from nanoscope.analysis.circuits.faithfulness import faithfulness
from nanoscope.analysis.circuits.first_order import integrated_scores
from nanoscope.analysis.circuits.learned import learned
from nanoscope.analysis.circuits.scores import EdgeScores
from nanoscope.analysis.circuits.search import greedy, top
from nanoscope.analysis.circuits.stability import overlaps
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.circuits.setting import Setting
from nanoscope.experiments.measuring import Sweeps

ACDC_SHARE = 0.005
"""ACDC's threshold, as a share of the divergence between the clean and the corrupt run."""


def searched(s: Setting, scores: EdgeScores, edges: int) -> Sweeps:
    """The circuits of all searches: their sizes, their faithfulness on other texts, and which edges each two share."""
    task, report = s.select[s.main], s.report[s.main]
    found: dict[str, Circuit] = {
        "best exact": top(scores, edges),
        "largest exact": top(scores, edges, "absolute"),
        "greedy": greedy(scores, edges),
        "best eap-ig": top(integrated_scores(s.model, task), edges),
        "learned": learned(s.model, task, scores, edges, steps=s.params.learned_steps),
    }
    if s.params.acdc_examples:
        few = task[: s.params.acdc_examples]
        threshold = ACDC_SHARE * acdc(s.model, few, np.inf).divergence
        found["acdc"] = acdc(s.model, few, threshold).circuit
        found["acdc, other order"] = acdc(s.model, few, threshold, "first first").circuit
    names, circuits = tuple(found), list(found.values())
    counts = np.array([[len(one), len(one.connected)] for one in circuits])
    return {
        "searches": Sweep(
            np.column_stack([counts, faithfulness(s.model, report, circuits).share]), ("search", "measure"), "edges; share",
            {"search": names, "measure": ("edges", "connected", "faithfulness")},
        ),
        "overlaps": Sweep(overlaps(circuits), ("search", "other"), "share", {"search": names, "other": names}),
    }  # fmt: skip
