"""Experiment 03: what a stored result holds, read in one place. A result of an older version lacks some of it.

Until version 3 the tuned lens was fitted too briefly, so what it said is not read from those results.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from nanoscope.analysis.prediction import table_distance
from nanoscope.analysis.prediction.table_distance import DIRECTIONS, MEASURES, Nearest
from nanoscope.evidence.claim import Sweeps

LENSES = ("logit lens", "tuned lens")

# ---- the fit of the tuned lens ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TunedFit:
    """How far the fit of the tuned lens went. KLs are means over layers, in nats."""

    steps: int
    stopped: bool
    """Whether the held-out KL had stopped falling."""
    start: float
    """Held-out KL of the logit lens."""
    end: float
    train: float
    """KL on the text that the lens was fitted on."""


def tuned_fit(sweeps: Sweeps) -> TunedFit | None:
    """How far the fit went; None for a result of an older version."""
    if "tuned_stopped" not in sweeps:
        return None
    course = sweeps["tuned_course"]
    kl, train = course.values, float(sweeps["tuned_train"].values.mean())
    steps, stopped = int(course.labels("look")[-1]), bool(sweeps["tuned_stopped"].values)
    return TunedFit(steps, stopped, float(kl[0].mean()), float(kl.min(0).mean()), train)


def sound_lenses(sweeps: Sweeps) -> tuple[str, ...]:
    """The lenses whose numbers are read: the tuned lens only if its fit says how far it went."""
    return LENSES if tuned_fit(sweeps) else LENSES[:1]


# ---- by reading ------------------------------------------------------------------------------------------------------


def kl_to_output(sweeps: Sweeps, lens: str) -> Float[np.ndarray, "layer"]:
    """KL(model || lens) at each reading, nats per position."""
    return sweeps["reading_by_kind"].sel(lens=lens, measure="kl", kind="all").values


def loss(sweeps: Sweeps, lens: str) -> Float[np.ndarray, "layer"]:
    """Loss of the lens at each reading, nats per position."""
    sums = sweeps["reading"].sel(lens=lens, measure="loss").values.sum(-1)
    return sums / sweeps["places"].sel(kind="all").values.sum()


def table_losses(sweeps: Sweeps) -> Float[np.ndarray, "n"]:
    """Loss of each table at the same positions, nats per position."""
    return sweeps["table_loss"].sel(kind="all").values.sum(-1) / sweeps["places"].sel(kind="all").values.sum()


def settled_by(sweeps: Sweeps, lens: str) -> Float[np.ndarray, "layer"]:
    """The share of predictions whose KL to the output stays below 0.1 nats from this reading on, by reading."""
    return np.cumsum(sweeps["settled"].sel(lens=lens, criterion="near", kind="all").values)[:-1]


@dataclass(frozen=True)
class Confident:
    """Where predictions become confident: some token's probability stays above one half up to the output."""

    lens: str
    """The lens that tells when."""
    share: float
    """How many predictions ever are."""
    layer: int
    """The reading by which half of those are; 0 is the embedding."""


def confident(sweeps: Sweeps) -> Confident:
    """When predictions become confident, by the tuned lens where it is sound: the logit lens reads the embedding as the token
    just read, which is no prediction."""
    lens = sound_lenses(sweeps)[-1]
    at = sweeps["settled"].sel(lens=lens, criterion="half", kind="all").values
    by, share = np.cumsum(at[:-1]), float(1 - at[-1])
    return Confident(lens, share, int((by >= share / 2 - 1e-9).argmax()))


def mean_depth(sweeps: Sweeps, lens: str) -> float:
    """The mean reading at which predictions settle ("near"), as a share of the layers."""
    sums = sweeps["depth"].sel(lens=lens, criterion="near", kind="all").values.sum()
    return float(sums / sweeps["places"].sel(kind="all").values.sum() / (len(kl_to_output(sweeps, lens)) - 1))


# ---- beside the tables -----------------------------------------------------------------------------------------------


def distances(sweeps: Sweeps, lens: str) -> Float[np.ndarray, "measure n layer"]:
    """Every reading's distance from each table of the whole text, by each of `MEASURES`; of any version."""
    if "table_distance" in sweeps:
        return sweeps["table_distance"].sel(lens=lens, tables="whole text").values
    both = np.stack([sweeps["distance_by_kind"].sel(lens=lens, kind="all", direction=one).values for one in DIRECTIONS])
    return table_distance.with_losses(both, table_losses(sweeps), loss(sweeps, lens))


def nearest(sweeps: Sweeps, lens: str, measure: str) -> Nearest:
    """The nearest table of each reading, and whether it is told from the others, as far as the measure reaches; no older result
    tells it."""
    if "table_distance" in sweeps:
        found = table_distance.nearest(sweeps["table_distance"].sel(lens=lens, measure=measure).values)
        return Nearest(found.n, found.told & (found.n <= reaches(sweeps)[measure]))
    n = distances(sweeps, lens)[MEASURES.index(measure)].argmin(0) + 1
    return Nearest(n, np.zeros(n.shape, dtype=bool))


def reaches(sweeps: Sweeps) -> dict[str, int]:
    """How long a table each measure tells, by its known answers; empty for an older result."""
    if "known_readers" not in sweeps:
        return {}
    known = sweeps["known_readers"]
    return {measure: table_distance.reach(known.sel(measure=measure).values) for measure in MEASURES}


def said(sweeps: Sweeps, lens: str) -> tuple[str, ...]:
    """The nearest table of each reading in words: `3` where both directions of the KL tell the same one, `5+` at the end of
    what they tell, else "not told"."""
    found = [nearest(sweeps, lens, direction) for direction in DIRECTIONS]
    end = min((reaches(sweeps).get(direction, 0) for direction in DIRECTIONS), default=0)
    told = np.all([one.told & (one.n == found[0].n) for one in found], axis=0)
    names = [f"{n}+" if n == end else str(n) for n in found[0].n]
    return tuple(name if ok else "not told" for name, ok in zip(names, told, strict=True))
