"""Experiment 04d, the positive control on the subject's own text: would an effect of the size that is asked for be seen?

Errors are drawn anew from known odds: what confidence and text say of each position (a regression on the true errors), plus a
multiple of one state of the copying head, its attention to its place, in so far as confidence and text do not tell it. The
multiple is chosen so that knowing this state raises the area under the ROC curve by a given size. Then everything is measured
as on the true errors. With size 0 the heads tell nothing, and an honest comparison says so.

The expected area of a score needs no drawing: with error probabilities p it is sum_ij p_i (1 - p_j) [score_i > score_j] over
the sum of all p_i (1 - p_j).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float

from nanoscope.analysis.attention.circuit_state import STATE
from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.failures.predict import BESIDE_TEXT, SETS, TEXT, SeenText, areas, fitted, scores
from nanoscope.seeds import seed_for
from nanoscope.statistics.intervals import percentile_interval

SIGNAL = len(STATE)
"""The index, among a circuit's states, of the copying head's attention to its place."""
STRONGEST, HALVINGS = 8.0, 30
ENDS = ("value", "low", "high")


@dataclass(frozen=True)
class Odds:
    """The log-odds of an error at each position of a text, and a signal that they may depend on."""

    base: Float[np.ndarray, "window position"] = field(repr=False)
    signal: Float[np.ndarray, "window position"] = field(repr=False)

    def with_signal(self, strength: float) -> Float[np.ndarray, "window position"]:
        """The log-odds of an error where the signal counts this much per standard deviation."""
        return self.base + strength * self.signal

    def gain(self, strength: float) -> float:
        """The expected area of these log-odds minus that of the base alone."""
        odds = self.with_signal(strength)
        chance = 1 / (1 + np.exp(-odds))
        return expected_area(odds, chance) - expected_area(self.base, chance)


def power(fit: SeenText, test: SeenText, sizes: tuple[float, ...], draws: int, *labels: object) -> Sweep:
    """What the comparison says of planted effects of some sizes: `[size, draw, end]`, the gain in area that it finds for the
    heads' state beside confidence and text, with its interval."""
    odds = planted_odds(fit, test)
    found = np.empty((len(sizes), draws, len(ENDS)))
    for at, size in enumerate(sizes):
        strength = strength_of(odds[1], size)
        for draw in range(draws):
            rng = np.random.default_rng(seed_for("planted effect", size, draw, *labels))
            texts = [drawn(text, one.with_signal(strength), rng) for text, one in zip((fit, test), odds, strict=True)]
            found[at, draw] = _gain(*texts)
    return Sweep(found, ("size", "draw", "end"), "area", {"size": sizes, "end": ENDS})


def planted_odds(fit: SeenText, test: SeenText) -> tuple[Odds, Odds]:
    """The odds of both texts. The signal is the state without what confidence and text tell of it, of unit variance on the
    first."""
    base, texts = fitted(fit, TEXT), (fit, test)
    known = [_with_one(text.features(SETS[TEXT], 0)) for text in texts]
    state = [text.seen.states[0, SIGNAL] for text in texts]
    told = np.linalg.lstsq(known[0].reshape(-1, known[0].shape[-1]), state[0].ravel(), rcond=None)[0]
    rest = [one - all_known @ told for one, all_known in zip(state, known, strict=True)]
    spread = max(float(rest[0].std()), 1e-12)
    first, second = (
        Odds(base.log_odds(text.features(SETS[TEXT], 0)), one / spread) for text, one in zip(texts, rest, strict=True)
    )
    return first, second


def strength_of(odds: Odds, size: float) -> float:
    """The strength at which the expected gain in area is of this size, by bisection; `STRONGEST` if none reaches it."""
    low, high = 0.0, STRONGEST if size > 0 else 0.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if odds.gain(middle) < size else (low, middle)
    return high


def expected_area(scores: Float[np.ndarray, "*any"], chance: Float[np.ndarray, "*any"]) -> float:
    """The expected area under the ROC curve of some scores, where each position is an error with its own chance."""
    order = np.argsort(scores, axis=None)
    wrong = chance.ravel()[order]
    right = 1 - wrong
    below = np.cumsum(right) - right
    return float((wrong * below).sum() / (wrong.sum() * right.sum() - (wrong * right).sum()))


def drawn(text: SeenText, odds: Float[np.ndarray, "window position"], rng: np.random.Generator) -> SeenText:
    """The text with errors drawn from these log-odds."""
    wrong = rng.random(odds.shape) < 1 / (1 + np.exp(-odds))
    return replace(text, seen=replace(text.seen, wrong=wrong))


def _gain(fit: SeenText, test: SeenText) -> tuple[float, float, float]:
    """The gain of the heads' state beside confidence and text, with its interval."""
    both = (areas(scores(fit, test, name), test.seen.wrong) for name in (BESIDE_TEXT, TEXT))
    (after, afters), (before, befores) = both
    return (after - before, *percentile_interval(afters - befores))


def _with_one(features: Float[np.ndarray, "*any feature"]) -> Float[np.ndarray, "*any more"]:
    return np.concatenate([features, np.ones((*features.shape[:-1], 1))], axis=-1)
