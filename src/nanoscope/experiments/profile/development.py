"""Experiment 00 along the training: when does the model come to read how far, with which parts, and does it overfit?

Measured at some of the checkpoints, spaced evenly in the logarithm of the iteration, on fewer windows than at the end: the
loss and the cost of a cut context on both texts, mean ablation of each layer's heads and MLPs, and every head's prefix
matching. Nothing if the training's checkpoints are not at hand, or its windows are too short to be cut.
"""

from __future__ import annotations

import numpy as np

from nanoscope.analysis.attention.prefix_matching import prefix_scores
from nanoscope.analysis.causal import component_ablation
from nanoscope.analysis.prediction import effective_context
from nanoscope.analysis.prediction.copying import NEAREST
from nanoscope.checkpoints.checkpoint import load
from nanoscope.evidence.sweep import Sweep, stacked
from nanoscope.experiments.following import spaced
from nanoscope.experiments.measuring import Sweeps
from nanoscope.experiments.profile.setting import HELD_OUT, TEXTS, Setting, spread
from nanoscope.model.gpt import GPT
from nanoscope.model.sites import Site

CUTS = (4, 16)
CUT_TOKENS = 16_384
"""About as many tokens are read for one cut at one checkpoint."""
BASELINE = "above lookalikes"


def along_training(s: Setting) -> Sweeps:
    """The sweeps `along_...`, each over `step`."""
    steps = spaced(sorted(s.subject.history), s.params.checkpoints, np.log1p) if lengths_of(s.size) else ()
    found = [at_checkpoint(s, load(s.subject.history[step]).model) for step in steps]
    return {name: stacked([one[name] for one in found], "step", steps) for name in found[0]} if found else {}


def at_checkpoint(s: Setting, model: GPT) -> Sweeps:
    """What is measured of one checkpoint: `along_loss [text, window]`, `along_context [text, context, window]`,
    `along_parts [set, window]`, nats; `along_prefix [match, layer, head]`, share of attention."""
    windows = {text: spread(s.windows[text], s.params.along_windows) for text in TEXTS}
    lengths = lengths_of(s.size)
    costs = [
        effective_context.cost_of_cuts(model, windows[text], s.subject.start, CUT_TOKENS, lengths=lengths)
        for text in TEXTS
    ]
    judged = spread(s.windows[HELD_OUT][1::2], s.params.ablated_windows // 2)
    layers = {f"heads of L{layer}": (Site("z", layer),) for layer in range(model.config.n_layer)}
    parts = component_ablation.cost_without(model, judged, layers | component_ablation.mlps(model.config), s.reference)
    return {
        "along_loss": stacked([one.whole for one in costs], "text", TEXTS),
        "along_context": stacked([one.cost for one in costs], "text", TEXTS),
        "along_parts": parts,
        "along_prefix": _prefix_matching(s, model),
    }


def lengths_of(size: int) -> tuple[int, ...]:
    """The cuts that windows of so many tokens allow."""
    return tuple(k for k in CUTS if k in effective_context.cuts(size))


def _prefix_matching(s: Setting, model: GPT) -> Sweep:
    """PM_k beyond lookalikes of every head, on held-out windows."""
    windows = spread(s.windows[HELD_OUT], s.params.along_windows)
    scores = prefix_scores(model, windows.current, s.subject.start, NEAREST)
    sums = scores.sums.sel(baseline=BASELINE).values.sum(-1)
    queries = scores.queries.sel(baseline=BASELINE).values.sum(-1)
    with np.errstate(invalid="ignore"):
        values = sums / queries[:, None, None]
    return Sweep(values, ("match", "layer", "head"), "share of attention", {"match": scores.sums.labels("match")})
