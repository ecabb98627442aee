"""Other ways to find the main task's circuit, at the same size where that can be asked for.

What they find, how faithful it is, and how much each two have in common.
"""

from __future__ import annotations

import numpy as np

from nanoscope.analysis.circuits.acdc import acdc
from nanoscope.analysis.circuits.circuit import Circuit
from nanoscope.analysis.circuits.faithfulness import faithfulness
from nanoscope.analysis.circuits.learned import learned
from nanoscope.analysis.circuits.search import greedy, top
from nanoscope.analysis.circuits.stability import overlaps
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.circuits.setting import Setting
from nanoscope.experiments.circuits.stored import estimate, exact, size
from nanoscope.experiments.measuring import Sweeps

KEPT = ("_learned", "_acdc", "_acdc, other order")
"""Circuits that a stage of their own has found; they are not part of the result."""
ACDC_SHARE = 0.005
"""ACDC's threshold, as a share of the divergence between the clean and the corrupt run."""


def learned_mask(s: Setting, before: Sweeps) -> Sweeps:
    """The learned circuit, of as many edges as the circuit of exact effects."""
    scores, edges = exact(before, s.main), size(before, s.main)
    return {"_learned": _kept(learned(s.model, s.select[s.main], scores, edges, steps=s.params.learned_steps))}


def without_edges(s: Setting) -> Sweeps:
    """What ACDC leaves, in its own order and in the other; nothing if no examples are given to it."""
    if not s.params.acdc_examples:
        return {}
    few = s.select[s.main][: s.params.acdc_examples]
    threshold = ACDC_SHARE * acdc(s.model, few, np.inf).divergence
    return {
        "_acdc": _kept(acdc(s.model, few, threshold).circuit),
        "_acdc, other order": _kept(acdc(s.model, few, threshold, "first first").circuit),
    }


def searched(s: Setting, before: Sweeps) -> Sweeps:
    """The circuits of all searches: their sizes, their faithfulness on other texts, and which edges each two share."""
    scores, edges, report = exact(before, s.main), size(before, s.main), s.report[s.main]
    found: dict[str, Circuit] = {
        "best exact": top(scores, edges),
        "largest exact": top(scores, edges, "absolute"),
        "greedy": greedy(scores, edges),
        "best eap-ig": top(estimate(before, "eap-ig"), edges),
        **{name[1:]: Circuit(scores.graph, sweep.values) for name, sweep in before.items() if name in KEPT},
    }
    names, circuits = tuple(found), list(found.values())
    counts = np.array([[len(one), len(one.connected)] for one in circuits])
    return {
        "searches": Sweep(
            np.column_stack([counts, faithfulness(s.model, report, circuits).share]), ("search", "measure"), "edges; share",
            {"search": names, "measure": ("edges", "connected", "faithfulness")},
        ),
        "overlaps": Sweep(overlaps(circuits), ("search", "other"), "share", {"search": names, "other": names}),
    }  # fmt: skip


def _kept(found: Circuit) -> Sweep:
    return Sweep(found.on, ("source", "read"), "whether")
