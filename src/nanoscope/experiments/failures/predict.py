"""Experiment 04d, the comparison: regressions on several sets of features, fitted on one text and judged on another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float

from nanoscope.analysis.attention.circuit_state import CONFIDENCE, MATCH, ROLES, STATE, Observed
from nanoscope.errors import NanoscopeError
from nanoscope.evidence.sweep import Sweep
from nanoscope.seeds import seed_for
from nanoscope.statistics.auroc import auroc, pairs
from nanoscope.statistics.intervals import resampled_means
from nanoscope.statistics.logistic import Logistic, fit_logistic, log_losses

TABLE = ("n-gram table's log-probability of the first choice", "n-gram table's highest log-probability")
STATES = tuple(f"{role}: {state}" for role in ROLES for state in STATE)
CONFIDENT, CIRCUIT, RANDOM = "confidence", "confidence + circuit", "confidence + random heads"
TEXT, BESIDE_TEXT = "confidence + text", "confidence + text + circuit"
SETS = {
    CONFIDENT: ("confidence",),
    CIRCUIT: ("confidence", "match", "circuit"),
    RANDOM: ("confidence", "match", "random heads"),
    TEXT: ("confidence", "match", "table"),
    BESIDE_TEXT: ("confidence", "match", "table", "circuit"),
    "circuit": ("match", "circuit"),
    "text": ("match", "table"),
}
NAMES = {"confidence": CONFIDENCE, "match": MATCH, "table": TABLE, "circuit": STATES, "random heads": STATES}


@dataclass(frozen=True)
class SeenText:
    """Observations on a text, and features from an n-gram table: `table [feature, window, position]`."""

    seen: Observed
    table: Float[np.ndarray, "feature window position"] = field(repr=False)

    @property
    def draws(self) -> int:
        """How many draws of random heads were observed."""
        return len(self.seen.states) - 1

    def features(self, groups: tuple[str, ...], draw: int) -> Float[np.ndarray, "window position feature"]:
        """Groups of features, concatenated. Random heads are those of this draw; draw 0 is the chosen circuit."""
        of = {
            "confidence": self.seen.confidence,
            "match": self.seen.match,
            "table": self.table,
            "circuit": self.seen.states[0],
            "random heads": self.seen.states[draw],
        }
        return np.moveaxis(np.concatenate([of[group] for group in groups]), 0, -1)


def compare(fit: SeenText, test: SeenText) -> dict[str, Sweep]:
    """Every set of features, fitted on one text and judged on the other.

    `auroc [set]` and `auroc_resampled [set, resample]` (windows drawn with replacement, the same for every set),
    `log_loss [set, window]` summed over positions. For random heads: the mean over their draws, NaN if there are none.
    """
    scored, wrong = {name: scores(fit, test, name) for name in SETS}, test.seen.wrong
    whole, resamples = zip(*(areas(runs, wrong) for runs in scored.values()), strict=True)
    losses = [_mean([log_losses(run, wrong).sum(-1) for run in runs], (len(wrong),)) for runs in scored.values()]
    named = {"set": tuple(SETS)}
    return {
        "auroc": Sweep(np.array(whole), ("set",), "area", named),
        "auroc_resampled": Sweep(np.stack(resamples), ("set", "resample"), "area", named),
        "log_loss": Sweep(np.stack(losses), ("set", "window"), "nats, summed", named),
    }


def areas(
    runs: Sequence[Float[np.ndarray, "window position"]], wrong: Bool[np.ndarray, "window position"]
) -> tuple[float, Float[np.ndarray, "resample"]]:
    """The area of some scores, and of every resample of the windows (the same for all scores); means over runs."""
    drawn = len(wrong) * resampled_means(np.eye(len(wrong)), "failures")
    counted = [pairs(run, wrong) for run in runs]
    whole = _mean([np.asarray(one.auroc(np.ones(len(wrong)))) for one in counted], ())
    return float(whole), _mean([one.auroc(drawn) for one in counted], (len(drawn),))


def scores(fit: SeenText, test: SeenText, name: str) -> list[Float[np.ndarray, "window position"]]:
    """The log-odds of an error from one set of features: one array, or one for each draw of random heads."""
    draws = range(1, fit.draws + 1) if "random heads" in SETS[name] else (0,)
    return [fitted(fit, name, draw).log_odds(test.features(SETS[name], draw)) for draw in draws]


def fitted(fit: SeenText, name: str, draw: int = 0) -> Logistic:
    """The logistic regression of errors on a set of features."""
    features = fit.features(SETS[name], draw)
    return fit_logistic(features.reshape(-1, features.shape[-1]), fit.seen.wrong.ravel())


def coefficients(fit: SeenText) -> Sweep:
    """The coefficients of confidence, matches and circuit: log-odds of an error per standard deviation of a feature."""
    names = tuple(name for group in SETS[CIRCUIT] for name in NAMES[group])
    return Sweep(fitted(fit, CIRCUIT).weights, ("feature",), "log-odds", {"feature": names})


def shuffled_gain(fit: SeenText, test: SeenText, shuffles: int, *labels: object) -> Sweep:
    """The null: the area that the circuit adds to the confidence when errors are shuffled across positions `[shuffle]`."""
    rng = np.random.default_rng(seed_for("shuffled errors", *labels))
    gains = []
    for _ in range(shuffles):
        fit_errors, test_errors = (rng.permutation(text.seen.wrong.ravel()) for text in (fit, test))
        found = []
        for name in (CONFIDENT, CIRCUIT):
            x, y = (text.features(SETS[name], 0) for text in (fit, test))
            model = fit_logistic(x.reshape(-1, x.shape[-1]), fit_errors)
            found.append(auroc(model.log_odds(y).ravel(), test_errors))
        gains.append(found[1] - found[0])
    return Sweep(np.array(gains), ("shuffle",), "area")


def require_errors(*texts: SeenText) -> None:
    """NanoscopeError for a text on which all or none of the predictions are wrong."""
    for text in texts:
        if text.seen.wrong.all() or not text.seen.wrong.any():
            which = "all" if text.seen.wrong.any() else "none"
            raise NanoscopeError(
                f"{which} of the model's predictions on this text are wrong: there is nothing to predict"
            )


def _mean(parts: list[np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    return np.mean(parts, axis=0) if parts else np.full(shape, np.nan)
