"""Experiment 02, how many heads have a class, by the threshold; and what the categoriser makes of planted heads.

Heads are counted, not sampled: a share of a model's heads has no interval. It depends on the threshold, so it is a curve.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from nanoscope.evidence.sweep import Sweep
from nanoscope.experiments.heads.label import WEAK, classes_of, labels

THRESHOLDS = tuple(round(0.05 * n, 2) for n in range(1, 17))
"""Shares of attention above chance from which a head would count; `label.WEAK` is the one in use."""


def with_a_class(sweeps: Mapping[str, Sweep], threshold: float) -> float:
    """The share of heads whose class, chosen on one half of the text, reaches the threshold on both halves."""
    label = labels(sweeps["scores_select"], sweeps["p"], threshold)
    reported = np.take_along_axis(sweeps["scores_report"].values, label.clip(0)[None], axis=0)[0]
    return float(((label >= 0) & (reported >= threshold)).mean())


def shares_by_threshold(sweeps: Mapping[str, Sweep]) -> Mapping[str, Float[np.ndarray, "threshold"]]:
    """Shares of heads with a class at every threshold: the model's, untrained ones, and planted ones by what they get."""
    found = [Named.of(confusion(sweeps, threshold).sum(0)) for threshold in THRESHOLDS]
    return {
        "this model's heads": np.array([with_a_class(sweeps, threshold) for threshold in THRESHOLDS]),
        "untrained heads": np.array([untrained_with_a_class(sweeps, threshold) for threshold in THRESHOLDS]),
        "planted heads, named right": np.array([one.right for one in found]),
        "planted heads, named wrong": np.array([one.wrong for one in found]),
        "planted heads of no class": np.array([one.invented for one in found]),
    }


@dataclass(frozen=True)
class OnRandomText:
    """What becomes of the heads with a class where tokens are drawn at random, so that nothing of the language is left."""

    named: int
    same: int
    """How many belong to their class there too: they follow a position or a token wherever it stands."""
    classes: int
    """How many classes a head with one belongs to, at most."""


def on_random_text(sweeps: Mapping[str, Sweep]) -> OnRandomText:
    """How many heads with a class keep it on random tokens, and whether any head does several things."""
    label, heads = sweeps["label"].values, np.ndindex(sweeps["label"].values.shape)
    found = {at: classes_of(sweeps, *at) for at in heads}
    named = [at for at, classes in found.items() if classes]
    same = sum(bool(sweeps["scores_random"].values[label[at]][at] >= WEAK) for at in named)
    return OnRandomText(len(named), same, max((len(found[at]) for at in named), default=0))


def untrained_with_a_class(sweeps: Mapping[str, Sweep], threshold: float) -> float:
    """The same share in untrained models, which were read on the first half alone."""
    return float((labels(sweeps["untrained_scores"], sweeps["untrained_p"], threshold) >= 0).mean())


def confusion(sweeps: Mapping[str, Sweep], threshold: float = WEAK) -> Float[np.ndarray, "strength planted label"]:
    """How many planted heads of each strength and class get each label; the last of both is "none".

    A result up to version 3 holds these counts, at the threshold in use and without heads of no class.
    """
    if "planted" in sweeps:
        return sweeps["planted"].values
    label = labels(sweeps["planted_scores"], sweeps["planted_p"], threshold)
    names = (*range(len(sweeps["planted_scores"].labels("cls"))), -1)
    return np.stack([(label == one).sum(-1) for one in names], axis=-1).astype(float)


@dataclass(frozen=True)
class Named:
    """Shares of planted heads: with a class, named right and named otherwise; without one, named at all."""

    right: float
    wrong: float
    invented: float

    @staticmethod
    def of(counts: Float[np.ndarray, "planted label"]) -> Named:
        """From the counts of `confusion`, at one strength or summed over several."""
        classes = counts[:-1].sum()
        right = np.trace(counts[:-1])
        return Named(
            float(right / classes),
            float((counts[:-1, :-1].sum() - right) / classes),
            float(counts[-1, :-1].sum() / counts[-1].sum()),
        )


def by_strength(sweeps: Mapping[str, Sweep], threshold: float = WEAK) -> dict[float, Named]:
    """What becomes of planted heads, by their strength."""
    strengths = sweeps["planted_scores"].labels("strength")
    return {float(s): Named.of(counts) for s, counts in zip(strengths, confusion(sweeps, threshold), strict=True)}
