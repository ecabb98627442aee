"""Experiment 00, the positive control: a hand-built model of which all three claims must be true.

It copies with a head of layer 1, on a text of random blocks that are repeated again and again with a period of more than
sixteen: so its context must be long, its upper head matters, and no table of other blocks knows what comes next.
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
from nanoscope.text.ngrams import NGrams
from nanoscope.text.passages import passages
from nanoscope.text.tokenizer import tokenized
from nanoscope.text.vocabulary import Vocabulary

LETTERS = tuple(map(chr, range(ord("a"), ord("z") + 1)))
PERIOD, COPIES, CONTEXT = 23, 12, 65
BLOCKS, ORDERS, WINDOWS = 60, 5, 24
REACH = 16
"""The cut of the context by which the control, and the claim, is judged."""
CONTROLS = ("context", "layers", "tables")


def repeating(*labels: object) -> str:
    """A text of random blocks of different letters, each many times in a row."""
    rng = np.random.default_rng(seed_for("repeating text", *labels))
    blocks = ["".join(rng.permutation(LETTERS)[:PERIOD]) for _ in range(BLOCKS)]
    return "".join(block * COPIES for block in blocks)


def control(seed: int) -> Sweeps:
    """What each of the three claims is about, of the hand-built model: `[claim, window]`, nats."""
    checkpoint = planted_induction(Vocabulary(LETTERS), Planted(context=CONTEXT))
    model, vocabulary = checkpoint.model, checkpoint.known_vocabulary
    text = passages(tokenized(repeating("held-out", seed), vocabulary), CONTEXT, 2 * WINDOWS)
    judged, size = text[1::2], text.size
    at = effective_context.spread_places(size, 4)
    losses, later = position_loss.of_model(model, judged), slice(size // 2, size)
    cut = effective_context.of_cut(model, judged, at, REACH, vocabulary.start) - losses[:, at]
    above = component_ablation.cost_without(model, judged, {"above": (Site("z", 1),)}, text[0::2].tokens)
    known = NGrams.fit(vocabulary.encode(repeating("training", seed)).numpy(), model.config.vocab_size, ORDERS)
    tables = position_loss.of_tables(known, judged)[..., later].mean(-1)
    best = tables[tables.mean(1).argmin()] - losses[:, later].mean(1)
    values = np.stack([cut.mean(1), above.values[0], best])
    return {"control": Sweep(values, ("claim", "window"), "nats", {"claim": CONTROLS})}
