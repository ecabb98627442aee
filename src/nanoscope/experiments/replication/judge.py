"""Finding 4c, from numbers to evidence: one function per claim. The unit is a training."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Bool

from nanoscope.evidence.claim import Sweeps
from nanoscope.evidence.finding import Evidence
from nanoscope.evidence.sweep import Sweep
from nanoscope.evidence.wording import Fact
from nanoscope.experiments.replication.measure import OPEN, VERDICT
from nanoscope.statistics.intervals import pair_interval, share_interval


def claims_with_one_verdict(sweeps: Sweeps) -> Evidence:
    """The share of claims with one verdict in all trainings. The null: verdicts drawn at random for each training."""
    verdicts = sweeps["verdicts"]
    table = verdicts.values
    agree = (table == table[:, :1]).all(axis=1)
    decided = (table != OPEN).any(axis=1)
    opposed = (table == VERDICT["supported"]).any(1) & (table == VERDICT["not supported"]).any(1)
    shares = [(table == verdict).mean() for verdict in (*VERDICT.values(), OPEN)]
    chance = sum(share ** table.shape[1] for share in shares)
    facts: dict[str, Fact] = {
        "same": int(agree.sum()),
        "trainings": table.shape[1],
        "open": int((~decided).sum()),
        "decided": int(decided.sum()),
        "agreed": int((agree & decided).sum()),
        "differ": _claims(verdicts, ~agree),
        "opposed": _claims(verdicts, opposed),
    }
    interval = share_interval(int(agree.sum()), len(agree))
    return Evidence(float(agree.mean()), interval, len(agree), "claims", float(chance), facts)


def trainings_that_form(claim: str, sweeps: Sweeps) -> Evidence:
    """The share of trainings in which a claim is supported. The exact interval counts undecided trainings as either."""
    verdicts, trainings = sweeps["verdicts"], _trainings(sweeps)
    if claim not in verdicts.labels("claim"):
        return Evidence.too_little("not every training was judged", trainings, "trainings", 0.0)
    yes, undecided = (int((verdicts.sel(claim=claim).values == value).sum()) for value in (VERDICT["supported"], OPEN))
    interval = share_interval(yes, trainings)[0], share_interval(yes + undecided, trainings)[1]
    facts: dict[str, Fact] = {"count": yes, "undecided": undecided}
    return Evidence(yes / trainings, interval, trainings, "trainings", 0.0, facts)


def previous_token_heads_in_the_first_half(sweeps: Sweeps) -> Evidence:
    """The share of trainings whose best previous-token head lies there; the null is the share of layers that do."""
    trainings = _trainings(sweeps)
    if "depth" not in sweeps:
        return Evidence.too_little("the heads of some training were not measured", trainings, "trainings", 0.0)
    layers, total = sweeps["depth"].sel(cls="previous token").values, int(sweeps["layers"].values)
    count = int((layers < total / 2).sum())
    facts: dict[str, Fact] = {"count": count, "layers": tuple(layers.tolist())}
    chance = math.ceil(total / 2) / total
    return Evidence(count / trainings, share_interval(count, trainings), trainings, "trainings", chance, facts)


def similarity_by_index(sweeps: Sweeps) -> Evidence:
    """Cosine of heads with the same index minus that of any heads of the same layer, over pairs of trainings."""
    trainings = _trainings(sweeps)
    if "agreement" not in sweeps:
        return Evidence.too_little("the heads of some training were not measured", trainings, "trainings")
    by_index, within = (sweeps["agreement"].sel(assignment=name).values for name in ("by index", "within layers"))
    more = by_index - within
    return Evidence(float(np.nanmean(more)), pair_interval(more), trainings, "trainings", float(np.nanmean(within)))


def _trainings(sweeps: Sweeps) -> int:
    return len(sweeps["verdicts"].labels("training"))


def _claims(verdicts: Sweep, which: Bool[np.ndarray, "claim"]) -> tuple[str, ...]:
    return tuple(str(claim) for claim, chosen in zip(verdicts.labels("claim"), which, strict=True) if chosen)
