"""Experiment 00, the positive control: a hand-built model of which both claims must be true.

It copies with a head of layer 1, on a text of random blocks that are repeated again and again with a period of more than
sixteen: so its context must be long, and its upper head matters.
"""

from __future__ import annotations

import numpy as np

from nanoscope.analysis.causal import component_ablation
from nanoscope.analysis.prediction import effective_context, position_loss
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.measuring import Sweeps
from nanoscope.model.sites import Site
from nanoscope.planted.induction import Planted, planted_induction
from nanoscope.seeds import seed_for
from nanoscope.text.passages import passages
from nanoscope.text.tokenizer import tokenized
from nanoscope.text.vocabulary import Vocabulary

LETTERS = tuple(map(chr, range(ord("a"), ord("z") + 1)))
PERIOD, COPIES, CONTEXT = 23, 12, 65
BLOCKS, WINDOWS = 60, 24
REACH = 16
"""The cut of the context by which the control, and the claim, is judged."""
CONTROLS = ("context", "layers")


def repeating(*labels: object) -> str:
    """A text of random blocks of different letters, each many times in a row."""
    rng = np.random.default_rng(seed_for("repeating text", *labels))
    blocks = ["".join(rng.permutation(LETTERS)[:PERIOD]) for _ in range(BLOCKS)]
    return "".join(block * COPIES for block in blocks)


def control(seed: int) -> Sweeps:
    """What each claim is about, of the hand-built model: `[claim, window]`, nats."""
    checkpoint = planted_induction(Vocabulary(LETTERS), Planted(context=CONTEXT))
    model, vocabulary = checkpoint.model, checkpoint.known_vocabulary
    text = passages(tokenized(repeating("held-out", seed), vocabulary), CONTEXT, 2 * WINDOWS)
    judged, at = text[1::2], effective_context.spread_places(text.size, 4)
    whole = position_loss.of_model(model, judged)[:, at]
    cut = effective_context.of_cut(model, judged, at, REACH, vocabulary.start) - whole
    above = component_ablation.cost_without(model, judged, {"above": (Site("z", 1),)}, text[0::2].tokens)
    values = np.stack([cut.mean(1), above.values[0]])
    return {"control": Sweep(values, ("claim", "window"), "nats", {"claim": CONTROLS})}
